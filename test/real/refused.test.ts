/** What one Envoy has refused, seen from the agents: nothing but what is new is missing. */
import { expect } from 'chai';
import { systemClock } from '../../src/clock.js';
import { readConfig, type Config } from '../../src/config.js';
import { emptyFleet } from '../../src/fleet/fleet.js';
import { Latest } from '../../src/latest.js';
import { silentLog } from '../../src/log.js';
import { createMetrics } from '../../src/metrics.js';
import { encode } from '../../src/protos.js';
import { changedSnapshot, type Snapshot } from '../../src/snapshot/snapshot.js';
import { translate } from '../../src/translate.js';
import { keptRefusals } from '../../src/xds/kept_refusals.js';
import { startXdsServer, type XdsServer } from '../../src/xds/server.js';
import type { Variant } from '../../src/xds/subscription.js';
import { registration, report } from '../unit/fleet/registered.js';
import { postCall } from './parts/agent.js';
import { freePorts, temporaryFolder, type Folder } from './parts/child.js';
import { startBackend, type Backend } from './parts/edge.js';
import { startEnvoy, type Envoy } from './parts/envoy.js';
import { underLoad } from './parts/load.js';
import { eventually } from './parts/mcpx.js';

/** No Envoy connects in less than no time. */
const badCluster = (name: string): Buffer =>
  encode('envoy.config.cluster.v3.Cluster', {
    name,
    type: 'EDS',
    eds_cluster_config: { eds_config: { ads: {}, resource_api_version: 'V3' } },
    connect_timeout: { seconds: -1 },
  });

/** Endpoints have IP addresses. */
const badEndpoints = (name: string): Buffer =>
  encode('envoy.config.endpoint.v3.ClusterLoadAssignment', {
    cluster_name: name,
    endpoints: [
      {
        lb_endpoints: [
          {
            endpoint: { address: { socket_address: { address: 'no address', port_value: 1 } } },
          },
        ],
      },
    ],
  });

class ControlPlane {
  readonly snapshot = new Latest<Snapshot | undefined>(undefined);
  #xds: XdsServer | undefined;

  constructor(
    private readonly config: Config,
    private readonly xdsPort: number,
    private readonly backend: number,
  ) {}

  /** As a new process would: it knows what is in the data folder. */
  async start(): Promise<void> {
    const started = await startXdsServer({
      ...{ host: '127.0.0.1', port: this.xdsPort, snapshots: () => this.snapshot },
      ...{ metrics: createMetrics(), clock: systemClock, log: silentLog },
      refusals: keptRefusals(this.config.data, silentLog),
    });
    if (!started.ok) throw new Error(started.problems[0]?.message);
    this.#xds = started.value;
  }

  async stop(): Promise<void> {
    await this.#xds?.stop(500);
    this.#xds = undefined;
  }

  fleetOf(...names: readonly string[]): Snapshot {
    const host = '127.0.0.1';
    const registrations = names.map((name) =>
      registration({ name, host, port: this.backend, checkedBy: 'registry' }),
    );
    const previous = { fleet: emptyFleet, snapshot: undefined };
    const reports = [report('file', registrations)];
    const made = translate({ reports, probes: new Map(), settings: this.config, previous });
    if (!made.snapshot) throw new Error('nothing was made');
    return made.snapshot;
  }

  get problems() {
    return this.#xds?.nodes.problems() ?? [];
  }

  async settled(...envoys: readonly Envoy[]): Promise<void> {
    await eventually(`${envoys.map(({ node }) => node).join(', ')} hold what is published`, () => {
      const list = this.#xds?.nodes.list() ?? [];
      return envoys.every(({ node }) =>
        list.some(({ id, lagMs, kinds }) => {
          return id === node && lagMs === 0 && kinds.route !== undefined;
        }),
      );
    });
  }
}

describe('a service that Envoy refuses, among others under load', function () {
  this.timeout(120_000);
  let folder: Folder;
  let backend: Backend;
  let control: ControlPlane;
  let gateway: string;
  let xdsPort: number;
  const envoys: Envoy[] = [];

  beforeEach(async () => {
    [folder, backend] = await Promise.all([temporaryFolder('refused'), startBackend()]);
    const [port = 0, xds = 0, filter = 0, bridgePort = 0] = await freePorts(4);
    const flags = { data: folder.path, gateway: { port }, filter: { port: filter, bridgePort } };
    const config = readConfig({ env: {}, cwd: folder.path, flags });
    if (!config.ok) throw new Error(config.problems[0]?.message);
    [gateway, xdsPort] = [`http://127.0.0.1:${port}`, xds];
    control = new ControlPlane(config.value, xds, backend.port);
    await control.start();
  });
  afterEach(async () => {
    await Promise.all(envoys.splice(0).map((envoy) => envoy.stop()));
    await control.stop();
    await Promise.all([backend.stop(), folder.remove()]);
  });

  const url = (service: string) => `${gateway}/mcp/${service}`;
  const statusOf = async (service: string) => (await postCall(url(service), 'whoami')).status;
  const callable = async (...services: readonly string[]) => {
    for (const service of services)
      await eventually(`${service} is called`, async () => (await statusOf(service)) === 200);
  };
  const start = async (node: string, variant: Variant) => {
    const envoy = await startEnvoy({ node, xdsPort, variant });
    envoys.push(envoy);
    await control.settled(envoy);
    return envoy;
  };
  const paths = () => control.problems.map(({ subject }) => subject.path).sort();

  for (const variant of ['incremental', 'state of the world'] as const)
    it(`${variant}: no call fails, none that starts refuses it (points 28, 29, 30)`, async () => {
      control.snapshot.set(control.fleetOf('claims', 'policy'));
      const first = await start('first', variant);
      await callable('claims', 'policy');

      const all = ['claims', 'policy', 'quote', 'survey'] as const;
      const bad = changedSnapshot(control.fleetOf(...all), {
        cluster: [['policy', badCluster('policy')]],
        endpoint: [['quote', badEndpoints('quote')]],
      });
      const calls = await underLoad(url('claims'), async () => {
        const inner = await underLoad(url('policy'), async () => {
          control.snapshot.set(bad);
          await callable('survey');
          await eventually('both are known', () => paths().length === 2);
          expect(paths()).to.deep.equal(['cluster.policy', 'endpoint.quote']);
          await control.settled(first);
          const refused = await first.refusals();
          expect(refused, 'the first has met them').to.be.greaterThan(0);

          const second = await start('second', variant);
          expect(await second.refusals(), 'of the second').to.equal(0);

          await control.stop();
          await control.start();
          await control.settled(first, second);
          const third = await start('third', variant);
          expect(await third.refusals(), 'of the third').to.equal(0);
          expect(await first.refusals(), 'of the first').to.equal(refused);
          expect(paths()).to.deep.equal(['cluster.policy', 'endpoint.quote']);
          await callable('survey');

          control.snapshot.set(control.fleetOf(...all));
          await control.settled(first, second, third);
          await callable('quote');
          expect(control.problems).to.be.empty;
        });
        expect(inner.failures, 'calls of policy').to.deep.equal([]);
        expect(inner.done).to.be.greaterThan(20);
      });
      expect(calls.failures, 'calls of claims').to.deep.equal([]);
      expect(calls.done).to.be.greaterThan(20);
    });
});
