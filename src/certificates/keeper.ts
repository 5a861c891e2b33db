/**
 * Holds the certificates that somebody needs: asks the issuer for each, renews
 * it well before half its life is over, and keeps the last good one until it ends.
 */
import type { Clock } from '../clock.js';
import { problem, reasonOf, type Outcome, type Problem } from '../errors.js';
import { Latest } from '../latest.js';
import type { Log } from '../log.js';
import type { Metrics } from '../metrics.js';
import { everyBeat, type Beat } from './beat.js';
import type { Certificate, Issuer } from './certificate.js';
import type { Material } from './material.js';
import { lateAt, renewAt, retryMs } from './renewal.js';

export interface CertificatesOptions {
  readonly issuer: Issuer;
  readonly clock: Clock;
  readonly metrics: Pick<Metrics, 'certificateExpires' | 'certificateFailures'>;
  readonly log: Log;
  readonly beat?: Beat;
  /** From 0 to 1, for the jitter. */
  readonly random?: () => number;
}

interface Entry {
  wants: number;
  certificate?: Certificate | undefined;
  nextAt: number;
  failures: number;
  failure?: string | undefined;
  /** The question under way. */
  asked?: Question | undefined;
}

interface Question {
  readonly at: number;
  /** What it asks for was outdated meanwhile. */
  again: boolean;
}

/** At once; further ones wait for an answer. */
const askedMax = 16;
/** An issuer that is silent for so long has failed. */
const silentMs = 30_000;
/** Where the issuer itself decides when there is a new one. */
const unchangedMs = 60_000;

export class Certificates {
  /** Its roots are empty until they are known. */
  readonly material: Latest<Material>;
  readonly #entries = new Map<string, Entry>();
  readonly #stop: () => void;
  readonly #random: () => number;
  #roots = '';
  #publishing = false;
  #closed = false;

  constructor(private readonly options: CertificatesOptions) {
    const { issuer, metrics, beat = everyBeat, random = Math.random } = options;
    this.#random = random;
    metrics.certificateFailures.inc({ issuer: issuer.kind }, 0);
    issuer.watchRoots((roots) => {
      this.#roots = roots;
      this.#publish();
    });
    this.material = new Latest(this.#present());
    issuer.watchRenewals((workload) => this.#outdated(workload));
    this.#stop = beat(() => this.#look());
  }

  /** Until the returned function is called. */
  want(workload: string): () => void {
    const entry = this.#entries.get(workload) ?? { wants: 0, nextAt: 0, failures: 0 };
    this.#entries.set(workload, entry);
    entry.wants += 1;
    this.#look();
    let released = false;
    return () => {
      if (!released) entry.wants -= 1;
      released = true;
    };
  }

  problems(): readonly Problem[] {
    const own = [...this.#entries].flatMap(([workload, entry]) => {
      const message = entry.wants > 0 ? this.#objection(workload, entry) : undefined;
      if (message === undefined) return [];
      return [problem('certificate_unavailable', { service: workload }, message)];
    });
    return [...(this.options.issuer.problems?.() ?? []), ...own];
  }

  /** Does not close the issuer. */
  close(): void {
    this.#closed = true;
    this.#stop();
  }

  #look(): void {
    if (this.#closed) return;
    const now = this.options.clock.now();
    let asked = 0;
    for (const [workload, entry] of this.#entries) {
      if (entry.asked && now - entry.asked.at > silentMs)
        this.#failed(workload, entry, `it has not answered for ${silentMs / 1_000} s`);
      if (entry.certificate && entry.certificate.expiresAt <= now) this.#ended(entry);
      if (entry.asked) asked += 1;
    }
    for (const [workload, entry] of this.#entries) {
      if (entry.asked || entry.nextAt > now) continue;
      if (entry.wants === 0) this.#drop(workload);
      else if (asked < askedMax) {
        asked += 1;
        void this.#ask(workload, entry);
      }
    }
  }

  async #ask(workload: string, entry: Entry): Promise<void> {
    const { issuer, clock } = this.options;
    const question: Question = { at: clock.now(), again: false };
    entry.asked = question;
    const answer = await this.#answer(issuer.issue(workload));
    if (this.#closed || entry.asked !== question) return;
    if (typeof answer === 'string') this.#failed(workload, entry, answer);
    else this.#succeeded(workload, entry, answer);
    if (question.again) entry.nextAt = 0;
    // One that waited may take its place.
    this.#look();
  }

  /** The certificate, or what speaks against it. */
  async #answer(asked: Promise<Outcome<Certificate>>): Promise<Certificate | string> {
    try {
      const outcome = await asked;
      if (!outcome.ok) return outcome.problems.map(({ message }) => message).join(' ');
      if (outcome.value.expiresAt > this.options.clock.now()) return outcome.value;
      return `what it gave has ended at ${instant(outcome.value.expiresAt)}`;
    } catch (error) {
      return reasonOf(error);
    }
  }

  #succeeded(workload: string, entry: Entry, certificate: Certificate): void {
    const { clock, metrics, log } = this.options;
    const isNew = certificate.chain !== entry.certificate?.chain;
    if (entry.failures > 0) log.info({ workload }, 'the certificate can be had again');
    entry.asked = undefined;
    entry.failures = 0;
    entry.failure = undefined;
    entry.nextAt = Math.max(
      renewAt(certificate, this.#random()),
      clock.now() + Math.min(unchangedMs, (certificate.expiresAt - clock.now()) / 20),
    );
    if (!isNew) return;
    entry.certificate = certificate;
    metrics.certificateExpires.set({ workload }, certificate.expiresAt / 1_000);
    this.#publish();
  }

  #failed(workload: string, entry: Entry, reason: string): void {
    const { issuer, clock, metrics, log } = this.options;
    const now = clock.now();
    entry.asked = undefined;
    entry.failures += 1;
    const leftMs = (entry.certificate?.expiresAt ?? now) - now;
    entry.nextAt = now + retryMs(entry.failures, leftMs, this.#random());
    metrics.certificateFailures.inc({ issuer: issuer.kind });
    if (entry.failure !== reason) log.warn({ workload, reason }, 'no certificate could be had');
    entry.failure = reason;
  }

  #ended(entry: Entry): void {
    entry.certificate = undefined;
    this.#publish();
  }

  #drop(workload: string): void {
    this.#entries.delete(workload);
    this.options.metrics.certificateExpires.remove({ workload });
    this.#publish();
  }

  #outdated(workload: string | undefined): void {
    for (const [name, entry] of this.#entries) {
      if (workload !== undefined && name !== workload) continue;
      entry.nextAt = 0;
      if (entry.asked) entry.asked.again = true;
    }
    this.#look();
  }

  #objection(workload: string, { certificate, failure }: Entry): string | undefined {
    const { issuer, clock } = this.options;
    const isLate = certificate && lateAt(certificate, issuer.kind) <= clock.now();
    const reason = failure ?? (isLate ? 'there is no newer one' : undefined);
    if (reason === undefined) return undefined;
    const what = `The certificate of ${workload} cannot be ${certificate ? 'renewed' : 'had'}`;
    const rest = certificate
      ? `The one there is holds until ${instant(certificate.expiresAt)}`
      : 'Until there is one, nobody can reach it or be reached by it';
    return `${what} from the issuer (${issuer.kind}): ${reason.replace(/\.$/, '')}. ${rest}.`;
  }

  /** Soon: what comes together is seen together. */
  #publish(): void {
    if (this.#publishing) return;
    this.#publishing = true;
    setImmediate(() => {
      this.#publishing = false;
      if (!this.#closed) this.material.set(this.#present());
    });
  }

  #present(): Material {
    const { issuer } = this.options;
    const certificates = [...this.#entries].flatMap(([workload, { certificate }]) =>
      certificate ? [[workload, certificate] as const] : [],
    );
    return {
      roots: this.#roots,
      certificates: new Map(certificates),
      spiffeIdOf: (workload) => issuer.spiffeIdOf(workload),
    };
  }
}

const instant = (at: number): string => new Date(at).toISOString();
