/** Secrets: certificates with their keys, and who is trusted; what takes them names them. */
import { dirname } from 'node:path';
import type { Secret } from '../generated/envoy/extensions/transport_sockets/tls/v3/Secret.js';
import type { Credentials, GatewayCertificate, Pem } from './credentials.js';
import { gatewayClientsSecret, gatewaySecret, secretNames } from './names.js';

export const ownSecret = ({ certificate: { chain, key } }: Credentials): Secret => ({
  name: secretNames.own,
  tls_certificate: {
    certificate_chain: { inline_string: chain },
    private_key: { inline_string: key },
  },
});

export const rootsSecret = (roots: string): Secret => trusted(secretNames.roots, roots);

export const serverRootsSecret = (roots: string): Secret => trusted(secretNames.serverRoots, roots);

const trusted = (name: string, pem: string): Secret => ({
  name,
  validation_context: { trusted_ca: { inline_string: pem } },
});

export function gatewaySecrets(gateway: GatewayCertificate): readonly Secret[] {
  const { certificate, key, clients } = gateway;
  const own: Secret = {
    name: gatewaySecret,
    tls_certificate: {
      ...{ certificate_chain: certificate, private_key: key },
      ...watched(certificate),
    },
  };
  if (!clients) return [own];
  const validation_context = { trusted_ca: clients, ...watched(clients) };
  return [own, { name: gatewayClientsSecret, validation_context }];
}

/** Envoy reads a file again when something is moved into its folder. */
const watched = (pem: Pem) =>
  'filename' in pem ? { watched_directory: { path: dirname(pem.filename) } } : {};
