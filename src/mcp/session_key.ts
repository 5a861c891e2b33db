/** The key of session ids: one file in the data folder, shared by all who read it. */
import type { Outcome } from '../errors.js';
import { readKeyFile } from '../key_file.js';

/** Made where it is not there. */
export function readSessionKey(folder: string): Outcome<Buffer> {
  return readKeyFile(folder, 'session.key', 'agents open new sessions');
}
