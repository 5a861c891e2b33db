/** The bootstrap of an Envoy: `envoy/edge.yaml` with its blanks filled in. */
import { readFileSync } from 'node:fs';
import { packageFile } from '../package_file.js';

export interface BootstrapSettings {
  readonly node: string;
  readonly xds: { readonly host: string; readonly port: number };
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
    XDS_HOST: JSON.stringify(xds.host),
    XDS_PORT: String(xds.port),
  };
  return readFileSync(packageFile('envoy/edge.yaml'), 'utf8').replace(
    /\b(API_TYPE|NODE_ID|ADMIN_PORT|XDS_HOST|XDS_PORT)\b/g,
    (blank) => blanks[blank as keyof typeof blanks],
  );
}
