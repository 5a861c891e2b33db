/** `npm start`: sets up what is missing, then `mcpx up --demo` in this very process. */
import { setUp } from './setup/steps.mjs';

await setUp();
process.argv = [process.argv[0], process.argv[1], 'up', '--demo', ...process.argv.slice(2)];
await import('../dist/src/main.js');
