import { expect } from 'chai';
import { audienceSnapshots, type AudienceSnapshots } from '../../src/audience_snapshots.js';
import type { Material } from '../../src/certificates/material.js';
import { emptyFleet, type Fleet, type Registration } from '../../src/fleet/fleet.js';
import { merge } from '../../src/fleet/merge.js';
import { Latest } from '../../src/latest.js';
import { silentLog } from '../../src/log.js';
import { decode } from '../../src/protos.js';
import type { Audience } from '../../src/snapshot/audience.js';
import { emptySnapshot, resourceKinds, type Snapshot } from '../../src/snapshot/snapshot.js';
import { registration, report } from './fleet/registered.js';

const audience = (service: string): Audience =>
  `sidecar/${service}?inbound=127.0.0.1:3443&outbound=127.0.0.1:15001`;

const spiffeIdOf = (workload: string) => `spiffe://mcpx/${workload}`;
const certificateOf = (workload: string, mark = '') => ({
  ...{ chain: `chain of ${workload}${mark}`, key: `key of ${workload}${mark}` },
  ...{ spiffeId: spiffeIdOf(workload), notBefore: 0, expiresAt: 1 },
});
const noMaterial: Material = { roots: 'roots', certificates: new Map(), spiffeIdOf };

const at = (name: string, ...needs: readonly string[]): Registration =>
  registration({ name, dependsOn: needs.map((service) => ({ service, range: '*' })) });

describe('what sidecars get', () => {
  let fleet: Latest<Fleet>;
  let edge: Latest<Snapshot | undefined>;
  let material: Latest<Material>;
  let wanted: string[];
  let audiences: AudienceSnapshots;
  beforeEach(() => {
    fleet = new Latest<Fleet>(emptyFleet);
    edge = new Latest<Snapshot | undefined>(emptySnapshot);
    material = new Latest<Material>(noMaterial);
    wanted = [];
    const want = (workload: string) => {
      wanted.push(workload);
      return () => void wanted.splice(wanted.indexOf(workload), 1);
    };
    const workloads = { material, want, serverRoots: 'public roots' };
    audiences = audienceSnapshots({ edge, fleet, workloads, log: silentLog });
  });
  afterEach(() => audiences.close());

  const register = (...registrations: readonly Registration[]) =>
    fleet.set(merge([report('file', registrations)], new Map(), fleet.value).fleet);
  const certify = (...workloads: readonly string[]) => {
    const fresh = workloads.map((each) => [each, certificateOf(each)] as const);
    const certificates = new Map([...material.value.certificates, ...fresh]);
    material.set({ ...material.value, certificates });
  };
  /** What it gets from now on, one after the other. */
  const following = (service: string) => {
    const seen: Snapshot[] = [];
    const end = audiences.of(audience(service))!.subscribe((each) => each && seen.push(each));
    return { seen, end, newest: () => seen.at(-1)! };
  };
  const names = ({ resources }: Snapshot) =>
    Object.fromEntries(resourceKinds.map((kind) => [kind, [...resources[kind].keys()].sort()]));
  const callersOf = ({ resources }: Snapshot) => {
    const route = decode(
      'envoy.config.route.v3.RouteConfiguration',
      resources.route.get('inbound')!.bytes,
    );
    const ids = [...JSON.stringify(route).matchAll(/"exact":"spiffe:\/\/mcpx\/([^"]+)"/g)];
    return ids.map(([, workload]) => workload);
  };

  it('is the services its own depends on, its listeners and its certificate', () => {
    register(at('claims', 'policy', 'absent'), at('policy', 'quotes'), at('quotes'));
    certify('claims', 'policy');
    expect(names(following('claims').newest())).to.deep.equal({
      ...{ cluster: ['policy'], endpoint: ['policy'], listener: ['inbound', 'outbound'] },
      ...{ secret: ['roots', 'workload'], route: ['inbound', 'outbound'] },
    });
  });

  it('lets in the edge, those who depend on it and MCPX itself, or whom `allow` names', () => {
    register(at('claims', 'policy'), at('rates', 'policy'), at('policy'), at('quotes'));
    certify('policy');
    const policy = following('policy');
    const usual = ['claims', 'control-plane', 'edge', 'rates'];
    expect(callersOf(policy.newest())).to.deep.equal(usual);
    register(at('claims', 'policy'), { ...at('policy'), allow: ['quotes'] });
    expect(callersOf(policy.newest())).to.deep.equal(['control-plane', 'quotes']);
    register(at('policy'));
    expect(callersOf(policy.newest())).to.deep.equal(['control-plane', 'edge']);
  });

  it('lets in nobody else when its service is gone, which had said whom', () => {
    register(at('claims', 'policy'), { ...at('policy'), allow: ['quotes'] });
    certify('policy');
    const policy = following('policy');
    register(at('claims', 'policy'));
    expect(callersOf(policy.newest())).to.deep.equal(['control-plane', 'quotes']);
    policy.end();
    expect(callersOf(following('policy').newest()), 'nor when it comes back').to.deep.equal([
      'control-plane',
    ]);
  });

  it('is there before its service is registered, so that neither waits for the other', () => {
    certify('claims');
    const claims = following('claims');
    expect(callersOf(claims.newest())).to.deep.equal(['control-plane']);
    register(at('claims', 'policy'), at('policy'));
    expect(callersOf(claims.newest())).to.deep.equal(['control-plane', 'edge']);
    expect(names(claims.newest())['cluster']).to.deep.equal(['policy']);
  });

  it('asks for public roots only where a server is reached by TLS alone', () => {
    const tls = { mode: 'tls', spiffe: undefined, sni: 'rates.example' } as const;
    register(at('claims', 'rates'), { ...at('rates'), tls });
    certify('claims');
    expect(names(following('claims').newest())['secret']).to.contain('server_roots');
  });

  it('changes only where what it is made of does', () => {
    register(at('claims', 'policy'), at('policy'), at('quotes'));
    certify('claims', 'quotes');
    const [claims, quotes] = [following('claims'), following('quotes')];
    register(at('claims', 'policy'), { ...at('policy'), weight: 7 }, at('quotes'), at('new'));
    expect([claims.seen.length, quotes.seen.length]).to.deep.equal([2, 1]);
    const [before, after] = claims.seen;
    const changed = resourceKinds.flatMap((kind) =>
      [...after!.resources[kind].differences(before!.resources[kind])].map(
        (name) => `${kind} ${name}`,
      ),
    );
    expect(changed).to.deep.equal(['endpoint policy']);
  });

  it('changes nothing but its own secret when its certificate is renewed', () => {
    register(at('claims', 'policy'), at('policy'));
    certify('claims', 'policy');
    const [claims, policy] = [following('claims'), following('policy')];
    certify('claims');
    expect([claims.seen.length, policy.seen.length]).to.deep.equal([1, 1]);
    const certificates = new Map(material.value.certificates).set(
      'claims',
      certificateOf('claims', ', renewed'),
    );
    material.set({ ...material.value, certificates });
    expect([claims.seen.length, policy.seen.length]).to.deep.equal([2, 1]);
    const [before, after] = claims.seen;
    const changed = resourceKinds.flatMap((kind) =>
      after!.resources[kind].differences(before!.resources[kind]),
    );
    expect(changed).to.deep.equal(['workload']);
  });

  it('goes to all when the roots change', () => {
    certify('claims', 'policy');
    const all = [following('claims'), following('policy')];
    material.set({ ...material.value, roots: 'other roots' });
    expect(all.map(({ seen }) => seen.length)).to.deep.equal([2, 2]);
  });

  it('is nothing until its certificate is there, and keeps the one it had', () => {
    const claims = following('claims');
    expect(claims.seen).to.deep.equal([]);
    certify('claims');
    expect(claims.seen).to.have.lengthOf(1);
    material.set(noMaterial);
    register(at('claims', 'policy'), at('policy'));
    expect(names(claims.newest())).to.deep.include({ cluster: ['policy'] });
  });

  it('is nothing until the registries were heard', () => {
    edge.set(undefined);
    certify('claims');
    const claims = following('claims');
    expect(claims.seen).to.deep.equal([]);
    edge.set(emptySnapshot);
    expect(claims.seen).to.have.lengthOf(1);
  });

  it('is made for one that is there, and its certificate is asked for as long', () => {
    certify('claims');
    expect(audiences.of(audience('claims'))?.value).to.equal(undefined);
    expect(wanted).to.deep.equal([]);
    const both = [following('claims'), following('claims')];
    expect(wanted).to.deep.equal(['claims']);
    expect(both[0]!.newest()).to.equal(both[1]!.newest());
    expect(audiences.of(audience('claims'))?.value).to.equal(both[0]!.newest());
    for (const { end } of both) end();
    expect(wanted).to.deep.equal([]);
    register(at('claims', 'policy'), at('policy'));
    expect(both[0]!.seen).to.have.lengthOf(1);
    expect(audiences.of(audience('claims'))?.value).to.equal(undefined);
  });

  it('is for services alone, not for the parts of MCPX', () => {
    for (const part of ['edge', 'control-plane', 'filter'])
      expect(audiences.of(audience(part))).to.equal(undefined);
  });

  it('is for nobody where workloads have no certificates', () => {
    const inClear = audienceSnapshots({ edge, fleet, workloads: undefined, log: silentLog });
    expect(inClear.of(audience('claims'))).to.equal(undefined);
    expect(inClear.of('edge')).to.equal(edge);
  });
});
