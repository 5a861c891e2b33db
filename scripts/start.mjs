/** `npm start`: sets up what is missing, then `mcpx up --demo` in this very process. */
import { checkNode, ensureBuild, ensureDependencies, giveUp } from './setup/steps.mjs';

try {
  checkNode();
  await ensureDependencies();
  await ensureBuild();
} catch (error) {
  giveUp(error.message);
}
process.argv = [process.argv[0], process.argv[1], 'up', '--demo', ...process.argv.slice(2)];
await import('../dist/src/main.js');
