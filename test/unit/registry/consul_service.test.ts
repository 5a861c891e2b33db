import { expect } from 'chai';
import { serviceEntries, serviceHealthsSchema } from '../../../src/registry/consul_service.js';
import { anyTarget } from './watching.js';

/** `claims` as Consul's health tells of it, with these checks. */
function registered(...checks: readonly object[]) {
  const Service = { ID: 'one', Service: 'claims', Address: '10.0.0.7', Port: 3000, Tags: ['mcp'] };
  const Node = { Node: 'node', Address: '10.0.0.1' };
  const Meta = { 'mcp-version': '1.0.0' };
  const healths = serviceHealthsSchema.parse([
    { Node, Service: { ...Service, Meta }, Checks: checks },
  ]);
  const [entry] = serviceEntries(healths, { tag: 'mcp', allowedTargets: anyTarget });
  const decoded = entry?.decode();
  if (!entry || !decoded?.ok) throw new Error('not decoded');
  return { ...decoded.value.value, fingerprint: entry.fingerprint };
}

const ofNode = { CheckID: 'serfHealth', Status: 'passing', ServiceID: '' };
const own = { CheckID: 'service:one', Status: 'passing', ServiceID: 'one' };

describe('a service of Consul', () => {
  it('is unchecked where only its node is checked, or nothing', () => {
    expect(registered(ofNode)).to.deep.include({ passing: true, unchecked: true });
    expect(registered()).to.deep.include({ passing: true, unchecked: true });
  });

  it('is checked by a check of its own, and read anew when that comes', () => {
    const checked = registered(ofNode, own);
    expect(checked).to.not.have.property('unchecked');
    expect(checked.fingerprint).to.not.equal(registered(ofNode).fingerprint);
  });
});
