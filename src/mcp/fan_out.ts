/**
 * What a legacy client says to no one service: carried, byte for byte, into every
 * upstream session that is open. Nobody waits for a server that is slow.
 */
import { once } from 'node:events';
import type { MessageBody } from './body.js';
import type { OpenSession, UpstreamSession } from './session.js';
import type { State } from './state.js';
import { post } from './upstream_request.js';
import { headersOf } from './upstream_sessions.js';

const deadlineMs = 2_000;

/** Kept when it is over or at the deadline; one server's failure is nobody else's. */
export async function fanOut(
  { text }: MessageBody,
  session: OpenSession,
  state: State,
  concerns: (service: string) => boolean = () => true,
): Promise<void> {
  const body = Buffer.from(text);
  const open = [...state.upstreams.all(session)].filter(([service]) => concerns(service));
  await Promise.all(open.map(async ([service, upstream]) => tell(body, service, upstream, state)));
}

async function tell(
  body: Buffer,
  service: string,
  upstream: UpstreamSession,
  { targetOf }: State,
): Promise<void> {
  const headers = {
    accept: 'application/json, text/event-stream',
    'content-type': 'application/json',
    ...headersOf(upstream),
  };
  try {
    const signal = AbortSignal.timeout(deadlineMs);
    const response = await post(targetOf(service), body, headers, signal);
    await once(response.resume(), 'end', { signal });
  } catch {
    // It is away or slow: what it missed is told again when its session is opened anew.
  }
}
