/** The bootstrap of an Envoy: `envoy/edge.yaml` or `envoy/sidecar.yaml`, its blanks filled in. */
import { readFileSync } from 'node:fs';
import { packageFile } from '../package_file.js';

interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

export interface BootstrapSettings {
  readonly node: string;
  /** Every replica of the control plane; Envoy holds to one and goes to the next when it ends. */
  readonly xds: readonly HostAndPort[];
  readonly adminPort: number;
  /** Incremental unless told otherwise; the other costs more and is for Envoys that must. */
  readonly variant?: 'incremental' | 'state of the world';
  /** Undefined: it connects in clear. */
  readonly identity?: IdentitySettings | undefined;
  /** Undefined: it is an edge. */
  readonly sidecar?: SidecarSettings | undefined;
}

export interface IdentitySettings {
  /** Where `mcpx join` keeps the certificate, on the machine of that Envoy. */
  readonly folder: string;
  readonly trustDomain: string;
}

export interface SidecarSettings {
  /** The service it stands beside. */
  readonly service: string;
  /** Where others call its server. */
  readonly inbound: HostAndPort;
  /** Where its server calls others. */
  readonly outbound: HostAndPort;
  /** Its server. */
  readonly local: HostAndPort;
}

/** YAML, as `envoy -c` takes it. */
export function bootstrapOf(settings: BootstrapSettings): string {
  const { sidecar } = settings;
  return sidecar
    ? filled('envoy/sidecar.yaml', { ...blanksOf(settings), ...sidecarBlanks(sidecar) })
    : filled('envoy/edge.yaml', blanksOf(settings));
}

type Blanks = Readonly<Record<string, string>>;

const blanksOf = ({
  node,
  xds,
  adminPort,
  variant = 'incremental',
  identity,
}: BootstrapSettings) => ({
  XDS_TRANSPORT_SOCKET: identity ? tlsOf(identity) : inClear,
  API_TYPE: variant === 'incremental' ? 'DELTA_GRPC' : 'GRPC',
  NODE_ID: JSON.stringify(node),
  ADMIN_PORT: String(adminPort),
  XDS_ENDPOINTS: xds
    .map((place) => `endpoint: { address: ${address(place)} }`)
    .join('\n              - '),
});

const inClear =
  '{ name: envoy.transport_sockets.raw_buffer, typed_config: { "@type": ' +
  'type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer } }';

function tlsOf({ folder, trustDomain }: IdentitySettings): string {
  const blanks = {
    NODE_FILE: JSON.stringify(`${folder}/node.yaml`),
    ROOTS_FILE: JSON.stringify(`${folder}/roots.yaml`),
    CONTROL_PLANE_ID: JSON.stringify(`spiffe://${trustDomain}/control-plane`),
  };
  // As deep as the place it is put in.
  return `\n${filled('envoy/xds_tls.yaml', blanks).trimEnd()}`.replaceAll('\n', '\n        ');
}

const sidecarBlanks = ({ service, inbound, outbound, local }: SidecarSettings) => ({
  SERVICE: JSON.stringify(service),
  INBOUND: JSON.stringify(authority(inbound)),
  OUTBOUND: JSON.stringify(authority(outbound)),
  LOCAL_NAME: JSON.stringify(authority(local)),
  LOCAL_ADDRESS: address(local),
});

function filled(template: string, blanks: Blanks): string {
  const words = new RegExp(`\\b(${Object.keys(blanks).join('|')})\\b`, 'g');
  const text = readFileSync(packageFile(template), 'utf8');
  return text.replace(words, (blank) => blanks[blank] ?? blank);
}

const address = ({ host, port }: HostAndPort): string =>
  `{ socket_address: { address: ${JSON.stringify(host)}, port_value: ${port} } }`;

const authority = ({ host, port }: HostAndPort): string =>
  `${host.includes(':') ? `[${host}]` : host}:${port}`;
