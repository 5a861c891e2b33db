import { expect } from 'chai';
import { readConfig } from '../../../src/config.js';
import { emptyFleet, type Registration } from '../../../src/fleet/fleet.js';
import { emptyFleetPlan, planOf } from '../../../src/plan.js';
import { translate } from '../../../src/translate.js';
import { needing, offering, registration, report } from '../fleet/registered.js';
import { settingsIn } from '../pipeline/stage.js';

const settings = settingsIn('/nowhere');
const allowedTargets = ['0.0.0.0/0'];

const claims = { name: 'claims', version: '1.0.0', url: 'http://10.0.0.7:3000/mcp' };
const policy = { name: 'policy', version: '2.0.0', url: 'http://10.0.0.8:3000/mcp' };

/** What stands when the file registry holds these. */
function standing(...registrations: readonly Registration[]) {
  const probes = offering({});
  const reports = [report('file', registrations)];
  const previous = { fleet: emptyFleet, snapshot: undefined };
  const { fleet, snapshot } = translate({ reports, probes, settings, previous });
  return { reports, probes, fleet, snapshot };
}

const planned = (
  present: ReturnType<typeof standing>,
  { services = [], remove = [] }: { services?: readonly object[]; remove?: readonly string[] },
) => {
  const changes = { services: services as Readonly<Record<string, unknown>>[], remove };
  return planOf({ present, settings, source: 'file', allowedTargets }, changes);
};

const changesOf = ({ steps }: ReturnType<typeof planOf>) => steps.map(({ change }) => change);
const sent = ({ resources }: ReturnType<typeof planOf>) =>
  resources.map(({ kind, name, change }) => `${change} ${kind} ${name}`);

describe('a plan', () => {
  it('shows what an Envoy would be sent for a service more, and how many bytes', () => {
    const plan = planned(standing(registration()), { services: [policy] });
    expect(changesOf(plan)).to.deep.equal(['added']);
    expect(sent(plan)).to.deep.equal(['added cluster policy', 'added endpoint policy']);
    for (const { bytes } of plan.resources) expect(bytes).to.be.greaterThan(0);
  });

  it('shows nothing for what is there already, whatever its registry calls it', () => {
    const plan = planned(standing(registration({ id: 'its-own-name' })), { services: [claims] });
    expect(changesOf(plan)).to.deep.equal(['unchanged']);
    expect(plan.resources).to.deep.equal([]);
  });

  it('shows what changes and what goes', () => {
    const present = standing(registration(), registration({ name: 'policy', host: '10.0.0.8' }));
    const plan = planned(present, { services: [{ ...claims, weight: 7 }], remove: ['policy'] });
    expect(changesOf(plan)).to.deep.equal(['replaced', 'removed']);
    expect(sent(plan)).to.deep.equal([
      'removed cluster policy',
      'changed endpoint claims',
      'removed endpoint policy',
    ]);
  });

  it('goes one step after the other, as the changes will', () => {
    const services = [policy, { ...claims, dependsOn: ['policy@^2'] }];
    expect(changesOf(planned(standing(), { services }))).to.deep.equal(['added', 'added']);
    const [first, second] = planned(standing(), { services: services.reverse() }).steps;
    expect([first?.change, second?.change]).to.deep.equal(['refused', 'added']);
    expect(first?.problems[0]?.message).to.contain('claims@1.0.0 → policy@^2 (absent)');
  });

  it('removes one instance, and says where there is none', () => {
    const present = standing(registration(), registration({ port: 3001 }));
    const remove = ['claims/10.0.0.7:3001', 'claims/10.0.0.7:9', 'nobody'];
    expect(changesOf(planned(present, { remove }))).to.deep.equal(['removed', 'absent', 'absent']);
  });

  it('refuses what a registration with wrong fields says, and goes on', () => {
    const plan = planned(standing(), { services: [{ ...claims, version: 'two' }, policy] });
    expect(changesOf(plan)).to.deep.equal(['refused', 'added']);
    expect(plan.steps[0]?.problems[0]?.code).to.equal('registration_invalid');
  });

  it('refuses to take away what others depend on', () => {
    const present = standing(needing('claims@2.1.0', 'policy@^2'), needing('policy@2.0.0'));
    const plan = planned(present, { remove: ['policy'] });
    expect(changesOf(plan)).to.deep.equal(['refused']);
    expect(sent(plan)).to.deep.equal([]);
  });

  it('tells of problems that appear and that are mended, and of no others', () => {
    const present = standing(needing('claims@2.1.0', 'policy@^2'), needing('vessels@1.0.0', 'x@*'));
    const { appeared, mended } = planned(present, {
      services: [policy, { ...claims, name: 'twin', url: policy.url }],
    });
    expect(mended.map(({ subject }) => subject.service)).to.deep.equal(['claims']);
    expect(appeared.map(({ code }) => code)).to.deep.equal(['address_shared']);
  });

  it('leaves what stands as it is', () => {
    const present = standing(registration());
    const before = present.snapshot?.version;
    planned(present, { services: [policy], remove: ['claims'] });
    expect(present.snapshot?.version).to.equal(before);
    const again = translate({ ...present, settings, previous: present });
    expect(again.snapshot).to.equal(present.snapshot);
  });

  it('of an empty fleet shows what each registration adds, and nothing else', () => {
    const config = readConfig({ env: {}, cwd: '/nowhere' });
    if (!config.ok) throw new Error('no configuration');
    const plan = emptyFleetPlan(config.value, { services: [claims], remove: [] });
    expect(plan).to.have.nested.property('steps[0].change', 'added');
    expect(plan).to.have.property('nodes').that.deep.equals([]);
    expect(plan).to.have.property('resources').that.has.length(2);
    expect(JSON.stringify(plan)).to.contain('"name":"claims","change":"added"');
  });
});
