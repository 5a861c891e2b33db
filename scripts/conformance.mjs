/**
 * `npm run conformance`: sets up what is missing, then holds the official
 * conformance suite against our reference server, directly and through a real
 * MCPX with its Envoy, and prints both side by side.
 */
import { parseArgs } from 'node:util';
import { setUpEnvoy } from './setup/envoy.mjs';
import { giveUp, orGiveUp, setUp } from './setup/steps.mjs';

const usage = `npm run conformance -- [--all] [WORD…]

  --all   print every scenario, not only the checks that differ
  WORD    only the parts whose title holds it, such as 2026-07-28 or stable

Ends with 1 when any check is worse through the gateway than directly.`;

const { all, help, words } = readArguments();
if (help) {
  console.log(usage);
  process.exit(0);
}
await setUp(setUpEnvoy);
await orGiveUp(async () => {
  const { runConformance } = await import('../dist/scripts/conformance/run.js');
  process.exitCode = await runConformance({ all, only: words });
});

function readArguments() {
  const flag = { type: 'boolean', default: false };
  try {
    const { values, positionals } = parseArgs({
      options: { all: flag, help: flag },
      allowPositionals: true,
    });
    return { ...values, words: positionals };
  } catch (error) {
    giveUp(`${error.message}\n\n${usage}`);
  }
}
