/** A registry of each kind to write to: a file, a real Consul and a real etcd of a suite's own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '../../../src/log.js';
import { createConsulRegistry } from '../../../src/registry/consul.js';
import { createEtcdRegistry } from '../../../src/registry/etcd.js';
import { createFileRegistry } from '../../../src/registry/file.js';
import type { Registry } from '../../../src/registry/registry.js';
import { anyTarget } from '../../unit/registry/watching.js';
import { startConsul, type RealConsul } from './consul.js';
import { startEtcd, type RealEtcd } from './etcd.js';

const common = { allowedTargets: anyTarget, log: silentLog };

export interface Registries {
  readonly folder: string;
  readonly consul: () => RealConsul;
  readonly etcd: () => RealEtcd;
  /** Elsewhere where an address is given; each call opens one more, closed after the test. */
  readonly kinds: Readonly<Record<'file' | 'consul' | 'etcd', (address?: string) => Registry>>;
}

/** Sets up and clears away around the suite it is called in. */
export function registriesOfSuite(options: Parameters<typeof startConsul>[0] = {}): Registries {
  const folder = mkdtempSync(join(tmpdir(), 'mcpx-registries-'));
  let consul: RealConsul;
  let etcd: RealEtcd;
  const open: Registry[] = [];
  const opened = (registry: Registry): Registry => {
    open.push(registry);
    return registry;
  };
  before(async () => {
    [consul, etcd] = await Promise.all([startConsul(options), startEtcd()]);
  });
  after(async () => {
    await Promise.all([consul.stop(), etcd.stop()]);
    rmSync(folder, { recursive: true, force: true });
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((registry) => registry.close()));
  });
  return {
    folder,
    consul: () => consul,
    etcd: () => etcd,
    kinds: {
      file: (path = join(folder, 'services.yaml')) =>
        opened(createFileRegistry({ path, ...common })),
      consul: (address = consul.address) =>
        opened(createConsulRegistry({ address, token: '', datacenter: '', ...common })),
      etcd: (address = etcd.address) =>
        opened(createEtcdRegistry({ endpoints: [address], prefix: '/mcpx', ...common })),
    },
  };
}
