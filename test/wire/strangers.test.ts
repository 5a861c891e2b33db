import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:tls';
import { Client, credentials, status, type ChannelCredentials } from '@grpc/grpc-js';
import { expect } from 'chai';
import type { Certificate } from '../../src/certificates/certificate.js';
import { shownWith, startAdmitting, type Admitting, type Replica } from './admitting.js';
import { authority as selfMade, issue as issueBy } from './certificates.js';
import { envoyNode, summary } from './client.js';
import { valueOf } from './stage.js';

const refused = (reason: string) => `mcpx_xds_refused_streams_total{reason="${reason}"}`;
const path = '/test.Log/Export';

/** The port lets in those who have no certificate yet: they may ask for one, and no more. */
describe('where one may join', () => {
  let admitting: Admitting;
  let replica: Replica;
  let received: number;

  beforeEach(async () => {
    received = 0;
    const answer = () => {
      received += 1;
      return Buffer.alloc(0);
    };
    admitting = await startAdmitting([{ path, answer }]);
    [replica] = admitting.replicas;
  });
  afterEach(async () => admitting.stop());

  const roots = () => admitting.authority.roots.value;
  const as = ({ chain, key }: Certificate) => shownWith({ chain, key, roots: roots() });
  const asNobody = () =>
    credentials.createSsl(Buffer.from(roots()), null, null, {
      checkServerIdentity: () => undefined,
    });

  const stream = (shown: ChannelCredentials, sidecarOf?: string) => {
    const client = replica.stage.connect({ as: shown });
    client.begin('cluster', { node: envoyNode('node-1', sidecarOf) });
    return client;
  };
  /** How a call that only edges may make ends. */
  const called = async (shown: ChannelCredentials): Promise<status> => {
    const client = new Client(`127.0.0.1:${replica.address.port}`, shown, {
      'grpc.ssl_target_name_override': 'control-plane',
    });
    const pass = (bytes: Buffer) => bytes;
    const code = await new Promise<status>((resolve) =>
      client.makeUnaryRequest(path, pass, pass, Buffer.alloc(0), (error) =>
        resolve(error?.code ?? status.OK),
      ),
    );
    client.close();
    return code;
  };
  const count = (reason: string) => valueOf(replica.stage.metrics, refused(reason));

  it('nobody has a stream without a certificate, whatever they say they are', async () => {
    for (const service of [undefined, 'claims', 'edge', 'control-plane'])
      expect((await stream(asNobody(), service).ended).code).to.equal(status.PERMISSION_DENIED);
    expect(await count('identity')).to.equal(4);
  });

  it('nobody is the sidecar of a service called as a part of MCPX', async () => {
    for (const service of ['edge', 'filter', 'control-plane']) {
      const ended = await stream(as(await admitting.issue(service)), service).ended;
      expect(ended.code).to.equal(status.PERMISSION_DENIED);
    }
    expect(await count('identity')).to.equal(3);
  });

  it('only edges tell what they have served', async () => {
    expect(await called(as(await admitting.issue('edge')))).to.equal(status.OK);
    for (const shown of [asNobody(), as(await admitting.issue('claims'))])
      expect(await called(shown)).to.equal(status.PERMISSION_DENIED);
    expect([received, await count('identity')]).to.deep.equal([1, 2]);
  });

  describe('a certificate that is not valid is refused at once:', () => {
    const uris = ['spiffe://example.org/edge'];
    const theirs = selfMade('somebody');
    const cases = {
      'one that is self-made': () => issueBy(theirs, { uris }),
      'one that has ended': () => issueBy(theirs, { uris, expiresAt: Date.now() - 1_000 }),
    };
    for (const [what, make] of Object.entries(cases))
      it(what, async () => {
        const { cert, key } = make();
        const shown = shownWith({ chain: cert, key, roots: roots() });
        expect((await stream(shown).ended).code).to.equal(status.UNAVAILABLE);
        expect(await count('tls')).to.be.at.least(1);
      });

    it('one of ours that has ended', async () => {
      const ended = await admitting.endedCertificate('edge');
      expect((await stream(as(ended)).ended).code).to.equal(status.UNAVAILABLE);
      expect(await count('tls')).to.be.at.least(1);
    });
  });

  it('whoever comes back is checked anew: no session is resumed', async () => {
    const { chain, key } = await admitting.issue('edge');
    const { port } = replica.address;
    const open = async (session?: Buffer) => {
      const shown = { cert: chain, key, ca: roots(), checkServerIdentity: () => undefined };
      const socket = connect({
        port,
        ...shown,
        ALPNProtocols: ['h2'],
        ...(session && { session }),
      });
      const tickets: Buffer[] = [];
      socket.on('session', (ticket: Buffer) => tickets.push(ticket));
      // What the server says first comes after its tickets.
      await once(socket, 'data');
      return { socket, session: tickets[0] ?? socket.getSession() };
    };
    const first = await open();
    const again = await open(first.session);
    expect(again.socket.isSessionReused()).to.equal(false);
    for (const { socket } of [first, again]) socket.destroy();
  });

  it('nobody without a certificate makes it keep much, as a message that never ends', async () => {
    const { port } = replica.address;
    const session = connectHttp2(`https://127.0.0.1:${port}`, {
      ...{ ca: roots(), checkServerIdentity: () => undefined },
    });
    session.on('error', () => undefined);
    const headers = { ':method': 'POST', ':path': path, 'content-type': 'application/grpc' };
    const request = session.request(headers).on('error', () => undefined);
    const announced = Buffer.from([0, 0, 0x30, 0, 0]);
    request.write(Buffer.concat([announced, Buffer.alloc(100_000)]));
    await once(session, 'close');
    expect(await count('tls')).to.equal(1);
  });

  it('an edge is served beside all that', async () => {
    const client = stream(as(await admitting.issue('edge')));
    expect(summary(await client.next())).to.equal('cluster +a');
  });
});
