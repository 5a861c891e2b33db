import { expect } from 'chai';
import { emptyFleet, type Registration } from '../../../src/fleet/fleet.js';
import { merge } from '../../../src/fleet/merge.js';
import { conflictsWith } from '../../../src/fleet/newcomer.js';
import { offering, registration, report } from './registered.js';

const bare = { prefix: false, tools: ['*'] };
const policy = registration({ name: 'policy', port: 3001, expose: bare });
const claims = registration({ name: 'claims' });

function fleetOf(...registrations: readonly Registration[]) {
  const probes = offering({ claims: ['look', 'file'], policy: ['look'] });
  return merge([report('file', registrations)], probes, emptyFleet).fleet;
}

const codes = (newcomer: Registration, ...present: readonly Registration[]) =>
  conflictsWith(fleetOf(...present), newcomer).map(
    ({ code, subject }) => `${code} ${subject.service ?? ''} ${subject.path ?? ''}`,
  );

describe('what a newcomer would break', () => {
  it('is nothing where its service is new, or it says what is there already', () => {
    expect(codes(claims)).to.deep.equal([]);
    expect(codes(claims, claims, policy)).to.deep.equal([]);
  });

  it('is another path than the other instances serve', () => {
    const other = registration({ port: 3002, path: '/v2/mcp' });
    expect(codes(other, claims)).to.deep.equal(['registration_conflict claims url']);
    expect(codes({ ...claims, path: '/v2/mcp' }, claims), 'it is the only one').to.deep.equal([]);
  });

  it('is a name of a tool that another service has, whoever would lose it', () => {
    const without = { ...claims, expose: bare };
    expect(codes(without, claims, policy)).to.deep.equal(['tool_name_unusable policy tools.look']);
    const later = registration({ name: 'vessels', port: 3003 });
    const fleet = merge(
      [report('file', [later, policy])],
      offering({ policy: ['look'], vessels: ['look'] }),
      emptyFleet,
    ).fleet;
    const [said] = conflictsWith(fleet, { ...later, expose: bare });
    expect(said?.subject).to.deep.equal({ service: 'vessels', path: 'tools.look' });
  });

  it('is no name where another instance decides what is exposed', () => {
    const newer = registration({ port: 3002, version: '2.0.0' });
    const older = registration({ port: 3004, expose: bare });
    expect(codes(older, claims, newer, policy)).to.deep.equal([]);
  });
});

describe('what is told of registrations that do not agree', () => {
  const told = (...registrations: readonly Registration[]) =>
    merge([report('file', registrations)], new Map(), emptyFleet).problems;

  it('is that instances of one service ask for different policies', () => {
    const other = registration({ id: 'b', port: 3002, era: 'legacy', expose: bare });
    const [said, ...more] = told(claims, other);
    expect(more).to.deep.equal([]);
    expect(said).to.include({ code: 'registration_differs', severity: 'warning' });
    expect(said?.message).to.include('era, expose than 10.0.0.7:3000 of version 1.0.0');
  });

  it('is nothing where a policy document settles it', () => {
    const other = registration({ id: 'b', port: 3002, era: 'legacy' });
    const settled = report('file', [claims, other], { claims: { era: 'modern' } });
    expect(merge([settled], new Map(), emptyFleet).problems).to.deep.equal([]);
  });

  it('is that one server is registered as two services, unless on two paths', () => {
    const twin = registration({ name: 'twin' });
    expect(told(claims, twin)).to.have.length(1);
    expect(told(claims, twin)[0]).to.deep.include({
      code: 'address_shared',
      severity: 'warning',
      subject: { service: 'twin', instance: '10.0.0.7:3000', source: 'file' },
    });
    expect(told(claims, { ...twin, path: '/twin' })).to.deep.equal([]);
  });
});
