#!/usr/bin/env node
/** The `mcpx` command, from a built clone. */
import { existsSync } from 'node:fs';

const main = new URL('../dist/src/main.js', import.meta.url);
if (!existsSync(main)) {
  process.stderr.write('✗ MCPX is not built yet. Run `npm run build` first.\n');
  process.exit(1);
}
await import(main.href);
