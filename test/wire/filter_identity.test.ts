import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { expect } from 'chai';
import { writeIdentity } from '../../src/admission/identity_files.js';
import type { Authority } from '../../src/certificates/authority.js';
import { readConfig } from '../../src/config.js';
import { silentLog } from '../../src/log.js';
import { startFilterService, type FilterService } from '../../src/mcp/service.js';
import { createMetrics } from '../../src/metrics.js';
import { freePorts } from '../real/parts/child.js';
import { makeAuthority, valueOf } from './admitting.js';

/** What stands beside an Envoy on another machine is known as that Envoy is. */
describe('a filter service on another machine', () => {
  let home: string;
  let authority: Authority;
  let controlPlane: Server;
  let filter: FilterService;

  beforeEach(async () => {
    home = mkdtempSync(join(tmpdir(), 'mcpx-filter-'));
    authority = await makeAuthority(join(home, 'authority'));
  });
  afterEach(async () => {
    await filter.close();
    controlPlane.closeAllConnections();
    controlPlane.close();
    await authority.close();
    rmSync(home, { recursive: true, force: true });
  });

  const issue = async (workload: string) =>
    valueOf(await authority.issue(authority.spiffeIdOf(workload)));

  async function listening(as: string): Promise<string> {
    const { chain: cert, key } = await issue(as);
    const ca = authority.roots.value;
    controlPlane = createServer({ cert, key, ca, requestCert: true }).listen(0, '127.0.0.1');
    await once(controlPlane, 'listening');
    return `https://127.0.0.1:${(controlPlane.address() as AddressInfo).port}`;
  }

  async function follow(url: string): Promise<void> {
    const identity = join(home, 'identity');
    const [port = 0, bridgePort = 0] = await freePorts(2);
    await writeIdentity(identity, { ...(await issue('edge')), roots: authority.roots.value });
    const flags = {
      data: join(home, 'data'),
      filter: { port, bridgePort, controlPlanes: [url], identity },
    };
    const config = valueOf(readConfig({ env: {}, cwd: home, flags }));
    filter = valueOf(await startFilterService(config, silentLog, createMetrics()));
  }

  it('shows the certificate that its Envoy joined with, and no token', async () => {
    const asked = listening('control-plane').then(async (url) => {
      const request = once(controlPlane, 'request');
      await follow(url);
      return request;
    });
    const [{ socket, headers }] = (await asked) as [
      { socket: TLSSocket; headers: Record<string, string> },
    ];
    expect(socket.authorized).to.equal(true);
    const shown = socket.getPeerX509Certificate()?.subjectAltName;
    expect(shown).to.equal('URI:spiffe://example.org/edge');
    expect(headers).not.to.have.property('authorization');
  });

  it('says nothing to whoever is no control plane by its certificate', async () => {
    const url = await listening('claims');
    let requests = 0;
    controlPlane.on('request', () => (requests += 1));
    // It leaves before the handshake is over here, or just after.
    const left = new Promise((resolve) => {
      controlPlane.once('tlsClientError', resolve);
      controlPlane.once('secureConnection', (socket: TLSSocket) => socket.once('close', resolve));
    });
    await follow(url);
    await left;
    expect(requests).to.equal(0);
  });
});
