/** The key of session ids: one file in the data folder, shared by all who read it. */
import { randomBytes, randomUUID } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { failed, problem, reasonOf, succeeded, type Outcome } from '../errors.js';

const keySize = 32;

/** Makes the key once; whoever comes second, also at the same moment, reads the first one's. */
export function readSessionKey(folder: string): Outcome<Buffer> {
  const path = join(folder, 'session.key');
  try {
    mkdirSync(folder, { recursive: true });
    createOnce(folder, path);
    const key = readFileSync(path);
    if (key.length === keySize) return succeeded(key);
    const advice = 'Remove the file: a new key is made, and agents open new sessions.';
    return refused(`${path} must hold ${keySize} bytes but holds ${key.length}. ${advice}`);
  } catch (error) {
    return refused(`${path} cannot be read or made: ${reasonOf(error)}`);
  }
}

const refused = (message: string) => failed(problem('config_invalid', { path: 'data' }, message));

/** Written whole under another name, then linked: nobody ever reads half a key. */
function createOnce(folder: string, path: string): void {
  const draft = join(folder, `session.key.${randomUUID()}`);
  writeFileSync(draft, randomBytes(keySize), { mode: 0o600 });
  try {
    linkSync(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(draft);
  }
}
