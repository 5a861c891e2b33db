/**
 * Requests to the admin API as our own processes send them: with a token or a client
 * certificate, over TLS to whoever our authority says is a control plane. `fetch` can
 * be told of no roots and no certificate, so https is asked by hand.
 */
import { request } from 'node:https';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';

/** What is shown, and who is believed; PEM. All may be absent. */
export interface Credentials {
  readonly token?: string | undefined;
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
  /** Undefined: the public ones. */
  readonly roots?: string | undefined;
}

export interface AdminCall {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal?: AbortSignal | undefined;
}

export interface AdminAnswer {
  readonly ok: boolean;
  readonly status: number;
  text(): Promise<string>;
}

/** Rejects as `fetch` does, where nobody answers. */
export function callAdmin(
  url: string,
  call: AdminCall,
  { token, ...tls }: Credentials,
): Promise<AdminAnswer> {
  const headers: Record<string, string> = { ...call.headers };
  if (token) headers['authorization'] = `Bearer ${token}`;
  if (url.startsWith('https:')) return overTls(url, { ...call, headers }, tls);
  return fetch(url, { ...call, headers, signal: call.signal ?? null });
}

/** How a control plane is recognised over TLS, for whoever opens the connection by hand. */
export const tlsOptionsOf = ({ certificate, key, roots }: Credentials) => ({
  ...(certificate !== undefined && { cert: certificate }),
  ...(key !== undefined && { key }),
  ...(roots !== undefined && { ca: roots }),
  checkServerIdentity: isControlPlane,
});

/** A certificate with a SPIFFE ID is a control plane's or of no use; others go by their names. */
function isControlPlane(host: string, certificate: PeerCertificate): Error | undefined {
  const { subjectaltname: names = '' } = certificate as Partial<PeerCertificate>;
  const ids = names.match(/URI:spiffe:[^,]*/g) ?? [];
  if (ids.length === 0) return checkServerIdentity(host, certificate);
  if (ids.length === 1 && /^URI:spiffe:\/\/[^/]+\/control-plane$/.test(ids[0])) return undefined;
  return new Error(`what answers is ${ids.join(', ').replaceAll('URI:', '')}, no control plane`);
}

function overTls(url: string, call: AdminCall, credentials: Credentials): Promise<AdminAnswer> {
  const { method = 'GET', headers, body, signal } = call;
  return new Promise((resolve, reject) => {
    const options = { method, headers, ...(signal && { signal }), agent: false };
    const sent = request(url, { ...options, ...tlsOptionsOf(credentials) }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const status = response.statusCode ?? 0;
        const text = Buffer.concat(chunks).toString();
        resolve({ ok: status >= 200 && status < 300, status, text: () => Promise.resolve(text) });
      });
    });
    // What an aborted request rejects with is the signal's own reason, as with `fetch`.
    sent.on('error', (error) => reject(signal?.aborted ? (signal.reason as Error) : error));
    sent.end(body);
  });
}
