import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { bootstrapOf, type BootstrapSettings } from '../../src/resources/bootstrap.js';
import { ensureEnvoyVersion, pinnedEnvoy } from '../../src/up/envoy_binary.js';
import { temporaryFolder, type Folder } from './parts/child.js';

const run = promisify(execFile);
const versions = ['1.37.0', '1.38.3', '1.39.3', pinnedEnvoy];

const edge: BootstrapSettings = {
  ...{ node: 'one', adminPort: 9901, xds: [{ host: 'xds.example', port: 18_000 }] },
};
const sidecar = {
  service: 'claims',
  inbound: { host: '0.0.0.0', port: 3443 },
  outbound: { host: '::1', port: 15_001 },
  local: { host: '127.0.0.1', port: 3000 },
};

describe('bootstraps', () => {
  let folder: Folder;
  before(async function () {
    this.timeout(180_000);
    folder = await temporaryFolder('bootstrap');
    for (const version of versions) await ensureEnvoyVersion(version, process.env);
  });
  after(async () => folder.remove());

  for (const version of versions)
    for (const [role, settings] of [
      ['an edge', edge],
      ['a sidecar', { ...edge, sidecar }],
      ['a sidecar that knows its control plane', { ...edge, sidecar, identity: true }],
    ] as const)
      it(`are taken by Envoy ${version}: ${role}`, async () => {
        const binary = await ensureEnvoyVersion(version, process.env);
        const path = join(folder.path, 'envoy.yaml');
        const identity = { folder: folder.path, trustDomain: 'mcpx' };
        const known = 'identity' in settings ? { ...settings, identity } : settings;
        // What `mcpx join` would have written.
        for (const file of ['node.yaml', 'roots.yaml'])
          await writeFile(join(folder.path, file), 'resources: []\n');
        await writeFile(path, bootstrapOf(known));
        const { stdout } = await run(binary, ['--mode', 'validate', '-c', path]);
        expect(stdout).to.match(/OK\s*$/);
      });
});
