/** Which addresses to listen on stay on this machine. */
import { isIPv4 } from 'node:net';

/** What nobody reaches from another machine. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, '$1').toLowerCase();
  if (isIPv4(bare)) return bare.startsWith('127.');
  return bare === 'localhost' || bare === '::1';
}
