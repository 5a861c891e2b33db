/**
 * How the processes of one machine show the admin API who they are: by tokens made
 * from a key in the data folder, which only its owner can read. Where nobody needs
 * a token these are sent all the same, and count for nothing.
 */
import { createHmac } from 'node:crypto';
import type { Outcome } from '../errors.js';
import { readKeyFile } from '../key_file.js';

/** `filter` follows what agents see; `up` registers its demo servers. */
export type LocalProcess = 'filter' | 'up';

/** The token of each, by the one key of this data folder. */
export function localTokens(folder: string): Outcome<(process: LocalProcess) => string> {
  const key = readKeyFile(folder, 'admin.key', 'a control plane that runs must start again');
  if (!key.ok) return key;
  const tokenOf = (process: LocalProcess): string =>
    `mcpxl_${createHmac('sha256', key.value).update(`admin/${process}`).digest('base64url')}`;
  return { ok: true, value: tokenOf };
}
