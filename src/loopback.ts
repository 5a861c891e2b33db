/** Which addresses to listen on stay on this machine, and how this machine reaches each. */
import { isIPv4 } from 'node:net';

/** What nobody reaches from another machine. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, '$1').toLowerCase();
  if (isIPv4(bare)) return bare.startsWith('127.');
  return bare === 'localhost' || bare === '::1';
}

const everywhere: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '[::1]' };

/** As the host of a URL: what listens there may do so on all addresses. */
export const reachedHost = (host: string): string =>
  everywhere[host] ?? (host.includes(':') ? `[${host}]` : host);
