/** `npm run bench:NAME`: sets up what is missing, then runs that benchmark. */
import { setUpRealParts } from './setup/real_parts.mjs';
import { checkNode, ensureBuild, ensureDependencies, giveUp } from './setup/steps.mjs';

const benches = {
  discovery: async (args) => (await import('../dist/scripts/bench/discovery.js')).discovery(args),
  lanes: async (args) => (await import('../dist/scripts/bench/lanes_report.js')).lanes(args),
};

const [name, ...args] = process.argv.slice(2);
const bench = Object.hasOwn(benches, name ?? '') ? benches[name] : undefined;
if (bench === undefined) giveUp(`Which benchmark? ${Object.keys(benches).join(', ')}`);
try {
  checkNode();
  await ensureDependencies();
  await ensureBuild();
  await setUpRealParts();
  await bench(args);
} catch (error) {
  giveUp(error.message);
}
