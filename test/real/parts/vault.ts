/** A real Vault with one unseal key, that keeps its data, on a free port of 127.0.0.1. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { freePorts, setUpBinary, temporaryFolder } from './child.js';
import { startRestarting, type Restarting } from './restarting.js';

/** Brought back sealed. */
export interface RealVault extends Restarting {
  readonly address: string;
  /** With the root's token; '' for an answer without a body. */
  call(method: string, path: string, body?: object): Promise<unknown>;
  unseal(): Promise<void>;
  stop(): Promise<void>;
}

/** Throws where no Vault is installed. */
export async function startVault(): Promise<RealVault> {
  const binary = await setUpBinary('vault', 'findVault');
  if (binary === '') throw new Error('VAULT_BIN names no Vault.');
  const folder = await temporaryFolder('vault');
  const [port = 0] = await freePorts(1);
  const config = join(folder.path, 'vault.json');
  await writeFile(
    config,
    JSON.stringify({
      storage: { file: { path: join(folder.path, 'data') } },
      listener: { tcp: { address: `127.0.0.1:${port}`, tls_disable: true } },
      disable_mlock: true,
      log_level: 'warn',
    }),
  );
  const address = `http://127.0.0.1:${port}`;
  const server = await startRestarting(binary, ['server', `-config=${config}`], async () => {
    const answer = await fetch(`${address}/v1/sys/seal-status`);
    return answer.ok;
  });
  let token = '';
  const call = async (method: string, path: string, body?: object): Promise<unknown> => {
    const answer = await fetch(`${address}/v1/${path}`, {
      method,
      headers: { 'x-vault-token': token },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`Vault refused ${method} ${path}: ${text}`);
    return text === '' ? '' : JSON.parse(text);
  };
  const shares = { secret_shares: 1, secret_threshold: 1 };
  const made = initialized.parse(await call('POST', 'sys/init', shares));
  const [key = ''] = made.keys;
  token = made.root_token;
  const unseal = async (): Promise<void> => {
    await call('POST', 'sys/unseal', { key });
  };
  await unseal();
  return {
    ...server,
    ...{ address, call, unseal },
    async stop() {
      await server.kill();
      await folder.remove();
    },
  };
}

const initialized = z.object({ keys: z.array(z.string()), root_token: z.string() });
