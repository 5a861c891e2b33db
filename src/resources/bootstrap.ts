/** The bootstrap of an Envoy: `envoy/edge.yaml` with its blanks filled in. */
import { readFileSync } from 'node:fs';
import { packageFile } from '../package_file.js';

interface XdsAddress {
  readonly host: string;
  readonly port: number;
}

export interface BootstrapSettings {
  readonly node: string;
  /** Every replica of the control plane; Envoy holds to one and goes to the next when it ends. */
  readonly xds: readonly XdsAddress[];
  readonly adminPort: number;
  /** Incremental unless told otherwise; the other costs more and is for Envoys that must. */
  readonly variant?: 'incremental' | 'state of the world';
}

/** YAML, as `envoy -c` takes it. */
export function edgeBootstrap(settings: BootstrapSettings): string {
  const { node, xds, adminPort, variant = 'incremental' } = settings;
  const blanks = {
    API_TYPE: variant === 'incremental' ? 'DELTA_GRPC' : 'GRPC',
    NODE_ID: JSON.stringify(node),
    ADMIN_PORT: String(adminPort),
    XDS_ENDPOINTS: xds.map(endpoint).join('\n              - '),
  };
  return readFileSync(packageFile('envoy/edge.yaml'), 'utf8').replace(
    /\b(API_TYPE|NODE_ID|ADMIN_PORT|XDS_ENDPOINTS)\b/g,
    (blank) => blanks[blank as keyof typeof blanks],
  );
}

const endpoint = ({ host, port }: XdsAddress): string =>
  `endpoint: { address: { socket_address: ` +
  `{ address: ${JSON.stringify(host)}, port_value: ${port} } } }`;
