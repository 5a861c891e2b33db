/** The bootstrap of an Envoy: `envoy/edge.yaml` with its blanks filled in. */
import { readFileSync } from 'node:fs';
import { packageFile } from '../package_file.js';

export interface BootstrapSettings {
  readonly node: string;
  readonly xds: { readonly host: string; readonly port: number };
  readonly adminPort: number;
}

/** YAML, as `envoy -c` takes it. */
export function edgeBootstrap({ node, xds, adminPort }: BootstrapSettings): string {
  const blanks = {
    NODE_ID: JSON.stringify(node),
    ADMIN_PORT: String(adminPort),
    XDS_HOST: JSON.stringify(xds.host),
    XDS_PORT: String(xds.port),
  };
  return readFileSync(packageFile('envoy/edge.yaml'), 'utf8').replace(
    /\b(NODE_ID|ADMIN_PORT|XDS_HOST|XDS_PORT)\b/g,
    (blank) => blanks[blank as keyof typeof blanks],
  );
}
