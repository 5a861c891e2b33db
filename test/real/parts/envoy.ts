/** An Envoy by itself, for tests that connect several to one control plane. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bootstrapOf } from '../../../src/resources/bootstrap.js';
import { ensureEnvoyVersion, pinnedEnvoy } from '../../../src/up/envoy_binary.js';
import type { Variant } from '../../../src/xds/subscription.js';
import { freePorts, startChild, temporaryFolder, whenReady } from './child.js';

export interface Envoy {
  readonly node: string;
  readonly admin: string;
  /** How many updates it has refused so far, of all types. */
  refusals(): Promise<number>;
  stop(): Promise<void>;
}

export interface EnvoyOptions {
  readonly node: string;
  readonly xdsPort: number;
  readonly variant: Variant;
}

export async function startEnvoy({ node, xdsPort, variant }: EnvoyOptions): Promise<Envoy> {
  const binary = process.env['ENVOY_BIN'] || (await ensureEnvoyVersion(pinnedEnvoy, process.env));
  const folder = await temporaryFolder('envoy');
  const [adminPort = 0] = await freePorts(1);
  const bootstrap = join(folder.path, 'envoy.yaml');
  const xds = [{ host: '127.0.0.1', port: xdsPort }];
  await writeFile(bootstrap, bootstrapOf({ node, xds, adminPort, variant }));
  const options = ['--use-dynamic-base-id', '--concurrency', '1', '--log-level', 'error'];
  const child = startChild(binary, ['-c', bootstrap, ...options]);
  const admin = `http://127.0.0.1:${adminPort}`;
  await whenReady(child, async () => (await fetch(`${admin}/server_info`)).ok);
  return {
    ...{ node, admin },
    async refusals() {
      const stats = await (await fetch(`${admin}/stats?filter=update_rejected$`)).text();
      const counts = [...stats.matchAll(/update_rejected: (\d+)/g)].map(([, count]) =>
        Number(count),
      );
      return counts.reduce((sum, count) => sum + count, 0);
    },
    async stop() {
      await child.stop();
      await folder.remove();
    },
  };
}
