/** Keys of ours: each one file in the data folder, made once, shared by all who read it. */
import { randomBytes, randomUUID } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { failed, problem, reasonOf, succeeded, type Outcome } from './errors.js';

/** Bytes. */
export const keySize = 32;

/** Makes the key once; whoever comes second, also at the same moment, reads the first one's. */
export function readKeyFile(folder: string, name: string, lost: string): Outcome<Buffer> {
  const path = join(folder, name);
  try {
    mkdirSync(folder, { recursive: true });
    createOnce(folder, name);
    const key = readFileSync(path);
    if (key.length === keySize) return succeeded(key);
    const advice = `Remove the file: a new key is made, and ${lost}.`;
    return refused(`${path} must hold ${keySize} bytes but holds ${key.length}. ${advice}`);
  } catch (error) {
    return refused(`${path} cannot be read or made: ${reasonOf(error)}`);
  }
}

const refused = (message: string) => failed(problem('config_invalid', { path: 'data' }, message));

/** Written whole under another name, then linked: nobody ever reads half a key. */
function createOnce(folder: string, name: string): void {
  const draft = join(folder, `${name}.${randomUUID()}`);
  writeFileSync(draft, randomBytes(keySize), { mode: 0o600 });
  try {
    linkSync(draft, join(folder, name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(draft);
  }
}
