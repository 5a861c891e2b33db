import { expect } from 'chai';
import { inconsistencies } from '../../../src/snapshot/consistent.js';
import type { EncodedResources } from '../../../src/snapshot/snapshot.js';
import {
  assignment,
  edsCluster,
  listener,
  routes,
  secret,
  snapshotOf,
  staticCluster,
} from './messages.js';

const whole: Partial<EncodedResources> = {
  cluster: [edsCluster('claims'), staticCluster('filter')],
  endpoint: [assignment('claims')],
  listener: [listener('gateway', 'gateway', { processor: 'filter' })],
  route: [routes('gateway', ['claims', ':x-mcpx-cluster'])],
};

describe('consistent', () => {
  const cases: readonly [string, Partial<EncodedResources>, readonly string[]][] = [
    ['finds nothing in a whole snapshot', {}, []],
    [
      'wants an assignment for every EDS cluster (point 22)',
      { endpoint: [] },
      ['cluster.claims → endpoint "claims"'],
    ],
    [
      'wants every assignment to have its cluster',
      { endpoint: [assignment('claims'), assignment('lost')] },
      ['endpoint.lost'],
    ],
    ['wants the routes of every listener', { route: [] }, ['listener.gateway → route "gateway"']],
    [
      'wants every route configuration to be named by a listener',
      { route: [routes('gateway', []), routes('lost', [])] },
      ['route.lost'],
    ],
    [
      'wants every cluster that a route names (point 25)',
      { route: [routes('gateway', ['claims', 'gone'])] },
      ['route.gateway → cluster "gone"'],
    ],
    [
      'wants every cluster that a filter names',
      { cluster: [edsCluster('claims')] },
      ['listener.gateway → cluster "filter"'],
    ],
    [
      'wants every secret that a TLS context names',
      {
        cluster: [edsCluster('claims', 0, 'upstream'), staticCluster('filter')],
        listener: [listener('gateway', 'gateway', { processor: 'filter', secret: 'own' })],
        secret: [secret('other')],
      },
      ['cluster.claims → secret "upstream"', 'listener.gateway → secret "own"'],
    ],
    [
      'finds the secrets that TLS contexts name, and lets others lie',
      {
        cluster: [edsCluster('claims', 0, 'own'), staticCluster('filter')],
        secret: [secret('other'), secret('own')],
      },
      [],
    ],
    [
      'asks for no cluster where a header names it',
      { route: [routes('gateway', [':x-mcpx-cluster'])] },
      [],
    ],
  ];

  for (const [requirement, parts, expected] of cases) {
    it(requirement, () => {
      const problems = inconsistencies(snapshotOf({ ...whole, ...parts }));
      const found = problems.map(({ subject, message }) => {
        const target = /names the (\w+ "[^"]+"), which/.exec(message)?.[1];
        return target === undefined ? subject.path : `${subject.path ?? ''} → ${target}`;
      });
      expect(found).to.deep.equal(expected);
      for (const { code } of problems) expect(code).to.equal('translation_failed');
    });
  }
});
