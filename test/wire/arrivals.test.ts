import { once } from 'node:events';
import { connect } from 'node:http2';
import { credentials, status } from '@grpc/grpc-js';
import { expect } from 'chai';
import { pino } from 'pino';
import { discoveryService, encode } from '../../src/protos.js';
import { typeUrls } from '../../src/snapshot/snapshot.js';
import { edsCluster } from '../unit/snapshot/messages.js';
import { startAdmitting, type Admitting } from './admitting.js';
import { envoyNode, RawClient, summary, type WireClient } from './client.js';
import { startStage, valueOf, type Stage } from './stage.js';

const refusedStreams = (reason: string) => `mcpx_xds_refused_streams_total{reason="${reason}"}`;
const forever = 3_600_000;

describe('who has opened a stream and is not served yet', () => {
  let stage: Stage;
  afterEach(async () => stage.stop());

  const silent = (streams: number) =>
    Array.from({ length: streams }, () =>
      stage.keep(new RawClient(stage.server.port, 'incremental')),
    );

  it('takes no place of others as long as it says nothing (points 32, 40)', async () => {
    stage = await startStage({
      limits: { joiningAtOnce: 1, joiningMs: forever, admissionQueue: 1, admittedBurst: 1 },
    });
    // On one connection, so these are open before the next is.
    silent(20);
    const client = stage.connect();
    client.begin('cluster');
    expect(summary(await client.next())).to.equal('cluster +a');
  });

  it('is ended when it says nothing, and counted; others are not', async () => {
    stage = await startStage({ limits: { firstRequestMs: 40, joiningAtOnce: 1 } });
    const [first, second] = silent(2);
    const other = stage.connect();
    other.begin('cluster');
    other.acknowledge(await other.next());
    for (const client of [first!, second!])
      expect((await client.ended).details).to.contain('no request came within 40 ms');
    expect(await valueOf(stage.metrics, refusedStreams('invalid'))).to.equal(2);
    stage.publish({ cluster: [edsCluster('a', 7)] });
    expect(summary(await other.next())).to.equal('cluster +a');
  });

  describe('in its turn', () => {
    let now: number;
    beforeEach(() => (now = 0));

    /** One is served, and all others wait. */
    async function oneServed(waitingBytesPerAddress: number): Promise<void> {
      const limits = { admittedBurst: 1, admittedPerSecond: 1_000, waitingBytesPerAddress };
      stage = await startStage({ limits, clock: { now: () => now } });
      const first = stage.connect();
      first.begin('cluster');
      await first.next();
    }

    it('is heard with all that it said meanwhile, in its order', async () => {
      await oneServed(10_000);
      const client = stage.connect();
      client.begin('cluster', {}, 'late');
      client.ask('endpoint', { resource_names_subscribe: ['a'] });
      client.ask('listener');
      // What comes behind it on the same connection has come, so all that has too.
      const behind = stage.connect();
      behind.begin('cluster', {}, 'x'.repeat(12_000));
      await behind.ended;
      now = 1_000;
      const heard = [await client.next(), await client.next()];
      expect(heard.map(summary)).to.deep.equal(['cluster +a', 'endpoint +a']);
      for (const response of heard) client.acknowledge(response);
      expect(summary(await client.next())).to.equal('listener +gateway');
    });

    it('says no more than is kept for an address; what is let go makes room', async () => {
      await oneServed(10_000);
      const names = (bytes: number) => ({ resource_names_subscribe: ['x'.repeat(bytes)] });
      const large = { resource_names_subscribe: Array.from({ length: 30 }, () => 'x'.repeat(400)) };
      for (let round = 0; round < 3; round++) {
        const client = stage.connect();
        client.begin('endpoint', names(400), `client-${round}`);
        client.ask('endpoint', large);
        const { code, details } = await client.ended;
        expect(code).to.equal(status.RESOURCE_EXHAUSTED);
        expect(details).to.contain('wait to begin');
      }
      expect(await valueOf(stage.metrics, refusedStreams('too much'))).to.equal(3);
      const honest = stage.connect();
      honest.begin('cluster', {}, 'honest');
      now = 1_000;
      expect(summary(await honest.next())).to.equal('cluster +a');
    });
  });

  it('counts for its address until nothing of it is kept (point 40)', async () => {
    stage = await startStage({ limits: { streamsPerAddress: 1, connectionGraceMs: forever } });
    const reader = await unreadAndEnded();
    const refused = stage.connect();
    refused.begin('cluster', {}, 'other');
    expect((await refused.ended).details).to.contain('1 streams open');
    reader.destroy();
    let heard: unknown;
    // It is told of the end when the wire is; until then a stream is refused as before.
    while (heard === undefined) {
      const next = stage.connect();
      next.begin('cluster', {}, 'next');
      heard = await Promise.race([next.next(), next.ended.then(() => undefined)]);
    }
  });

  it('loses its connection where it was ended and does not read on (point 43)', async () => {
    stage = await startStage({ limits: { connectionGraceMs: 40 } });
    const reader = await unreadAndEnded();
    await once(reader, 'close');
  });

  /** Has more unread than a connection takes, and then says what nobody reads. */
  async function unreadAndEnded() {
    const names = Array.from({ length: 200 }, (_, index) => `${index} ${'x'.repeat(500)}`);
    const session = connect(`http://127.0.0.1:${stage.server.port}`);
    session.on('error', () => undefined);
    const { path } = discoveryService().DeltaAggregatedResources;
    const stream = session.request({
      ...{ ':method': 'POST', ':path': path, te: 'trailers' },
      'content-type': 'application/grpc',
    });
    stream.on('error', () => undefined);
    const request = encode('envoy.service.discovery.v3.DeltaDiscoveryRequest', {
      ...{ type_url: typeUrls.endpoint, node: envoyNode('hostile') },
      resource_names_subscribe: names,
    });
    stream.write(framed(request));
    const sent = 'mcpx_xds_responses_total{type="endpoint"}';
    while ((await valueOf(stage.metrics, sent)) === 0) await turn();
    stream.write(framed(Buffer.alloc(100, 0xff)));
    await stage.nodesAre(() => stage.server.nodes.list().length === 0);
    return session;
  }
});

describe('who shows no certificate where a stream takes one', () => {
  let admitting: Admitting;
  beforeEach(async () => (admitting = await startAdmitting()));
  afterEach(async () => admitting.stop());

  it('has no stream even before it says a word', async () => {
    const { stage } = admitting.replicas[0];
    const roots = Buffer.from(admitting.authority.roots.value);
    const nobody = { checkServerIdentity: () => undefined };
    const as = credentials.createSsl(roots, null, null, nobody);
    const client = stage.keep(new RawClient(stage.server.port, 'incremental', { as }));
    const { code, details } = await client.ended;
    expect(code).to.equal(status.PERMISSION_DENIED);
    expect(details).to.contain('none was shown').and.contain('mcpx join');
    expect(await valueOf(stage.metrics, refusedStreams('identity'))).to.equal(1);
  });
});

describe('what the names take that clients ask for', () => {
  let stage: Stage;
  afterEach(async () => stage.stop());

  /** Of 100 bytes each: 36 letters, and 64 beside them. */
  const names = (count: number) =>
    Array.from({ length: count }, (_, index) => `${index}`.padStart(36, 'x'));
  const asking = async (count: number, id: string): Promise<WireClient> => {
    const client = stage.connect();
    client.begin('endpoint', { resource_names_subscribe: names(count) }, id);
    await Promise.race([client.next(), client.ended]);
    return client;
  };

  it('is limited for a stream, over all its types', async () => {
    stage = await startStage({ limits: { nameBytesPerStream: 1_500 } });
    const client = await asking(10, 'greedy');
    client.ask('route', { resource_names_subscribe: names(10) });
    const { code, details } = await client.ended;
    expect(code).to.equal(status.RESOURCE_EXHAUSTED);
    expect(details).to.contain('1500 bytes');
    expect(await valueOf(stage.metrics, refusedStreams('too much'))).to.equal(1);
  });

  it('is limited for an address, until a stream ends or asks for less', async () => {
    stage = await startStage({ limits: { nameBytesPerAddress: 2_500 } });
    const [first, second] = [await asking(10, 'one'), await asking(10, 'other')];
    const refused = await asking(10, 'third');
    expect((await refused.ended).details).to.contain('xds.limits.nameBytesPerAddress');
    first.close();
    await stage.nodesAre(() => stage.server.nodes.list().length === 1);
    await asking(10, 'third');
    second.ask('endpoint', { resource_names_unsubscribe: names(10) });
    // Whatever is said behind it is heard behind it.
    second.ask('cluster');
    await second.next();
    await asking(10, 'fourth');
    expect(await valueOf(stage.metrics, refusedStreams('too much'))).to.equal(1);
    expect(stage.server.nodes.list().map(({ id }) => id)).to.include.members(['third', 'fourth']);
  });
});

describe('what a client is told that says what is not understood', () => {
  let stage: Stage;
  const warnings: Record<string, unknown>[] = [];
  beforeEach(async () => {
    warnings.length = 0;
    const write = (line: string) => void warnings.push(JSON.parse(line) as Record<string, unknown>);
    stage = await startStage({ log: pino({ level: 'warn' }, { write }) });
  });
  afterEach(async () => stage.stop());

  const begun = async (): Promise<WireClient> => {
    const client = stage.connect();
    client.begin('cluster');
    client.acknowledge(await client.next());
    return client;
  };

  it('a type that is not served: counted each time, warned of once; others go on', async () => {
    const client = await begun();
    for (let time = 0; time < 3; time++)
      client.send({ type_url: 'type.googleapis.com/envoy.service.runtime.v3.Runtime' });
    client.ask('endpoint', { resource_names_subscribe: ['a'] });
    expect(summary(await client.next())).to.equal('endpoint +a');
    expect(await valueOf(stage.metrics, 'mcpx_xds_unknown_types_total')).to.equal(3);
    expect(warnings).to.have.length(1);
    expect(warnings[0]).to.include({
      node: 'edge-1',
      type: 'type.googleapis.com/envoy.service.runtime.v3.Runtime',
    });
    expect(warnings[0]!.msg).to.contain('take it out of its bootstrap');
  });

  it('too many streams of an address: told together, by how many they were', async () => {
    await stage.stop();
    const write = (line: string) => void warnings.push(JSON.parse(line) as Record<string, unknown>);
    const limits = { streamsPerAddress: 1, firstRequestMs: 40 };
    stage = await startStage({ log: pino({ level: 'warn' }, { write }), limits });
    await begun();
    const refused = Array.from({ length: 10 }, () => stage.connect());
    for (const client of refused) expect((await client.ended).details).to.contain('see xds.limits');
    const told = () => warnings.reduce((sum, { streams }) => sum + Number(streams), 0);
    while (told() < 10) await turn();
    expect(told()).to.equal(10);
    expect(warnings[0]!.reason).to.contain('127.0.0.1 has 1 streams open');
  });

  it('another node.id: both are named, as far as that is readable, and what to do', async () => {
    const client = await begun();
    client.send({ type_url: typeUrls.cluster, node: envoyNode(`edge-2${'x'.repeat(1_000)}`) });
    const { code, details } = await client.ended;
    expect(code).to.equal(status.INVALID_ARGUMENT);
    expect(details).to.contain('"edge-1"').and.contain('"edge-2x');
    expect(details).to.contain('a stream of its own').and.to.have.length.below(300);
  });

  it('garbage: what was expected, and where to look', async () => {
    const client = stage.keep(new RawClient(stage.server.port, 'incremental'));
    client.sendBytes(Buffer.alloc(100, 0xff));
    const { code, details } = await client.ended;
    expect(code).to.equal(status.INVALID_ARGUMENT);
    expect(details).to.contain('DeltaDiscoveryRequest').and.contain('Look whether it is an Envoy');
  });
});

const turn = () => new Promise((resolve) => setImmediate(resolve));

function framed(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}
