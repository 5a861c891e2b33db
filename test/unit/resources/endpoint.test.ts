import { expect } from 'chai';
import fc from 'fast-check';
import type { Registration } from '../../../src/fleet/fleet.js';
import type { LbEndpoint } from '../../../src/generated/envoy/config/endpoint/v3/LbEndpoint.js';
import { duration } from '../../../src/resources/duration.js';
import { serviceCluster } from '../../../src/resources/cluster.js';
import { loadAssignment, versionAssignment } from '../../../src/resources/endpoint.js';
import { registration, serviceOf } from '../fleet/registered.js';

const localities = (...registrations: Registration[]) =>
  loadAssignment(serviceOf(...registrations)).endpoints ?? [];

const only = (fields: Partial<Registration>) =>
  localities(registration(fields))[0]?.lb_endpoints?.[0];

describe('the endpoints of a service', () => {
  it('are called by their own address, as servers that guard their Host want', () => {
    expect(only({ host: '10.0.0.7' })?.endpoint?.hostname).to.equal('10.0.0.7:3000');
    expect(only({ host: 'fd00::7' })?.endpoint?.hostname).to.equal('[fd00::7]:3000');
  });

  it('are checked under the name by which they are called', () => {
    const checkedAs = ({ endpoint }: LbEndpoint = {}) => endpoint?.health_check_config?.hostname;
    expect(checkedAs(only({ host: '10.0.0.7', checkedBy: 'envoy' }))).to.equal('10.0.0.7:3000');
    const service = serviceOf(registration({ host: '10.0.0.7', checkedBy: 'envoy' }));
    const [apart] = versionAssignment(service, '1.0.0').endpoints ?? [];
    expect(checkedAs(apart?.lb_endpoints?.[0])).to.equal('10.0.0.7:3000');
  });

  it('are dialled at the bare address', () => {
    expect(only({ host: 'fd00::7' })?.endpoint?.address?.socket_address).to.deep.include({
      address: 'fd00::7',
      port_value: 3000,
    });
  });

  it('stay, unhealthy, while they fail the checks of their registry', () => {
    const failing = only({ checkedBy: 'registry', passing: false });
    expect(failing?.health_status).to.equal('UNHEALTHY');
    expect(only({ checkedBy: 'registry', passing: true })?.health_status).to.equal('HEALTHY');
  });

  it('are checked by Envoy only where their registry has no checks', () => {
    const byRegistry = registration({ checkedBy: 'registry' });
    const byEnvoy = registration({ port: 3001, checkedBy: 'envoy' });
    const unchecked = (fields: Partial<Registration>) =>
      only(fields)?.endpoint?.health_check_config?.disable_active_health_check ?? false;
    expect([unchecked(byRegistry), unchecked(byEnvoy)]).to.deep.equal([true, false]);
    expect(serviceCluster(serviceOf(byRegistry)).health_checks).to.have.length(0);
    expect(serviceCluster(serviceOf(byRegistry, byEnvoy)).health_checks).to.have.length(1);
  });

  it('are one locality for each priority, version and zone', () => {
    const places = localities(
      registration({ port: 1, version: '1.0.0', zone: 'a' }),
      registration({ port: 2, version: '1.0.0', zone: 'a', weight: 50 }),
      registration({ port: 3, version: '1.0.0', zone: 'b' }),
      registration({ port: 4, version: '2.0.0', zone: 'a' }),
      registration({ port: 5, version: '2.0.0', zone: 'a', priority: 1 }),
    ).map(
      ({ locality, priority, load_balancing_weight: weight, lb_endpoints: endpoints }) =>
        `${locality?.sub_zone ?? ''} ${locality?.zone ?? ''} ${priority ?? 0}: ` +
        `${endpoints?.length ?? 0} of ${weight?.value ?? 0}`,
    );
    expect(places).to.have.members([
      '1.0.0 a 0: 2 of 150',
      '1.0.0 b 0: 1 of 100',
      '2.0.0 a 0: 1 of 100',
      '2.0.0 a 1: 1 of 100',
    ]);
  });

  it('have priorities from 0 without a gap, in the order that registrations give', () => {
    const given = fc.uniqueArray(fc.nat({ max: 127 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(given, (priorities) => {
        const places = localities(
          ...priorities.map((priority, port) => registration({ port: port + 1, priority })),
        );
        const told = new Map(
          places.map(({ priority, lb_endpoints: endpoints }) => [
            priorities[(endpoints?.[0]?.endpoint?.address?.socket_address?.port_value ?? 0) - 1],
            priority ?? 0,
          ]),
        );
        const ordered = [...priorities].sort((a, b) => a - b);
        expect(ordered.map((priority) => told.get(priority))).to.deep.equal([...ordered.keys()]);
      }),
    );
  });
});

describe('a duration', () => {
  it('is the same time in whole seconds and nanoseconds below a second', () => {
    fc.assert(
      fc.property(fc.nat({ max: 86_400_000 }), (milliseconds) => {
        const { seconds, nanos } = duration(milliseconds);
        expect(Number.isInteger(seconds) && Number.isInteger(nanos)).to.equal(true);
        expect(nanos).to.be.within(0, 999_999_999);
        expect(seconds * 1000 + nanos / 1_000_000).to.equal(milliseconds);
      }),
    );
  });
});
