import { Writable } from 'node:stream';
import { expect } from 'chai';
import { pino } from 'pino';
import { encode } from '../../src/protos.js';
import type { EncodedResource } from '../../src/snapshot/snapshot.js';
import { secret as secretNamed } from '../unit/snapshot/messages.js';
import { summary } from './client.js';
import { startStage } from './stage.js';

const secret = 'MIIEvQIBADANBgkqhkiG9w0BAQEFAASC';

/** A cluster with a key in it, as a TLS context would carry one. */
const withKey = (mark: number): EncodedResource => ({
  name: 'a',
  bytes: encode('envoy.config.cluster.v3.Cluster', {
    ...{ name: 'a', type: 'STATIC', connect_timeout: { seconds: 1 + mark } },
    metadata: { filter_metadata: { key: { fields: { key: { stringValue: secret } } } } },
  }),
});

describe('what a resource holds', () => {
  it('is in no log, status, problem or metric, also when it is refused (point 42)', async () => {
    let logged = '';
    const destination = new Writable({
      write(chunk: Buffer, _encoding, done) {
        logged += chunk.toString();
        done();
      },
    });
    const stage = await startStage({ log: pino({ level: 'trace' }, destination) });
    const seen: string[] = [];
    stage.server.nodes.revision.subscribe(() => {
      seen.push(JSON.stringify([stage.server.nodes.list(), stage.server.nodes.problems()]));
    });
    stage.publish({ cluster: [withKey(0)], secret: [secretNamed('own', secret)] });
    const client = stage.connect();
    client.begin('cluster');
    const first = await client.next();
    expect(JSON.stringify(first)).to.contain(secret);
    client.acknowledge(first);
    client.ask('route', { resource_names_subscribe: ['gateway'] });
    expect(summary(await client.next())).to.equal('route +gateway');
    client.ask('secret', { resource_names_subscribe: ['own'] });
    const own = await client.next();
    expect(JSON.stringify(own)).to.contain(secret);
    client.acknowledge(own);
    const renewed = secretNamed('own', `${secret}, renewed`);
    stage.publish({ cluster: [withKey(1)], secret: [renewed] });
    client.refuse(await client.next(), 'not this one');
    client.refuse(await client.next(), 'nor this one');
    await stage.nodesAre(() => stage.server.nodes.problems().length === 2);
    seen.push(await stage.metrics.text());
    await stage.stop();
    expect(logged).to.contain('not this one').and.contain('nor this one');
    expect(`${logged}${seen.join('')}`).to.not.contain(secret);
  });
});
