/** `npm run bench:NAME`: sets up what is missing, then runs that benchmark. */
import { setUpEnvoy } from './setup/envoy.mjs';
import { checkNode, ensureBuild, ensureDependencies, giveUp } from './setup/steps.mjs';

const benches = {
  lanes: async (args) => (await import('../dist/scripts/bench/lanes_report.js')).lanes(args),
};

const [name, ...args] = process.argv.slice(2);
const bench = Object.hasOwn(benches, name ?? '') ? benches[name] : undefined;
if (bench === undefined) giveUp(`Which benchmark? ${Object.keys(benches).join(', ')}`);
try {
  checkNode();
  await ensureDependencies();
  await ensureBuild();
  await setUpEnvoy();
  await bench(args);
} catch (error) {
  giveUp(error.message);
}
