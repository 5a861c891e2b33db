import { createServer as createHttpsServer } from 'node:https';
import { createServer } from 'node:net';
import { credentials, status } from '@grpc/grpc-js';
import { expect } from 'chai';
import type { Registration, Tls } from '../../src/fleet/fleet.js';
import { reachBy } from '../../src/identity/probe_reach.js';
import { exchange } from '../../src/mcp_client/streamable.js';
import { ensureEnvoyVersion, pinnedEnvoy } from '../../src/up/envoy_binary.js';
import { registration, serviceOf } from '../unit/fleet/registered.js';
import { authority, issue, type Authority, type Issued } from '../wire/certificates.js';
import { WireClient } from '../wire/client.js';
import { valueOf } from '../wire/stage.js';
import { postCall } from './parts/agent.js';
import { startLocalServer, type LocalServer } from './parts/local_server.js';
import { eventually } from './parts/mcpx.js';
import { spiffeIdOf, startMesh, type Mesh, type Node } from './parts/mesh.js';
import {
  begin,
  calling,
  constantCalls,
  heldBy,
  listening,
  listeningAt,
  sidecarNode,
} from './parts/mesh_calls.js';
import { callByTls } from './parts/tls_call.js';

const mutual: Tls = { mode: 'mutual', spiffe: undefined, sni: undefined };

/** An instance at this port of this machine. */
const at = (name: string, port: number, fields: Partial<Registration> = {}) =>
  registration({ name, host: '127.0.0.1', port, id: `${port}`, tls: mutual, ...fields });

const limits = { deadlineMs: 5_000 };

const dependsOn = [{ service: 'policy', range: '^1' }];

describe('edge and sidecars with mutual TLS', () => {
  let mesh: Mesh;
  let local: Readonly<Record<'claims' | 'policy', LocalServer>>;
  let claims: Node;
  let policy: Node;
  let usual: readonly Registration[];
  before(async function () {
    this.timeout(180_000);
    const binary = process.env['ENVOY_BIN'] || (await ensureEnvoyVersion(pinnedEnvoy, process.env));
    local = { claims: await startLocalServer(), policy: await startLocalServer() };
    mesh = await startMesh(binary);
    claims = await mesh.sidecar('claims', local.claims.port);
    policy = await mesh.sidecar('policy', local.policy.port);
    usual = [at('claims', claims.inbound, { dependsOn }), at('policy', policy.inbound)];
  });
  beforeEach(async () => {
    mesh.register(...usual);
    await mesh.settled();
    for (const url of [toClaims(), toPolicy()]) await eventually('it serves', () => serves(url));
  });
  after(async () => {
    await mesh.stop();
    await Promise.all(Object.values(local).map((server) => server.stop()));
  });

  const toClaims = () => `${mesh.gateway}/mcp/claims`;
  const toPolicy = () => `http://127.0.0.1:${claims.outbound}/mcp/policy`;
  const statusOf = async (url: string, headers = {}) => {
    const answer = await postCall(url, 'whoami', headers);
    await answer.arrayBuffer();
    return answer.status;
  };
  const serves = async (url: string) => (await statusOf(url)) === 200;
  /** Of the certificate that the server was told of. */
  const callerOf = (server: LocalServer) => String(server.seen()?.['x-forwarded-client-cert']);

  it('brings a call from the edge to the server, which sees who calls', async () => {
    const forged = { 'x-forwarded-client-cert': `URI=${spiffeIdOf('policy')}` };
    expect(await statusOf(toClaims(), forged)).to.equal(200);
    expect(callerOf(local.claims))
      .to.match(/;URI=spiffe:\/\/mcpx\/edge$/)
      .and.not.contain(',');
  });

  it('lets no other spelling of that header through, which some servers take for it', async () => {
    const spelt = ['x_forwarded_client_cert', 'x-forwarded_client-cert'];
    const forged = spelt.map((name) => [name, `URI=${spiffeIdOf('policy')}`] as const);
    for (const url of [toClaims(), toPolicy()])
      expect(await statusOf(url, Object.fromEntries(forged))).to.equal(200);
    for (const { seen } of [local.claims, local.policy])
      expect(seen()).to.include.keys('x-forwarded-client-cert').and.not.include.any.keys(spelt);
  });

  it('brings a call from a server to the one it depends on, as that server', async () => {
    const forged = { 'x-forwarded-client-cert': `URI=${spiffeIdOf('edge')}` };
    expect(await statusOf(toPolicy(), forged)).to.equal(200);
    expect(callerOf(local.policy))
      .to.match(/;URI=spiffe:\/\/mcpx\/claims$/)
      .and.not.contain(',');
  });

  describe('a sidecar', () => {
    const refusedOnes: Readonly<Record<string, (by: Authority) => Partial<Issued>>> = {
      'without a certificate': () => ({}),
      'with one of another authority': () =>
        issue(authority('stranger'), { uris: [spiffeIdOf('edge')] }),
      'with one that has ended': (by) =>
        issue(by, { uris: [spiffeIdOf('edge')], expiresAt: Date.now() - 60_000 }),
    };
    for (const [who, made] of Object.entries(refusedOnes))
      it(`refuses the connection of somebody ${who}`, async () => {
        const before = local.policy.calls();
        expect(await callByTls(policy.inbound, made(mesh.signing.by))).to.equal('refused');
        expect(local.policy.calls()).to.equal(before);
      });

    const strangers: Readonly<Record<string, readonly string[]>> = {
      'another service': [spiffeIdOf('quotes')],
      'an edge of another trust domain': ['spiffe://elsewhere/edge'],
      'an edge only by the beginning of its name': [`${spiffeIdOf('edge')}/more`],
      'nobody, by its certificate': [],
    };
    for (const [who, uris] of Object.entries(strangers))
      it(`refuses the calls of ${who}`, async () => {
        const before = local.policy.calls();
        const answer = await callByTls(policy.inbound, issue(mesh.signing.by, { uris }));
        expect(answer).to.match(/^403 \{"error":\{"code":403,"message":"Whoever/);
        expect(local.policy.calls()).to.equal(before);
      });

    it('lets in whom it should, by the same way', async () => {
      for (const who of ['edge', 'claims', 'control-plane'])
        expect(await callByTls(policy.inbound, mesh.signing.issued(who))).to.match(/^200 /);
    });

    it('lets in whom `allow` names and nobody else, without cutting a stream', async () => {
      const stream = await listening(toPolicy(), local.policy);
      const others = { allow: ['edge'] };
      mesh.register(usual[0]!, at('policy', policy.inbound, others));
      await eventually('it is refused', async () => (await statusOf(toPolicy())) === 403);
      expect(await statusOf(`${mesh.gateway}/mcp/policy`)).to.equal(200);
      await stream.hears();
      stream.end();
    });
  });

  describe('a server', () => {
    const never = async (tls: Tls, port: number, calls: () => number) => {
      mesh.register(...usual, at('odd', port, { tls }));
      await mesh.settled();
      const before = calls();
      for (let call = 0; call < 3; call += 1)
        expect(await statusOf(`${mesh.gateway}/mcp/odd`)).to.equal(503);
      expect(calls()).to.equal(before);
    };

    it('is not called when it is somebody else than it should be', async () =>
      never(mutual, claims.inbound, local.claims.calls));

    it('is not called when it bears another name', async () =>
      never(
        { ...mutual, spiffe: 'spiffe://elsewhere/claims' },
        claims.inbound,
        local.claims.calls,
      ));

    it('is called when it is who its registration says', async () => {
      const tls = { ...mutual, spiffe: spiffeIdOf('claims') };
      const policyToo = at('odd', claims.inbound, { tls });
      mesh.register(...usual, policyToo);
      await eventually('it serves', () => serves(`${mesh.gateway}/mcp/odd`));
    });

    it('in clear is sent nothing in clear where mutual TLS is demanded', async () => {
      const heard: Buffer[] = [];
      const server = createServer((socket) =>
        socket.on('error', () => undefined).on('data', (bytes) => heard.push(bytes)),
      );
      const port = await listeningAt(server);
      await never(mutual, port, () => 0);
      await eventually('it was tried', () => heard.length > 0);
      // Each is the first message of a TLS handshake.
      expect(new Set(heard.map(([first]) => first))).to.deep.equal(new Set([0x16]));
      server.close();
    });

    it('that comes to ask for TLS is never sent anything in clear', async () => {
      const heard: Buffer[] = [];
      const server = createServer((socket) =>
        socket.on('error', () => undefined).on('data', (bytes) => heard.push(bytes)),
      );
      const port = await listeningAt(server);
      const inClear: Tls = { ...mutual, mode: 'off' };
      mesh.register(...usual, at('odd', local.claims.port, { tls: inClear }));
      await eventually('it serves', () => serves(`${mesh.gateway}/mcp/odd`));
      const both = [at('odd', local.claims.port, { tls: inClear }), at('odd', port)];
      mesh.register(...usual, ...both);
      await mesh.settled();
      await eventually('it was tried', () => heard.length > 0);
      expect(await statusOf(`${mesh.gateway}/mcp/odd`)).to.equal(200);
      expect(new Set(heard.map(([first]) => first))).to.deep.equal(new Set([0x16]));
      server.close();
    });

    for (const [sni, works] of [
      [undefined, true],
      ['localhost', true],
      ['elsewhere.example', false],
    ] as const)
      it(`by TLS alone ${works ? 'serves' : 'is not called'} as ${sni ?? 'it is'}`, async () => {
        let calls = 0;
        const server = createHttpsServer(issue(mesh.servers), (_, response) => {
          calls += 1;
          response.end('{"jsonrpc":"2.0","id":1,"result":{}}');
        });
        const port = await listeningAt(server);
        const tls: Tls = { mode: 'tls', spiffe: undefined, sni };
        if (!works) await never(tls, port, () => calls);
        else {
          mesh.register(...usual, at('odd', port, { tls }));
          await eventually('it serves', () => serves(`${mesh.gateway}/mcp/odd`));
        }
        server.close();
        server.closeAllConnections();
      });
  });

  it('gives a sidecar what it needs, and nothing else', async () => {
    mesh.register(...usual, at('quotes', 9));
    await mesh.settled();
    const held = await heldBy(claims);
    expect(held.clusters).to.deep.equal(['policy']);
    expect(held.assignments).to.deep.equal(['policy']);
    expect(held.listeners).to.deep.equal(['inbound', 'outbound']);
    expect(held.secrets).to.deep.equal(['roots', 'workload']);
    expect((await heldBy(policy)).clusters).to.deep.equal([]);
    expect(await statusOf(`http://127.0.0.1:${claims.outbound}/mcp/quotes`)).to.equal(404);
  });

  it('gives no secret to anybody but its owner, whatever he asks for (point 41)', async () => {
    const { cert, key } = issue(mesh.links, { uris: [spiffeIdOf('claims')] });
    const as = credentials.createSsl(
      ...([mesh.links.cert, key, cert].map((pem) => Buffer.from(pem)) as [Buffer, Buffer, Buffer]),
    );
    const begun = (service: string, id: string) => {
      const client = new WireClient(mesh.xds.port, { as });
      client.begin('secret', {
        node: sidecarNode(id, service),
        resource_names_subscribe: ['workload', 'policy', 'gateway', 'sidecar/policy', '*'],
      });
      return client;
    };
    const own = begun('claims', 'curious');
    const given = JSON.stringify(await own.next());
    const { certificates } = mesh.signing.material.value;
    const holds = (text: string, workload: string) =>
      text.includes(JSON.stringify(certificates.get(workload)!.chain).slice(1, -1));
    expect(holds(given, 'claims')).to.equal(true);
    for (const other of ['policy', 'edge']) expect(holds(given, other), other).to.equal(false);
    own.close();
    const count = 'mcpx_xds_refused_streams_total{reason="identity"}';
    const before = await valueOf(mesh.metrics, count);
    const lying = begun('policy', 'lying');
    expect((await lying.ended).code).to.equal(status.PERMISSION_DENIED);
    expect(await valueOf(mesh.metrics, count)).to.equal(before + 1);
    lying.close();
  });

  it('drops nothing when certificates and roots change under load (point 41)', async () => {
    const streams = [
      await listening(toClaims(), local.claims),
      await listening(toPolicy(), local.policy),
    ];
    const load = [toClaims(), toPolicy()].map((url) => constantCalls(url));
    const { signing } = mesh;
    const former = signing.by;
    const next = authority('next');
    const workloads = ['edge', 'claims', 'policy'];
    const steps: readonly (() => void)[] = [
      () => signing.renew(...workloads),
      () => signing.trust(former, next),
      () => {
        signing.by = next;
        signing.renew(...workloads);
      },
      () => signing.trust(next),
      () => signing.renew(...workloads),
    ];
    for (const [index, step] of steps.entries()) {
      step();
      await mesh.settled();
      // More at a time than before, so that some go by new connections.
      const all = [toClaims(), toPolicy()].flatMap((url) =>
        Array.from({ length: 6 * (index + 1) }, () => statusOf(url)),
      );
      expect(new Set(await Promise.all(all))).to.deep.equal(new Set([200]));
      for (const stream of streams) await stream.hears();
    }
    for (const each of load) {
      const { done, failures } = await each.end();
      expect(failures).to.deep.equal([]);
      expect(done).to.be.greaterThan(20);
    }
    for (const stream of streams) stream.end();
    // Whom only the former root vouches for is nobody any more.
    const uris = [spiffeIdOf('edge')];
    expect(await callByTls(policy.inbound, issue(former, { uris }))).to.equal('refused');
    expect(await callByTls(policy.inbound, issue(next, { uris }))).to.match(/^200 /);
  });

  it('is asked by the control plane what it offers, as itself', async () => {
    mesh.signing.want('control-plane');
    const { material, want } = mesh.signing;
    const reach = reachBy({ material, want, serverRoots: mesh.servers.cert });
    const service = { name: 'policy', path: '/mcp' };
    const [instance] = serviceOf(usual[1]!).instances;
    const asked = (tls: Tls) =>
      exchange(reach({ ...instance!, tls }, service), { method: 'notifications/x' }, {}, limits);
    expect(await asked(mutual)).to.have.property('kind', 'accepted');
    expect(callerOf(local.policy)).to.contain('URI=spiffe://mcpx/control-plane');
    const somebodyElse = await asked({ ...mutual, spiffe: spiffeIdOf('claims') });
    expect(somebodyElse).to.have.property('kind', 'unreachable');
    expect(JSON.stringify(somebodyElse)).to.contain('it is spiffe://mcpx/policy, not');
  });

  describe('with two instances of each', () => {
    let second: Readonly<Record<'claims' | 'policy', LocalServer>>;
    before(async function () {
      this.timeout(60_000);
      second = { claims: await startLocalServer(), policy: await startLocalServer() };
      const others = [
        await mesh.sidecar('claims', second.claims.port),
        await mesh.sidecar('policy', second.policy.port),
      ] as const;
      usual = [
        ...usual,
        at('claims', others[0].inbound, { dependsOn }),
        at('policy', others[1].inbound),
      ];
    });
    after(async () => {
      await Promise.all(Object.values(second).map((server) => server.stop()));
    });

    for (const [where, url] of [
      ['the edge', () => toClaims()],
      ["a server's own sidecar", () => toPolicy()],
    ] as const)
      it(`keeps a legacy session where it began, through ${where}`, async () => {
        const began = new Set<number>();
        await eventually('both take sessions', async () => {
          const { port, session } = await begin(url());
          began.add(port);
          for (let call = 0; call < 5; call += 1)
            expect((await calling(url(), session)).port).to.equal(port);
          return began.size === 2;
        });
      });
  });
});
