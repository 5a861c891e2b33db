/**
 * Certificates from a watched folder, for whoever has a tool that writes them:
 * `NAME.pem` (the leaf first), `NAME-key.pem`, and `roots.pem`. What does not fit
 * together is said, and what was read before stays with whoever holds it.
 */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { watch } from 'chokidar';
import { systemClock, type Clock } from '../clock.js';
import { failed, problem, reasonOf, succeeded, type Outcome, type Problem } from '../errors.js';
import type { Log } from '../log.js';
import type { Certificate, Issuer } from './certificate.js';
import { certificateIn, rootsIn, type Pair } from './files_read.js';

export interface FilesIssuerOptions {
  readonly folder: string;
  readonly trustDomain: string;
  readonly log: Log;
  readonly clock?: Clock;
}

export function createFilesIssuer(options: FilesIssuerOptions): Issuer {
  return new FilesIssuer(options);
}

/** Network folders give no events. */
const lookMs = 2_000;
/** Two files are never written at once. */
const settleMs = 100;
/** Others would be no file of this folder. */
const fileName = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/;

class FilesIssuer implements Issuer {
  readonly kind = 'files';
  readonly #watcher;
  readonly #timer;
  readonly #clock: Clock;
  /** File → what it looked like; of those that somebody asked for. */
  readonly #looks = new Map<string, string>();
  readonly #rootsSeen: ((roots: string) => void)[] = [];
  readonly #renewalsSeen: ((workload: string | undefined) => void)[] = [];
  #roots: string | undefined;
  #problems: readonly Problem[] = [];
  #looking: Promise<void>;
  #closed = false;

  constructor(private readonly options: FilesIssuerOptions) {
    this.#clock = options.clock ?? systemClock;
    this.#watcher = watch(options.folder, { depth: 0, ignoreInitial: true });
    this.#watcher.on('all', () => this.#look());
    this.#watcher.on('error', (error) => {
      options.log.warn({ reason: reasonOf(error) }, 'the folder of certificates is not watched');
    });
    this.#timer = setInterval(() => this.#look(), lookMs).unref();
    this.#looking = this.#readRoots();
  }

  spiffeIdOf(workload: string): string {
    return `spiffe://${this.options.trustDomain}/${workload}`;
  }

  async issue(workload: string): Promise<Outcome<Certificate>> {
    await this.#looking;
    const files = filesOf(workload);
    if (!fileName.test(workload)) return refused(workload, `${workload} is no name of a file`);
    for (const file of files) this.#looks.set(file, await this.#lookOf(file));
    const first = await this.#read(workload);
    if (typeof first !== 'string') return succeeded(first);
    await delay(settleMs);
    const again = await this.#read(workload);
    return typeof again === 'string' ? refused(workload, again) : succeeded(again);
  }

  watchRoots(seen: (roots: string) => void): void {
    this.#rootsSeen.push(seen);
    if (this.#roots !== undefined) seen(this.#roots);
  }

  watchRenewals(seen: (workload: string | undefined) => void): void {
    this.#renewalsSeen.push(seen);
  }

  problems(): readonly Problem[] {
    return this.#problems;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    await this.#watcher.close();
    await this.#looking;
  }

  async #read(workload: string): Promise<Certificate | string> {
    const [chain, key] = filesOf(workload);
    try {
      const pair: Pair = {
        ...{ folder: this.options.folder, files: [chain, key] },
        chain: await this.#text(chain),
        key: await this.#text(key),
      };
      const wanted = { spiffeId: this.spiffeIdOf(workload), roots: this.#roots ?? '' };
      return certificateIn(pair, wanted, this.#clock.now());
    } catch (error) {
      return `it cannot be read: ${reasonOf(error)}`;
    }
  }

  #look(): void {
    if (this.#closed) return;
    this.#looking = this.#looking.then(() => this.#lookNow());
  }

  async #lookNow(): Promise<void> {
    if (this.#closed) return;
    await this.#readRoots();
    const changed = new Set<string>();
    for (const [file, before] of this.#looks) {
      const now = await this.#lookOf(file);
      if (now !== before) changed.add(file.replace(/(-key)?\.pem$/, ''));
      this.#looks.set(file, now);
    }
    for (const workload of changed) this.#tellRenewal(workload);
  }

  async #readRoots(): Promise<void> {
    const text = await this.#text('roots.pem').catch(() => '');
    const roots = rootsIn(text, this.#clock.now());
    this.#problems = roots === undefined ? [this.#noRoots()] : [];
    if (roots === undefined || roots === this.#roots || this.#closed) return;
    this.#roots = roots;
    for (const seen of this.#rootsSeen) seen(roots);
    // One that led nowhere may do so now, and the other way round.
    this.#tellRenewal(undefined);
  }

  #noRoots(): Problem {
    const stays = this.#roots === undefined ? 'nobody is trusted yet' : 'the last good ones stay';
    const message =
      `${join(this.options.folder, 'roots.pem')} holds no self-signed certificate in PEM that ` +
      `is valid now, so ${stays}. Write it anew.`;
    return problem('certificate_unavailable', {}, message);
  }

  #tellRenewal(workload: string | undefined): void {
    for (const seen of this.#renewalsSeen) seen(workload);
  }

  #text(file: string): Promise<string> {
    return readFile(join(this.options.folder, file), 'utf8');
  }

  #lookOf(file: string): Promise<string> {
    return stat(join(this.options.folder, file)).then(
      ({ ino, mtimeMs, size }) => `${ino} ${mtimeMs} ${size}`,
      () => 'absent',
    );
  }
}

const filesOf = (workload: string): readonly [string, string] => [
  `${workload}.pem`,
  `${workload}-key.pem`,
];

function refused(workload: string, reason: string): Outcome<never> {
  return failed(problem('certificate_unavailable', { service: workload }, `${reason}.`));
}
