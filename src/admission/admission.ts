/**
 * Lets parts of MCPX on other machines in. Whoever has a join token gets its
 * first certificate for it; whoever has a certificate gets one that says the
 * same. Who they are never comes from what they ask for.
 */
import type { Authority, Signed } from '../certificates/authority.js';
import { revocationOf, type Revoked } from '../certificates/revoked.js';
import type { Clock } from '../clock.js';
import { failed, problem, succeeded, type Outcome, type Problem } from '../errors.js';
import type { Log } from '../log.js';
import type { Metrics } from '../metrics.js';
import { admissionService } from '../protos.js';
import type { Peer } from '../xds/identity.js';
import { tokenPurpose } from './join_tokens.js';
import { SigningPace } from './pace.js';
import { checkToken, type Claims } from './token.js';

interface AdmissionParts {
  readonly authority: Pick<Authority, 'roots' | 'secretFor' | 'signRequest' | 'trustDomain'>;
  /** At all replicas together, true once. Problems: `registry_unreachable`. */
  readonly spend: (nonce: string, until: number) => Promise<Outcome<boolean>>;
  /** Whom nothing is renewed. */
  readonly revoked?: Revoked | undefined;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: Log;
}

interface Caller {
  readonly address: string;
  readonly peer: Peer | undefined;
}

interface Served extends AdmissionParts {
  readonly pace: SigningPace;
}

/** How a request ends, as the metric counts it. */
const endings = [
  ...(['joined', 'renewed', 'unreadable', 'forged', 'expired', 'replayed'] as const),
  ...(['revoked', 'postponed', 'failed'] as const),
] as const;

type Ending = (typeof endings)[number];

/** Much more than a token and a request. */
const bytesMax = 16 * 1024;

/** To be served as unary calls: bytes in, bytes out. */
export function admissionReceivers(given: AdmissionParts) {
  const parts = { ...given, pace: new SigningPace(given.clock) };
  const { Join, Renew } = admissionService();
  for (const outcome of endings) parts.metrics.admissions.inc({ outcome }, 0);
  return [
    {
      path: Join.path,
      from: 'anybody' as const,
      answer: async (bytes: Buffer, caller: Caller): Promise<Outcome<Buffer>> => {
        const { token = '', request = '' } = Join.requestDeserialize(bounded(bytes));
        return join(parts, { token, request }, caller);
      },
    },
    {
      path: Renew.path,
      // It looks at the certificate itself: sidecars renew theirs too.
      from: 'anybody' as const,
      answer: async (bytes: Buffer, caller: Caller): Promise<Outcome<Buffer>> =>
        renew(parts, Renew.requestDeserialize(bounded(bytes)).request ?? '', caller),
    },
  ];
}

function bounded(bytes: Buffer): Buffer {
  if (bytes.length <= bytesMax) return bytes;
  throw new Error(`a request for admission has at most ${bytesMax} bytes`);
}

interface Joining {
  readonly token: string;
  readonly request: string;
}

async function join(
  parts: Served,
  { token, request }: Joining,
  { address }: Caller,
): Promise<Outcome<Buffer>> {
  const { authority, clock } = parts;
  const secretFor = (root: string) => authority.secretFor(tokenPurpose, root);
  const checked = checkToken(token, secretFor, clock.now());
  if (checked.kind === 'unreadable' || checked.kind === 'forged')
    return refuse(parts, { address, ending: checked.kind, message: words[checked.kind] });
  const { id, expiresAt, nonce } = checked.claims;
  if (checked.kind === 'expired')
    return refuse(parts, { address, id, ending: 'expired', message: expiredWords(checked.claims) });
  if (!parts.pace.allows(`${id} that joins`)) return postpone(parts, { address, id });
  // Before it is spent: a request that cannot be signed must not use the token up.
  const signed = await authority.signRequest(request, id);
  if (!signed.ok) return fail(parts, { address, id }, signed.problems);
  const first = await parts.spend(nonce, expiresAt);
  if (!first.ok) return fail(parts, { address, id }, first.problems);
  if (!first.value)
    return refuse(parts, { address, id, ending: 'replayed', message: words.replayed });
  return admit(parts, { address, id, ending: 'joined' }, signed.value);
}

async function renew(
  parts: Served,
  request: string,
  { address, peer }: Caller,
): Promise<Outcome<Buffer>> {
  const { authority, clock } = parts;
  const id = peer?.id;
  if (peer && peer.expiresAt <= clock.now())
    return refuse(parts, { address, id, ending: 'expired', message: words.ended });
  if (id === undefined || !isRenewable(id, authority.trustDomain))
    return refuse(parts, { address, id, ending: 'forged', message: words.nobody });
  const revoked = peer && parts.revoked && revocationOf(parts.revoked, peer);
  if (revoked !== undefined)
    return refuse(parts, {
      address,
      id,
      ending: 'revoked',
      message: `Of certificates ${revoked}.`,
    });
  if (!parts.pace.allows(id)) return postpone(parts, { address, id });
  const signed = await authority.signRequest(request, id);
  if (!signed.ok) return fail(parts, { address, id }, signed.problems);
  return admit(parts, { address, id, ending: 'renewed' }, signed.value);
}

/** Nodes renew by themselves; people and the control plane do not come by here. */
function isRenewable(id: string, trustDomain: string): boolean {
  const start = `spiffe://${trustDomain}/`;
  const workload = id.startsWith(start) ? id.slice(start.length) : '';
  return workload !== '' && !workload.includes('/') && workload !== 'control-plane';
}

interface Answered {
  readonly address: string;
  readonly id?: string | undefined;
  readonly ending: Ending;
}

function admit(
  { authority, metrics, log }: AdmissionParts,
  { address, id, ending }: Answered,
  { chain, expiresAt }: Signed,
): Outcome<Buffer> {
  metrics.admissions.inc({ outcome: ending });
  const until = new Date(expiresAt).toISOString();
  log.info({ address, id, until }, ending === 'joined' ? 'admitted' : 'certificate renewed');
  const { Join } = admissionService();
  return succeeded(Join.responseSerialize({ chain, roots: authority.roots.value }));
}

function refuse(
  { metrics, log }: AdmissionParts,
  { address, id, ending, message }: Answered & { readonly message: string },
): Outcome<never> {
  metrics.admissions.inc({ outcome: ending });
  log.warn({ address, id, reason: message }, 'refused to admit somebody');
  return failed(problem('identity_refused', {}, message));
}

/** Many at once are no news each, and whoever meant it comes again. */
function postpone(
  { metrics, log }: AdmissionParts,
  about: { readonly address: string; readonly id: string },
): Outcome<never> {
  metrics.admissions.inc({ outcome: 'postponed' });
  log.debug(about, 'postponed to sign: too many for this identity at once');
  return failed(problem('certificate_unavailable', {}, words.postponed));
}

function fail(
  { metrics, log }: AdmissionParts,
  { address, id }: { readonly address: string; readonly id: string },
  problems: readonly Problem[],
): Outcome<never> {
  metrics.admissions.inc({ outcome: 'failed' });
  const reason = problems.map(({ message }) => message).join(' ');
  log.warn({ address, id, reason }, 'could not admit somebody');
  return failed(...problems);
}

const another = 'Print another one with `mcpx bootstrap`.';

const words = {
  unreadable: `This is no join token: it is one word that begins with mcpx1. ${another}`,
  forged: `The join token was not made by this control plane, or was changed. ${another}`,
  replayed:
    'The join token has been used already, and each is good for once. If that was not you, ' +
    `somebody else has it: find out who joined, by the control plane's log. ${another}`,
  ended: 'The certificate has ended and cannot be renewed any more: join again with a token.',
  postponed: 'Too many certificates are asked for as this identity at once: try again soon.',
  nobody:
    'Renewing takes the certificate of an edge or a sidecar, and none was shown: join with a ' +
    'token.',
} as const;

const expiredWords = ({ expiresAt }: Claims): string =>
  `The join token ended at ${new Date(expiresAt).toISOString()}. ${another}`;
