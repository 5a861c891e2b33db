/**
 * Session ids that carry the session: sealed with a key that every replica
 * holds, so any of them serves any session and no store is on the path
 * (design.md 3). The principal is bound in: another one's id does not open.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { ClientInfo } from '../mcp_client/conversation.js';
import { BoundedMap } from './bounded.js';

export interface UpstreamSession {
  /** As Envoy's bridge listener gave it: host and id in one envelope. Null: there is none. */
  readonly id: string | null;
  /** What that server negotiated; it may be older than the client's. */
  readonly protocolVersion: string;
}

export interface SessionState {
  readonly protocolVersion: string;
  readonly createdMs: number;
  readonly client: ClientInfo;
  /** By service; the ones opened before the id was sealed. */
  readonly upstreams: Readonly<Record<string, UpstreamSession>>;
}

export interface OpenSession {
  /** Names the session within this process; it is in every copy of the id. */
  readonly key: string;
  readonly state: SessionState;
}

/** Who calls; nobody proves who they are yet. */
const anonymous = 'anonymous';

const formatVersion = 1;
const ivSize = 12;
const tagSize = 16;
const algorithm = 'aes-256-gcm';

export function sealSession(key: Buffer, state: SessionState, principal: string): string {
  const iv = randomBytes(ivSize);
  const cipher = createCipheriv(algorithm, key, iv).setAAD(boundTo(principal));
  const sealed = cipher.update(deflateRawSync(JSON.stringify(state)));
  const parts = [Buffer.of(formatVersion), iv, sealed, cipher.final(), cipher.getAuthTag()];
  return Buffer.concat(parts).toString('base64url');
}

/** Undefined for anything we did not seal for this principal. */
export function unsealSession(key: Buffer, id: string, principal: string) {
  const bytes = Buffer.from(id, 'base64url');
  // Decoding is lenient, a session id is not: one session has one spelling.
  if (bytes.toString('base64url') !== id) return undefined;
  if (bytes.length <= 1 + ivSize + tagSize || bytes[0] !== formatVersion) return undefined;
  const iv = bytes.subarray(1, 1 + ivSize);
  const decipher = createDecipheriv(algorithm, key, iv, { authTagLength: tagSize });
  decipher.setAAD(boundTo(principal)).setAuthTag(bytes.subarray(-tagSize));
  try {
    const sealed = decipher.update(bytes.subarray(1 + ivSize, -tagSize));
    const text = inflateRawSync(Buffer.concat([sealed, decipher.final()])).toString();
    // What opens was written by sealSession in this format: no second validation.
    const state = JSON.parse(text) as SessionState;
    return { key: iv.toString('base64url'), state } satisfies OpenSession;
  } catch {
    return undefined;
  }
}

const boundTo = (principal: string): Buffer =>
  Buffer.from(`mcpx session ${formatVersion} ${principal}`);

const sessionsMax = 10_000;

/** Sealing, with the opened ones remembered: most calls repeat an id. */
export class Sessions {
  readonly #opened = new BoundedMap<string, OpenSession>(sessionsMax);
  /** Ended here; a replica that did not hear of it finds the upstream sessions gone. */
  readonly #ended = new BoundedMap<string, true>(sessionsMax);

  constructor(private readonly key: Buffer) {}

  seal(state: SessionState): string {
    return sealSession(this.key, state, anonymous);
  }

  open(id: string): OpenSession | undefined {
    const session = this.#opened.get(id) ?? unsealSession(this.key, id, anonymous);
    if (session === undefined || this.#ended.get(session.key)) return undefined;
    this.#opened.set(id, session);
    return session;
  }

  end({ key }: OpenSession): void {
    this.#ended.set(key, true);
  }
}
