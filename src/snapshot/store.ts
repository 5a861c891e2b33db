/**
 * The last good snapshot, kept on disk: a control plane that starts while its
 * registries are away serves what it served before, and says it is stale.
 */
import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { z } from 'zod';
import { reasonOf } from '../errors.js';
import type { Log } from '../log.js';
import { buildSnapshot, resourceKinds, type EncodedResources, type Snapshot } from './snapshot.js';

/** Raised whenever files written before can no longer be served. */
const format = 1;

const stored = z.array(z.tuple([z.string(), z.string()]));
const schema = z.object({
  format: z.literal(format),
  version: z.string(),
  resources: z.object({ cluster: stored, endpoint: stored, listener: stored, route: stored }),
});

export class SnapshotStore {
  readonly #file: string;
  #next: Snapshot | undefined;
  #writing: Promise<void> | undefined;

  constructor(
    folder: string,
    private readonly log: Log,
  ) {
    this.#file = path.join(folder, 'last_good.json');
  }

  /** What was kept, or undefined: nothing was, or it cannot be used and the log says why. */
  async load(): Promise<Snapshot | undefined> {
    const text = await this.#read();
    if (text === undefined) return undefined;
    try {
      return revive(text);
    } catch (error) {
      this.log.warn(
        { file: this.#file, reason: reasonOf(error) },
        'the last good snapshot cannot be used and is ignored; it is written anew',
      );
      return undefined;
    }
  }

  /** Resolves when this snapshot, or a newer one, is on disk, or the log says why not. */
  save(snapshot: Snapshot): Promise<void> {
    this.#next = snapshot;
    this.#writing ??= this.#write();
    return this.#writing;
  }

  async #write(): Promise<void> {
    while (this.#next) {
      const snapshot = this.#next;
      this.#next = undefined;
      try {
        await mkdir(path.dirname(this.#file), { recursive: true });
        await writeFileAtomic(this.#file, preserve(snapshot), { mode: 0o600 });
      } catch (error) {
        this.log.warn(
          { file: this.#file, reason: reasonOf(error) },
          'the last good snapshot could not be kept',
        );
      }
    }
    this.#writing = undefined;
  }

  async #read(): Promise<string | undefined> {
    try {
      return await readFile(this.#file, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
        this.log.warn({ file: this.#file, reason: reasonOf(error) }, 'cannot read the last good');
      return undefined;
    }
  }
}

function preserve({ version, resources }: Snapshot): string {
  const all = resourceKinds.map((kind) => [
    kind,
    [...resources[kind].values()].map(({ name, bytes }) => [name, bytes.toString('base64')]),
  ]);
  return JSON.stringify({ format, version, resources: Object.fromEntries(all) as unknown });
}

/** Versions are hashes of the bytes, so building anew proves that the file is whole. */
function revive(text: string): Snapshot {
  const { version, resources } = schema.parse(JSON.parse(text));
  const decodeAll = (entries: z.infer<typeof stored>) =>
    entries.map(([name, base64]) => ({ name, bytes: Buffer.from(base64, 'base64') }));
  const encoded: EncodedResources = {
    cluster: decodeAll(resources.cluster),
    endpoint: decodeAll(resources.endpoint),
    listener: decodeAll(resources.listener),
    route: decodeAll(resources.route),
  };
  const snapshot = buildSnapshot(encoded);
  if (snapshot.version !== version) throw new Error('its content does not match its version');
  return snapshot;
}
