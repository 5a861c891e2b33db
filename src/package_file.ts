/** Files that ship with the package, found from `src/` and from `dist/src/` alike. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

let root: string | undefined;

/** The absolute path of `path`, which is relative to the folder of package.json. */
export function packageFile(path: string): string {
  root ??= packageRoot(import.meta.dirname);
  return join(root, path);
}

function packageRoot(folder: string): string {
  return existsSync(join(folder, 'package.json')) ? folder : packageRoot(dirname(folder));
}
