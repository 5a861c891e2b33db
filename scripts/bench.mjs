/** `npm run bench:NAME`: sets up what is missing, then runs that benchmark. */
import { setUpRealParts } from './setup/real_parts.mjs';
import { giveUp, orGiveUp, setUp } from './setup/steps.mjs';
import { setUpXdsBench } from './setup/xds_bench.mjs';

const benches = {
  discovery: {
    setUp: setUpRealParts,
    run: async (args) => (await import('../dist/scripts/bench/discovery.js')).discovery(args),
  },
  lanes: {
    setUp: setUpRealParts,
    run: async (args) => (await import('../dist/scripts/bench/lanes_report.js')).lanes(args),
  },
  rollout: {
    setUp: async () => {
      await setUpRealParts();
      await setUpXdsBench();
    },
    run: async (args) => (await import('../dist/scripts/bench/rollout.js')).rollout(args),
  },
  xds: {
    setUp: setUpXdsBench,
    run: async (args) => (await import('../dist/scripts/bench/xds/report.js')).xds(args),
  },
};

const [name, ...args] = process.argv.slice(2);
const bench = Object.hasOwn(benches, name ?? '') ? benches[name] : undefined;
if (bench === undefined) giveUp(`Which benchmark? ${Object.keys(benches).join(', ')}`);
await setUp(bench.setUp);
await orGiveUp(() => bench.run(args));
