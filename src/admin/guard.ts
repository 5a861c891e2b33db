/**
 * Keeps web pages out: a page that a browser on this machine shows can reach
 * loopback, through a name that it made point there (DNS rebinding) or by a
 * request across origins. Neither may read or write here.
 */
import { isLoopback } from '../loopback.js';
import { refusal } from './problem.js';
import type { JsonAnswer } from './route.js';

interface Caller {
  readonly method: string;
  readonly host: string;
  readonly origin: string;
}

/** Undefined when the request may go on. */
export function guard(boundHost: string, caller: Caller): JsonAnswer | undefined {
  const { method, host, origin } = caller;
  if (isLoopback(boundHost) && !isLocalName(hostnameOf(host), boundHost))
    return refusal(
      403,
      `Host ${host || '(none)'} is not this control plane: it listens on ${boundHost} only. ` +
        `Ask for http://127.0.0.1, or set admin.host.`,
    );
  const reads = method === 'GET' || method === 'HEAD';
  if (!reads && origin !== '' && hostOfOrigin(origin) !== host.toLowerCase())
    return refusal(403, `A page of ${origin} may not write here.`);
  return undefined;
}

function isLocalName(name: string, boundHost: string): boolean {
  return ['localhost', '127.0.0.1', '[::1]', boundHost, `[${boundHost}]`].includes(name);
}

/** `[::1]:8081` → `[::1]`. */
function hostnameOf(host: string): string {
  return host.toLowerCase().replace(/:\d+$/, '');
}

function hostOfOrigin(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}
