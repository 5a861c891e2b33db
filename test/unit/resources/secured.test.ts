import { expect } from 'chai';
import { emptyFleet, type Registration, type Tls } from '../../../src/fleet/fleet.js';
import { decode } from '../../../src/protos.js';
import type { Credentials } from '../../../src/resources/credentials.js';
import type { EdgeSecrets } from '../../../src/resources/render.js';
import { resourceKinds, type Snapshot } from '../../../src/snapshot/snapshot.js';
import { translate } from '../../../src/translate.js';
import { registration, report } from '../fleet/registered.js';
import { settingsIn } from '../pipeline/stage.js';

const settings = settingsIn('/nonexistent');
const spiffeIdOf = (workload: string) => `spiffe://mcpx/${workload}`;
const certificate = {
  ...{ chain: 'a chain', key: 'a key', spiffeId: spiffeIdOf('edge') },
  ...{ notBefore: 0, expiresAt: 1 },
};
const credentials: Credentials = {
  ...{ certificate, roots: 'roots', serverRoots: 'public', spiffeIdOf },
  pattern: spiffeIdOf('edge'),
};
const mutual: Tls = { mode: 'mutual', spiffe: undefined, sni: undefined };

/** Each after the one before. */
function snapshotsOf(
  ...steps: readonly (readonly [readonly Registration[], EdgeSecrets?])[]
): readonly Snapshot[] {
  const made: Snapshot[] = [];
  let fleet = emptyFleet;
  for (const [registrations, secrets = { credentials }] of steps) {
    const input = { reports: [report('file', registrations)], probes: new Map(), settings };
    const previous = { fleet, snapshot: made.at(-1) };
    const translated = translate({ ...input, secrets, previous });
    expect(translated.problems).to.deep.equal([]);
    fleet = translated.fleet;
    made.push(translated.snapshot!);
  }
  return made;
}

const changed = ([before, after]: readonly Snapshot[]): readonly string[] =>
  resourceKinds.flatMap((kind) =>
    [...after!.resources[kind].differences(before!.resources[kind])].map(
      (name) => `${kind} ${name}`,
    ),
  );

const clusterIn = ({ resources }: Snapshot, name: string) =>
  decode('envoy.config.cluster.v3.Cluster', resources.cluster.get(name)!.bytes);

const portsIn = ({ resources }: Snapshot, name: string): readonly (number | undefined)[] => {
  const { bytes } = resources.endpoint.get(name)!;
  const { endpoints = [] } = decode('envoy.config.endpoint.v3.ClusterLoadAssignment', bytes);
  return endpoints
    .flatMap(({ lb_endpoints = [] }) => lb_endpoints)
    .map(({ endpoint }) => endpoint?.address?.socket_address?.port_value);
};

describe('rendering with certificates', () => {
  const claims = registration({ name: 'claims', tls: mutual });
  const policy = registration({ name: 'policy', port: 3001 });

  it('reaches what matches nothing in the strictest way, and in clear only what says so', () => {
    const [snapshot] = snapshotsOf([[claims, policy]]);
    for (const name of ['claims', 'policy']) {
      const { transport_socket: strictest } = clusterIn(snapshot!, name);
      expect(JSON.stringify(strictest)).to.contain(`"exact":"spiffe://mcpx/${name}"`);
    }
    const ways = clusterIn(snapshot!, 'policy').transport_socket_matches ?? [];
    expect(ways.map(({ name }) => name)).to.deep.equal(['off']);
  });

  it('knows every way of reaching the instances of a service, each by its name', () => {
    const ways = [
      claims,
      { ...claims, id: 'b', port: 2, tls: { ...mutual, spiffe: 'spiffe://elsewhere/claims' } },
      { ...claims, id: 'c', port: 3, tls: { ...mutual, mode: 'tls', sni: 'claims.example' } },
      { ...claims, id: 'd', port: 4, tls: { ...mutual, mode: 'off' } },
    ] as const;
    const { transport_socket_matches: found = [] } = clusterIn(snapshotsOf([ways])[0]!, 'claims');
    expect(found.map(({ name }) => name)).to.deep.equal([
      'mutual spiffe://elsewhere/claims',
      'mutual spiffe://mcpx/claims',
      'off',
      'tls claims.example',
    ]);
  });

  it('speaks TLS 1.3 and nothing older', () => {
    const text = JSON.stringify(clusterIn(snapshotsOf([[claims]])[0]!, 'claims'));
    expect(text).to.contain('"tls_minimum_protocol_version":"TLSv1_3"');
    expect(text).to.contain('"tls_maximum_protocol_version":"TLSv1_3"');
  });

  it('costs a cluster and its endpoints for a registration, and nothing else', () => {
    expect(changed(snapshotsOf([[policy]], [[policy, claims]]))).to.deep.equal([
      'cluster claims',
      'endpoint claims',
    ]);
  });

  it('costs one secret when a certificate is renewed', () => {
    const renewed = { ...credentials, certificate: { ...certificate, key: 'another key' } };
    const steps = snapshotsOf([[claims]], [[claims], { credentials: renewed }]);
    expect(changed(steps)).to.deep.equal(['secret workload']);
  });

  it('names all peers anew when another authority names them', () => {
    const elsewhere = (workload: string) => `spiffe://elsewhere/${workload}`;
    const others = { ...credentials, spiffeIdOf: elsewhere, pattern: elsewhere('edge') };
    const steps = snapshotsOf([[claims]], [[claims], { credentials: others }]);
    expect(JSON.stringify(clusterIn(steps[1]!, 'claims'))).to.contain(elsewhere('claims'));
  });

  it('does not lead to who asks for TLS where there are no certificates', () => {
    const both = [
      claims,
      { ...claims, id: 'b', port: 2, tls: { ...mutual, mode: 'off' } },
    ] as const;
    const [snapshot] = snapshotsOf([both, {}]);
    expect(portsIn(snapshot!, 'claims')).to.deep.equal([2]);
    expect([...snapshot!.resources.secret.keys()]).to.deep.equal([]);
  });

  it('leads there as soon as there are', () => {
    const [, snapshot] = snapshotsOf([[claims], {}], [[claims]]);
    expect(portsIn(snapshot!, 'claims')).to.deep.equal([3000]);
  });
});
