/**
 * How the processes of one machine show the admin API who they are: by tokens made
 * from a key in the data folder, which only its owner can read. Where nobody needs
 * a token these are sent all the same, and count for nothing.
 */
import { createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Outcome } from '../errors.js';
import { keySize, readKeyFile } from '../key_file.js';

/**
 * `filter` follows what agents see; `up` registers its demo servers; `cli` is whoever
 * types commands as the user of the control plane, who may read all that it knows.
 */
export type LocalProcess = 'filter' | 'up' | 'cli';

const keyName = 'admin.key';

/** The token of each, by the one key of this data folder. */
export function localTokens(folder: string): Outcome<(process: LocalProcess) => string> {
  const key = readKeyFile(folder, keyName, 'a control plane that runs must start again');
  if (!key.ok) return key;
  return { ok: true, value: (process) => tokenOf(key.value, process) };
}

/** Makes no key; undefined where there is none, or none that this user may read. */
export async function heldToken(
  folder: string,
  process: LocalProcess,
): Promise<string | undefined> {
  const key = await readFile(join(folder, keyName)).catch(() => undefined);
  return key?.length === keySize ? tokenOf(key, process) : undefined;
}

const tokenOf = (key: Buffer, process: LocalProcess): string =>
  `mcpxl_${createHmac('sha256', key).update(`admin/${process}`).digest('base64url')}`;
