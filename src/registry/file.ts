/** The embedded registry: one YAML file that is the user's, watched, and written atomically. */
import { mkdir, readFile } from 'node:fs/promises';
import { basename, dirname, join, parse as parsePath } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { watch, type FSWatcher } from 'chokidar';
import writeFileAtomic from 'write-file-atomic';
import { failed, problem, reasonOf, succeeded } from '../errors.js';
import type { Outcome, Problem } from '../errors.js';
import type { Registration } from '../fleet/fleet.js';
import type { RolloutDocument } from '../fleet/rollout.js';
import type { Log } from '../log.js';
import type { Identity } from '../identity_on.js';
import { Assembly } from './assembly.js';
import { Coalesced } from './coalesced.js';
import { decodeRegistration } from './decode.js';
import { LastGood, nothingSettled, type Entry, type Settled } from './last_good.js';
import { changedMeanwhile, notFound } from './refusals.js';
import type {
  Registry,
  RegistrationDocument,
  RegistryListener,
  Report,
  Written,
} from './registry.js';
import { Reporter } from './reporter.js';
import { documentsIn, isStill, rolloutEntry, textOfRollout, withDocument } from './rollouts.js';
import { spentIn } from './spent.js';
import { nameOf, readServices, withoutService, withService } from './services_yaml.js';

interface FileRegistryOptions {
  /** Absolute path of `services.yaml`; it need not exist. */
  readonly path: string;
  readonly allowedTargets: readonly string[];
  readonly identity?: Identity;
  readonly log: Log;
}

export function createFileRegistry(options: FileRegistryOptions): Registry {
  return new FileRegistry(options);
}

/** Network folders give no events, and a folder that is made anew is not followed. */
const rereadMs = 2_000;
/** How long a file that lost text must stay the same to be believed. */
const shrunkMs = 50;
const writeAttempts = 3;

const emptyReport: Report = {
  source: 'file',
  registrations: [],
  policies: new Map(),
  rollouts: new Map(),
  problems: [],
};

/**
 * Beside `services.yaml`, which is the user's: what MCPX itself writes does not belong in it.
 * Another file in the folder, such as `services.staging.yaml`, has `rollouts.staging.json`.
 */
function beside(services: string, what: 'rollouts' | 'spent'): string {
  const { dir, name } = parsePath(services);
  const own = name.replace(/^services(\.|$)/, '');
  return join(dir, own === '' ? `${what}.json` : `${what}.${own}.json`);
}

class FileRegistry implements Registry {
  readonly source = 'file';
  readonly #instances = new LastGood<Registration>();
  readonly #rollouts = new LastGood<RolloutDocument>();
  readonly #rolloutsPath: string;
  readonly #assembly = new Assembly(this.source);
  readonly #reader = new Coalesced(() => this.#read());
  #reporter: Reporter | undefined;
  #watcher: FSWatcher | undefined;
  #reread: NodeJS.Timeout | undefined;
  #text: string | undefined;
  #rolloutsText: string | undefined;
  #listed: Settled<Registration> = nothingSettled;
  #steered: Settled<RolloutDocument> = nothingSettled;
  #report = emptyReport;
  #writing: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(private readonly options: FileRegistryOptions) {
    this.#rolloutsPath = beside(options.path, 'rollouts');
  }

  watch(listener: RegistryListener): void {
    this.#reporter = new Reporter(this.source, listener);
    void this.#watchFolder();
    this.#reread = setInterval(() => this.#reader.request(), rereadMs);
    this.#reader.request();
  }

  async put(document: RegistrationDocument): Promise<Outcome<Written>> {
    const { allowedTargets, identity, path } = this.options;
    const context = { source: this.source, allowedTargets, identity } as const;
    const decoded = decodeRegistration(document, context);
    if (!decoded.ok) return decoded;
    const { value: registration, warnings } = decoded.value;
    const edited = await this.#edit(path, (text) => withService(text, document, path));
    if (!edited.ok) return edited;
    return succeeded({ registration, change: edited.value.change, warnings });
  }

  async remove(service: string, instance?: string): Promise<Outcome<readonly string[]>> {
    const { path } = this.options;
    const edited = await this.#edit(path, (text) => {
      const next = withoutService(text, { service, instance }, path);
      return next.ok && next.value.removed.length === 0
        ? failed(notFound({ source: this.source, service, instance }))
        : next;
    });
    return edited.ok ? succeeded(edited.value.removed) : edited;
  }

  async keepRollout(
    next: RolloutDocument,
    expected: RolloutDocument | undefined,
  ): Promise<Outcome<void>> {
    const { service } = next.current;
    const path = this.#rolloutsPath;
    const edited = await this.#edit(path, (text) => {
      const documents = documentsIn(text, path);
      if (!documents.ok) return documents;
      return isStill(documents.value.get(service), expected)
        ? succeeded({ text: withDocument(documents.value, service, textOfRollout(next)) })
        : failed(changedMeanwhile({ source: this.source, service }));
    });
    return edited.ok ? succeeded(undefined) : edited;
  }

  async spend(nonce: string, until: number): Promise<Outcome<boolean>> {
    const path = beside(this.options.path, 'spent');
    const edited = await this.#edit<{ text: string; first: boolean }>(path, (text) => {
      const spent = spentIn(text, path, Date.now());
      if (!spent.ok) return spent;
      const first = !spent.value.has(nonce);
      if (!first) return succeeded({ text, first });
      const next = Object.fromEntries(spent.value.set(nonce, until));
      return succeeded({ text: `${JSON.stringify(next, undefined, 2)}\n`, first });
    });
    return edited.ok ? succeeded(edited.value.first) : edited;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#reread);
    await this.#watcher?.close();
    await this.#reader.settled();
    await this.#writing;
  }

  async #watchFolder(): Promise<void> {
    const { path, log } = this.options;
    const folder = dirname(path);
    await mkdir(folder, { recursive: true }).catch(() => undefined);
    if (this.#closed) return;
    // A Kubernetes ConfigMap changes by swapping the link `..data` beside the file.
    const names = [basename(path), basename(this.#rolloutsPath), '..data'];
    this.#watcher = watch(folder, {
      depth: 0,
      ignoreInitial: true,
      ignored: (changed) => changed !== folder && !names.includes(basename(changed)),
    })
      // Not `change`, which leaves out what follows another change within 5 ms.
      .on('raw', () => this.#reader.request())
      .on('all', () => this.#reader.request())
      // What changed between the first reading and now gave no event.
      .on('ready', () => this.#reader.request())
      .on('error', (error) => log.warn({ path, reason: reasonOf(error) }, 'file watch failed'));
  }

  async #read(): Promise<void> {
    if (this.#closed) return;
    try {
      this.#take(await this.#believableText(), await textOf(this.#rolloutsPath));
    } catch (error) {
      const { path = this.options.path } = error as NodeJS.ErrnoException;
      const message = `${path} cannot be read: ${reasonOf(error)}. What it held before stays.`;
      this.#lost(problem('registry_unreadable', { source: this.source, path }, message));
    }
  }

  /**
   * The file's text; '' when there is no file. Who overwrites a file in place
   * empties it first, so a text that got shorter counts once it stays the same.
   */
  async #believableText(): Promise<string> {
    const { path } = this.options;
    let text = await textOf(path);
    while (text.length < (this.#text ?? '').length && !this.#closed) {
      await delay(shrunkMs);
      const again = await textOf(path);
      if (again === text) break;
      text = again;
    }
    return text;
  }

  #take(text: string, rollouts: string): void {
    const problems = [...this.#takeServices(text), ...this.#takeRollouts(rollouts)];
    const report = this.#assembly.report({
      instances: [this.#listed],
      rollouts: this.#steered,
    });
    this.#report = report;
    if (problems.length > 0) {
      this.#lost(...problems);
      return;
    }
    this.#reporter?.report(report);
    this.#reporter?.hearing({ state: 'heard' });
  }

  /** Each file by itself: a mistake in one keeps back nothing of the other. */
  #takeServices(text: string): readonly Problem[] {
    if (text === this.#text) return [];
    const services = readServices(text, this.options.path);
    if (!services.ok) return services.problems;
    this.#text = text;
    this.#listed = this.#instances.settle(this.#entries(services.value));
    return [];
  }

  #takeRollouts(text: string): readonly Problem[] {
    if (text === this.#rolloutsText) return [];
    const documents = documentsIn(text, this.#rolloutsPath);
    if (!documents.ok) return documents.problems;
    this.#rolloutsText = text;
    this.#steered = this.#rollouts.settle(this.#rolloutEntries(documents.value));
    return [];
  }

  #lost(...problems: readonly Problem[]): void {
    const reason = problems.map(({ message }) => message).join(' ');
    this.#reporter?.hearing({ state: 'lost', reason });
    this.#reporter?.report({
      ...this.#report,
      problems: [...this.#report.problems, ...problems],
    });
  }

  #rolloutEntries(documents: ReadonlyMap<string, string>): Entry<RolloutDocument>[] {
    return [...documents].map(([service, text]) =>
      rolloutEntry({ service, text, source: this.source }),
    );
  }

  #entries(documents: readonly unknown[]): Entry<Registration>[] {
    const seen = new Map<string, number>();
    return documents.map((document, index) => {
      const { service, instance } = nameOf(document);
      const name = `${service ?? ''}/${instance ?? ''}`;
      const count = (seen.get(name) ?? 0) + 1;
      seen.set(name, count);
      return {
        key: `${name}/${count}`,
        fingerprint: `${index} ${JSON.stringify(document)}`,
        decode: () =>
          decodeRegistration(document, {
            source: this.source,
            allowedTargets: this.options.allowedTargets,
            identity: this.options.identity,
            at: `services[${index}]`,
          }),
        isHeirOf: (good) => (instance === undefined ? good.name === service : good.id === instance),
      };
    });
  }

  /** One edit after the other; applied anew when somebody else wrote the file meanwhile. */
  async #edit<T extends { readonly text: string }>(
    path: string,
    change: (text: string) => Outcome<T>,
  ): Promise<Outcome<T>> {
    const turn = this.#writing.then(() => this.#editNow(path, change));
    this.#writing = turn;
    return turn;
  }

  async #editNow<T extends { readonly text: string }>(
    path: string,
    change: (text: string) => Outcome<T>,
  ): Promise<Outcome<T>> {
    const subject = { source: this.source, path };
    try {
      for (let attempt = 0; attempt < writeAttempts; attempt++) {
        const before = await textOf(path);
        const edited = change(before);
        if (!edited.ok) return edited;
        if ((await textOf(path)) !== before) continue;
        if (edited.value.text === before) return edited;
        await mkdir(dirname(path), { recursive: true });
        await writeFileAtomic(path, edited.value.text);
        this.#text = undefined;
        this.#reader.request();
        return edited;
      }
      const message = `Somebody else keeps writing ${path}; nothing was changed, try again.`;
      return failed(problem('write_conflict', subject, message));
    } catch (error) {
      const message = `${path} cannot be written: ${reasonOf(error)}.`;
      return failed(problem('registry_unreachable', subject, message));
    }
  }
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
