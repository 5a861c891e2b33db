/**
 * An edge and sidecars on this machine: real Envoys, fed over mutual TLS by the xDS server with
 * the snapshots of their audiences, and with certificates that the test hands out.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { audienceSnapshots } from '../../../src/audience_snapshots.js';
import type { Certificate } from '../../../src/certificates/certificate.js';
import type { Material } from '../../../src/certificates/material.js';
import { systemClock } from '../../../src/clock.js';
import { readConfig, type Config } from '../../../src/config.js';
import { emptyFleet, type Fleet, type Registration } from '../../../src/fleet/fleet.js';
import { edgeSecrets } from '../../../src/identity/edge_secrets.js';
import { Latest } from '../../../src/latest.js';
import { silentLog } from '../../../src/log.js';
import { createMetrics, type Metrics } from '../../../src/metrics.js';
import { bootstrapOf, type BootstrapSettings } from '../../../src/resources/bootstrap.js';
import type { GatewayCertificate } from '../../../src/resources/credentials.js';
import type { Snapshot } from '../../../src/snapshot/snapshot.js';
import { translate } from '../../../src/translate.js';
import type { TlsMaterial } from '../../../src/xds/listening.js';
import { startXdsServer, type XdsServer } from '../../../src/xds/server.js';
import { report } from '../../unit/fleet/registered.js';
import { authority, issue, type Authority, type Issued } from '../../wire/certificates.js';
import { freePorts, startChild, temporaryFolder, whenReady, type Folder } from './child.js';
import { eventually } from './mcpx.js';

export const trustDomain = 'mcpx';
export const spiffeIdOf = (workload: string): string => `spiffe://${trustDomain}/${workload}`;

export interface Node {
  readonly admin: string;
  /** Ports on loopback. */
  readonly inbound: number;
  readonly outbound: number;
  /** All that it holds, as Envoy says itself. */
  dump(): Promise<string>;
  stop(): Promise<void>;
}

/** Whoever signs, and what was signed: by everybody at first by one authority. */
export class Signing {
  readonly material: Latest<Material>;
  readonly wanted: string[] = [];

  constructor(public by: Authority = authority('mesh')) {
    this.material = new Latest<Material>({
      ...{ roots: by.cert, certificates: new Map(), spiffeIdOf },
    });
  }

  readonly want = (workload: string): (() => void) => {
    this.wanted.push(workload);
    if (!this.material.value.certificates.has(workload)) this.renew(workload);
    return () => undefined;
  };

  renew(...workloads: readonly string[]): void {
    const { certificates } = this.material.value;
    const renewed = workloads.map((each) => [each, this.certificate(each)] as const);
    this.material.set({
      ...this.material.value,
      certificates: new Map([...certificates, ...renewed]),
    });
  }

  trust(...roots: readonly Authority[]): void {
    this.material.set({ ...this.material.value, roots: roots.map(({ cert }) => cert).join('') });
  }

  certificate(workload: string): Certificate {
    const { cert, key } = this.issued(workload);
    const now = Date.now();
    const times = { notBefore: now, expiresAt: now + 3_600_000 };
    return { chain: cert, key, spiffeId: spiffeIdOf(workload), ...times };
  }

  issued(workload: string): Issued {
    return issue(this.by, { uris: [spiffeIdOf(workload)] });
  }
}

export interface Mesh {
  readonly gateway: string;
  readonly edge: Node;
  readonly xds: XdsServer;
  readonly metrics: Metrics;
  readonly signing: Signing;
  /** Of MCPX's own links, which have an authority of their own. */
  readonly links: Authority;
  /** Who signs servers that are no workloads. */
  readonly servers: Authority;
  register(...registrations: readonly Registration[]): void;
  /** The Envoy beside a server of the service, at this port of this machine. */
  sidecar(service: string, local: number): Promise<Node>;
  /** Until every Envoy holds and has acknowledged all that it is to have. */
  settled(): Promise<void>;
  stop(): Promise<void>;
}

/** `served`: what the gateway shows to agents, and whom it lets in. */
export async function startMesh(
  binary: string,
  served?: Latest<GatewayCertificate | undefined>,
): Promise<Mesh> {
  const folder = await temporaryFolder('mesh');
  const [gateway = 0, filter = 0, bridgePort = 0] = await freePorts(3);
  const tls = served && { certificate: 'a.pem', key: 'a-key.pem', clients: 'agents.pem' };
  const config = configIn(folder, { gateway, filter, bridgePort, ...(tls && { tls }) });
  const signing = new Signing();
  const fleet = new Latest<Fleet>(emptyFleet);
  const edgeSnapshot = new Latest<Snapshot | undefined>(undefined);
  const [links, servers] = [authority('links'), authority('servers')];
  const workloads = { material: signing.material, want: signing.want, serverRoots: servers.cert };
  const audiences = audienceSnapshots({ edge: edgeSnapshot, fleet, workloads, log: silentLog });
  const metrics = createMetrics();
  const server: TlsMaterial = {
    ...issue(links, { uris: [spiffeIdOf('control-plane')] }),
    ca: links.cert,
  };
  const started = await startXdsServer({
    ...{ host: '127.0.0.1', port: 0, tls: new Latest(server), identity: { trustDomain } },
    ...{ snapshots: (audience) => audiences.of(audience), metrics },
    ...{ clock: systemClock, log: silentLog },
  });
  if (!started.ok) throw new Error(started.problems[0]?.message);
  const xds = started.value;
  let registrations: readonly Registration[] = [];
  const secrets = edgeSecrets({ workloads, gateway: served });
  const publish = () => {
    const previous = { fleet: fleet.value, snapshot: edgeSnapshot.value };
    const input = { reports: [report('file', registrations)], probes: new Map() };
    const made = translate({ ...input, settings: config, secrets: secrets.value, previous });
    const wrong = made.problems.find(({ severity }) => severity === 'error');
    if (wrong) throw new Error(wrong.message);
    fleet.set(made.fleet);
    edgeSnapshot.set(made.snapshot);
  };
  signing.want('edge');
  publish();
  secrets.subscribe(publish);
  const nodes: Node[] = [];
  const start = async (workload: string, settings: Omit<BootstrapSettings, 'xds'>) => {
    const at = { ...settings, xds: [{ host: '127.0.0.1', port: xds.port }] };
    const text = withCertificate(bootstrapOf(at), issue(links, { uris: [spiffeIdOf(workload)] }));
    const node = await startNode(binary, { ...at, folder, text: text(links) });
    nodes.push(node);
    return node;
  };
  const edge = await start('edge', { node: 'edge', adminPort: (await freePorts(1))[0] ?? 0 });
  return {
    ...{ gateway: `http://127.0.0.1:${gateway}`, edge, xds, metrics, signing, links, servers },
    register(...next) {
      registrations = next;
      publish();
    },
    async sidecar(service, local) {
      const [adminPort = 0, inbound = 0, outbound = 0] = await freePorts(3);
      const at = (port: number) => ({ host: '127.0.0.1', port });
      const places = { inbound: at(inbound), outbound: at(outbound), local: at(local) };
      const sidecar = { service, ...places };
      return start(service, { node: `${service}-${inbound}`, adminPort, sidecar });
    },
    settled: async () => settled(xds, nodes.length),
    async stop() {
      await Promise.all(nodes.map((node) => node.stop()));
      await xds.stop(500);
      audiences.close();
      await folder.remove();
    },
  };
}

function configIn(
  { path: data }: Folder,
  ports: Readonly<Record<'gateway' | 'filter' | 'bridgePort', number>> & { readonly tls?: object },
): Config {
  const { gateway, filter, bridgePort, tls = {} } = ports;
  const flags = { data, gateway: { port: gateway, tls }, filter: { port: filter, bridgePort } };
  const config = readConfig({ env: {}, cwd: data, flags });
  if (!config.ok) throw new Error(config.problems[0]?.message);
  return config.value;
}

interface Bootstrap {
  readonly static_resources: { readonly clusters: { name: string; transport_socket?: object }[] };
}

/** The link to the control plane by TLS, as whoever the certificate says. */
const withCertificate =
  (yaml: string, { cert, key }: Issued) =>
  (links: Authority) => {
    const bootstrap = parse(yaml) as Bootstrap;
    const xds = bootstrap.static_resources.clusters.find(({ name }) => name === 'mcpx_xds');
    const san = { san_type: 'URI', matcher: { exact: spiffeIdOf('control-plane') } };
    xds!.transport_socket = {
      name: 'envoy.transport_sockets.tls',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
        common_tls_context: {
          tls_params: { tls_maximum_protocol_version: 'TLSv1_3' },
          tls_certificates: [
            { certificate_chain: { inline_string: cert }, private_key: { inline_string: key } },
          ],
          validation_context: {
            ...{ trusted_ca: { inline_string: links.cert }, match_typed_subject_alt_names: [san] },
          },
        },
      },
    };
    return stringify(bootstrap);
  };

interface NodeOptions extends BootstrapSettings {
  readonly folder: Folder;
  readonly text: string;
}

async function startNode(binary: string, options: NodeOptions): Promise<Node> {
  const { folder, node, adminPort, sidecar, text } = options;
  const path = join(folder.path, `${node}.yaml`);
  await writeFile(path, text);
  const flags = ['--use-dynamic-base-id', '--concurrency', '1', '--log-level', 'error'];
  const envoy = startChild(binary, ['-c', path, ...flags]);
  const admin = `http://127.0.0.1:${adminPort}`;
  await whenReady(envoy, async () => (await fetch(`${admin}/server_info`)).ok);
  return {
    ...{ admin, inbound: sidecar?.inbound.port ?? 0, outbound: sidecar?.outbound.port ?? 0 },
    dump: async () => (await fetch(`${admin}/config_dump?include_eds`)).text(),
    stop: () => envoy.stop(),
  };
}

const settled = async (xds: XdsServer, count: number): Promise<void> =>
  eventually('every Envoy holds its snapshot', () => {
    const refused = xds.nodes.problems().map(({ message }) => message);
    if (refused.length > 0) throw new Error(refused.join('\n'));
    const nodes = xds.nodes.list();
    const hasAll = ({ kinds }: (typeof nodes)[number]) =>
      kinds.route !== undefined && Object.values(kinds).every(({ settled: is }) => is);
    return nodes.length === count && nodes.every(hasAll);
  });
