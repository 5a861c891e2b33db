/**
 * Who did what, from what to what, when, and who was refused: one line of JSON each
 * in a file of the data folder that is only ever appended to. A write is begun here
 * before it is made, and refused where that cannot be written; so a line that has no
 * end means that the process ended in between, never that nobody knows.
 */
import { createHash } from 'node:crypto';
import { mkdir, open, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '../clock.js';
import { failed, problem, reasonOf, succeeded, type Outcome } from '../errors.js';
import type { Log } from '../log.js';

/** What a write was about, and what it changed; JSON, without secrets. */
export interface Changed {
  readonly subject: Readonly<Record<string, string>>;
  readonly before: unknown;
  readonly after: unknown;
}

export interface AuditLine extends Partial<Changed> {
  /** ISO 8601. */
  readonly at: string;
  /** The same on the lines of one write: as it was begun, and as it ended. */
  readonly id: string;
  readonly who: string;
  readonly role: string;
  /** The address of the other end, as the connection has it. */
  readonly from: string;
  /** Method and path. */
  readonly what: string;
  readonly outcome: 'begun' | 'done' | 'failed' | 'refused';
  /** Of the answer. */
  readonly status?: number;
  readonly reason?: string;
  /** Attempts refused before this one that were not written: too many in a minute. */
  readonly unwritten?: number;
}

export type Entry = Omit<AuditLine, 'at'>;

const lineBytesMax = 16_384;
/** Whoever is let in by nobody must not be able to fill the disk. */
const refusedPerMinute = 60;

export class AuditLog {
  #writing: Promise<unknown> = Promise.resolve();
  /** The file may end within a line: after a full disk, or a death in the middle. */
  #isTorn = true;
  #minute = 0;
  #refused = 0;
  #unwritten = 0;

  constructor(
    readonly path: string,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** Problems: `audit_unavailable`. */
  async write(entry: Entry): Promise<Outcome<void>> {
    const line = this.#lineOf(entry);
    const written = this.#writing.then(() => this.#append(line));
    this.#writing = written.catch(() => undefined);
    try {
      await written;
      return succeeded(undefined);
    } catch (error) {
      const reason = reasonOf(error);
      const { who, what, outcome } = entry;
      this.log.error({ who, what, outcome, reason }, 'the audit log cannot be written');
      const message =
        `The audit log ${this.path} cannot be written (${reason}), and nothing is changed ` +
        'without a line in it. Make room, or make it writable, and try again.';
      return failed(problem('audit_unavailable', {}, message));
    }
  }

  /** At most so many a minute; the next one that is written says how many were not. */
  async refused(entry: Entry): Promise<void> {
    const minute = Math.floor(this.clock.now() / 60_000);
    if (minute !== this.#minute) [this.#minute, this.#refused] = [minute, 0];
    if (++this.#refused > refusedPerMinute) {
      this.#unwritten++;
      return;
    }
    const unwritten = this.#unwritten;
    this.#unwritten = 0;
    await this.write(unwritten > 0 ? { ...entry, unwritten } : entry);
  }

  #lineOf(entry: Entry): string {
    const whole = { at: new Date(this.clock.now()).toISOString(), ...entry };
    const text = JSON.stringify(whole);
    if (Buffer.byteLength(text) <= lineBytesMax) return `${text}\n`;
    const { before, after } = whole;
    const brief = { ...whole, before: digestOf(before), after: digestOf(after) };
    return `${JSON.stringify({ ...brief, what: whole.what.slice(0, 2_000) })}\n`;
  }

  /** Opened for each line: what was moved away by rotation is not written to any more. */
  async #append(line: string): Promise<void> {
    const file = await this.#opened();
    try {
      const bytes = Buffer.from(this.#isTorn && !(await endsWell(file)) ? `\n${line}` : line);
      this.#isTorn = true;
      const { bytesWritten } = await file.write(bytes);
      if (bytesWritten < bytes.length) throw new Error('no space left for a whole line');
      this.#isTorn = false;
    } finally {
      await file.close();
    }
  }

  async #opened(): Promise<FileHandle> {
    const inPlace = () => open(this.path, 'a+', 0o600);
    try {
      return await inPlace();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      await mkdir(dirname(this.path), { recursive: true, mode: 0o700 });
      return inPlace();
    }
  }
}

async function endsWell(file: FileHandle): Promise<boolean> {
  const { size } = await file.stat();
  if (size === 0) return true;
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
  return buffer.toString() === '\n';
}

/** What is too large to be kept is still told apart. */
function digestOf(value: unknown): unknown {
  const text = JSON.stringify(value ?? null);
  if (text.length <= 1_000) return value;
  return { bytes: text.length, sha256: createHash('sha256').update(text).digest('hex') };
}
