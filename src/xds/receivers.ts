/** What is sent to the port of xDS beside its streams: single messages, bytes in and out. */
import { status, type sendUnaryData, type Server, type ServerUnaryCall } from '@grpc/grpc-js';
import { issuedAt } from '../certificates/renewal.js';
import type { Clock } from '../clock.js';
import { reasonOf, type Outcome, type ProblemCode } from '../errors.js';
import type { Log } from '../log.js';
import type { Metrics } from '../metrics.js';
import { objectionToCall, spiffeIdIn, type IdentityPolicy, type Peer } from './identity.js';

/** Who calls. */
export interface Caller {
  readonly address: string;
  /** Whoever the client's certificate names; undefined without TLS, or without a certificate. */
  readonly peer: Peer | undefined;
}

export interface Receiver {
  /** `/package.Service/Method`. */
  readonly path: string;
  /** anybody: the message itself says who may send it; edges alone unless said. */
  readonly from?: 'anybody';
  /** Throws when the bytes are not what they ought to be. */
  readonly answer: (bytes: Buffer, caller: Caller) => Buffer | Promise<Outcome<Buffer>>;
}

interface Door {
  readonly identity: IdentityPolicy;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Log;
}

type Call = Pick<ServerUnaryCall<Buffer, Buffer>, 'getAuthContext' | 'getPeer'>;

export function addReceivers(server: Server, receivers: readonly Receiver[], door: Door): void {
  const pass = (bytes: Buffer) => bytes;
  for (const receiver of receivers) {
    const { path } = receiver;
    const method = {
      ...{ path, requestStream: false, responseStream: false },
      ...{ requestSerialize: pass, requestDeserialize: pass },
      ...{ responseSerialize: pass, responseDeserialize: pass },
    };
    const receive = (call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>): void => {
      const refused = refusal(receiver, call, door);
      if (refused !== undefined) done({ code: status.PERMISSION_DENIED, details: refused });
      else void answer(receiver, call).then(({ error, bytes }) => done(error ?? null, bytes));
    };
    server.addService({ receive: method }, { receive });
  }
}

function refusal({ path, from }: Receiver, call: Call, door: Door): string | undefined {
  if (from === 'anybody') return undefined;
  const reason = objectionToCall(door.identity, peerOf(call), door.clock.now());
  if (reason === undefined) return undefined;
  door.metrics.refusedStreams.inc({ reason: 'identity' });
  door.log.warn({ address: call.getPeer(), path, reason }, 'refused a call on the port of xDS');
  return reason;
}

const codes: Partial<Record<ProblemCode, status>> = {
  identity_refused: status.PERMISSION_DENIED,
  request_invalid: status.INVALID_ARGUMENT,
};

async function answer({ answer }: Receiver, call: ServerUnaryCall<Buffer, Buffer>) {
  try {
    const given = await answer(call.request, { address: call.getPeer(), peer: peerOf(call) });
    if (Buffer.isBuffer(given)) return { bytes: given };
    if (given.ok) return { bytes: given.value };
    const [{ code } = { code: undefined }] = given.problems;
    const details = given.problems.map(({ message }) => message).join(' ');
    // What is not wrong with the request may go well at another replica, or later.
    return { error: { code: (code && codes[code]) ?? status.UNAVAILABLE, details } };
  } catch (error) {
    return { error: { code: status.INVALID_ARGUMENT, details: reasonOf(error) } };
  }
}

/** Whoever the client's certificate names; TLS has checked that it is one of ours. */
export function peerOf(call: Pick<Call, 'getAuthContext'>): Peer | undefined {
  const certificate = call.getAuthContext().sslPeerCertificate;
  if (!certificate) return undefined;
  const { subjectaltname, valid_from, valid_to } = certificate;
  const times = { notBefore: Date.parse(valid_from), expiresAt: Date.parse(valid_to) };
  return { id: spiffeIdIn(subjectaltname), issuedAt: issuedAt(times), ...times };
}
