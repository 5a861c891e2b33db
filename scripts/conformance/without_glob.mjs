/**
 * Lets the conformance suite start on Node 20: it imports `globSync` from "fs",
 * which came with Node 22, and so dies before its first line. It uses it only
 * in commands that we do not run, so the import is taken out as it is loaded.
 * Used as `node --import ./scripts/conformance/without_glob.mjs <the suite>`.
 */
import * as fs from 'node:fs';
import { register } from 'node:module';

const suite = /\/(@modelcontextprotocol\/conformance|conformance-stable)\/dist\/index\.js$/;

if (fs.globSync === undefined) register(import.meta.url);

/** Node calls this for each module, in a thread of its own. */
export async function load(url, context, nextLoad) {
  const loaded = await nextLoad(url, context);
  if (!suite.test(url)) return loaded;
  return { ...loaded, source: withoutGlob(String(loaded.source)) };
}

function withoutGlob(source) {
  const [imported, name] = /globSync as (\w+),/.exec(source) ?? [];
  return imported === undefined ? source : `${source.replace(imported, '')}\nvar ${name};\n`;
}
