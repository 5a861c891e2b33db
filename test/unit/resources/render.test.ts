import { expect } from 'chai';
import { emptyFleet, type Fleet } from '../../../src/fleet/fleet.js';
import { merge } from '../../../src/fleet/merge.js';
import { clusterHeader } from '../../../src/gateway_contract.js';
import { decode } from '../../../src/protos.js';
import { renderEdge } from '../../../src/resources/render.js';
import type { EncodedResources } from '../../../src/snapshot/snapshot.js';
import { registration, report } from '../fleet/registered.js';
import { settingsIn } from '../pipeline/stage.js';

const settings = settingsIn('/nonexistent');
const claims = registration({ name: 'claims' });
const policy = registration({ name: 'policy', port: 3001 });

const fleetOf = (registrations: (typeof claims)[], previous: Fleet = emptyFleet): Fleet =>
  merge([report('file', registrations)], new Map(), previous).fleet;

const bytesOf = (resources: EncodedResources, kind: keyof EncodedResources, name: string) =>
  resources[kind].find((resource) => resource.name === name)?.bytes;

describe('rendering for an edge Envoy', () => {
  const fleet = fleetOf([claims, policy]);
  const before = renderEdge(fleet, settings);

  it('gives the very same bytes for a service that did not change', () => {
    const next = renderEdge(fleetOf([claims, { ...policy, weight: 7 }], fleet), settings);
    for (const kind of ['cluster', 'endpoint'] as const) {
      expect(bytesOf(next, kind, 'claims'), kind).to.be.instanceOf(Buffer);
      expect(bytesOf(next, kind, 'claims'), kind).to.equal(bytesOf(before, kind, 'claims'));
    }
    expect(bytesOf(next, 'endpoint', 'policy')).not.to.deep.equal(
      bytesOf(before, 'endpoint', 'policy'),
    );
  });

  it('gives the very same bytes for what is our own while the settings stand', () => {
    const next = renderEdge(fleetOf([policy], fleet), settings);
    expect(next.listener).to.equal(before.listener);
    expect(next.route).to.equal(before.route);
  });

  it('gives others for other settings', () => {
    const elsewhere = { ...settings, gateway: { ...settings.gateway, port: 8443 } };
    const next = renderEdge(fleet, elsewhere);
    expect(bytesOf(next, 'listener', 'gateway')).not.to.deep.equal(
      bytesOf(before, 'listener', 'gateway'),
    );
    expect(bytesOf(next, 'cluster', 'claims')).to.equal(bytesOf(before, 'cluster', 'claims'));
  });

  it('costs every Envoy a cluster and its endpoints for a registration, and nothing else', () => {
    const next = renderEdge(fleetOf([claims, policy, registration({ name: 'new' })]), settings);
    const added = (kind: keyof EncodedResources) => next[kind].length - before[kind].length;
    expect([added('cluster'), added('endpoint')]).to.deep.equal([1, 1]);
    expect(next.route.map(({ bytes }) => bytes)).to.deep.equal(
      before.route.map(({ bytes }) => bytes),
    );
    expect(next.listener).to.deep.equal(before.listener);
  });

  it('changes nothing but the endpoints when an instance comes or fails', () => {
    const failing = { ...policy, checkedBy: 'registry', passing: true } as const;
    const one = renderEdge(fleetOf([failing]), settings);
    const other = renderEdge(
      fleetOf([
        { ...failing, passing: false },
        { ...failing, id: 'second', port: 3002 },
      ]),
      settings,
    );
    expect(bytesOf(other, 'cluster', 'policy')).to.deep.equal(bytesOf(one, 'cluster', 'policy'));
    expect(bytesOf(other, 'endpoint', 'policy')).not.to.deep.equal(
      bytesOf(one, 'endpoint', 'policy'),
    );
  });

  it('gives Envoy the script that names the cluster by our header', () => {
    const listener = bytesOf(before, 'listener', 'gateway') ?? Buffer.alloc(0);
    const text = JSON.stringify(decode('envoy.config.listener.v3.Listener', listener));
    expect(text).to.include(`\\\\"${clusterHeader}\\\\"`.replaceAll('\\\\', '\\'));
  });
});
