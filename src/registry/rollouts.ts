/**
 * Rollouts as registries hold them: one JSON document for each service, checked
 * here because another replica, an older release or a person may have written it.
 */
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { failed, problem, reasonOf, succeeded } from '../errors.js';
import type { Outcome, Subject } from '../errors.js';
import type { SourceName } from '../fleet/fleet.js';
import type { RolloutDocument } from '../fleet/rollout.js';
import type { Entry } from './last_good.js';

/** Under which key the documents lie, by service. */
export const rolloutsFolder = 'rollouts/';

const phases = [
  ...(['running', 'paused', 'promoted', 'aborted'] as const),
  ...(['staged', 'switched', 'finished', 'rolled_back'] as const),
] as const;

const actions = [
  ...(['start', 'advance', 'pause', 'resume', 'promote', 'abort'] as const),
  ...(['stage', 'switch', 'rollback', 'finish', 'retire'] as const),
] as const;

const percent = z.number().min(0).max(100);
const moment = z.number().nonnegative();

// Loose: what a newer release wrote beside is written back, and compares as the same.
const rolloutSchema = z.looseObject({
  id: z.string().min(1),
  service: z.string().min(1),
  kind: z.enum(['canary', 'bluegreen']),
  from: z.string().min(1),
  to: z.string().min(1),
  phase: z.enum(phases),
  steps: z.array(percent).min(1),
  step: z.int().nonnegative(),
  stepSince: moment,
  everyMs: moment,
  drainMs: moment.optional(),
  limits: z
    .looseObject({
      maxErrorRate: z.number(),
      maxP99Increase: z.number(),
      minCalls: z.int().positive(),
    })
    .optional(),
  match: z.array(
    z.union([
      z.looseObject({ header: z.string(), value: z.string() }),
      z.looseObject({ principal: z.string() }),
    ]),
  ),
  mirror: percent,
  held: z
    .array(z.looseObject({ node: z.string(), refused: z.boolean(), by: z.string(), at: moment }))
    .optional(),
  events: z.array(
    z.looseObject({
      ...{ at: moment, who: z.string(), what: z.enum(actions) },
      ...{ from: z.enum(phases).optional(), to: z.enum(phases), share: percent, why: z.string() },
    }),
  ),
});

const documentSchema = z.looseObject({ current: rolloutSchema, earlier: z.array(rolloutSchema) });

interface Kept {
  /** What it lies under: the service. */
  readonly service: string;
  readonly text: string;
  readonly source: SourceName;
}

export function rolloutEntry({ service, text, source }: Kept): Entry<RolloutDocument> {
  return {
    key: service,
    fingerprint: text,
    decode() {
      const read = rolloutDocument(text, { source, service });
      return read.ok ? succeeded({ value: read.value, warnings: [] }) : read;
    },
  };
}

/** The same, of a pair whose key is `rollouts/<service>`. */
export const rolloutEntryOf =
  (source: SourceName) =>
  ({ key, text }: { readonly key: string; readonly text: string }): Entry<RolloutDocument> =>
    rolloutEntry({ service: key.slice(rolloutsFolder.length), text, source });

function rolloutDocument(text: string, subject: Subject): Outcome<RolloutDocument> {
  try {
    const { current, ...others } = documentSchema.parse(JSON.parse(text));
    if (current.service !== subject.service)
      return unreadable(subject, `it is of the service ${current.service}`);
    if (current.step >= current.steps.length)
      return unreadable(subject, `it has no step ${current.step}`);
    return succeeded({ current, ...others } as RolloutDocument);
  } catch (error) {
    return unreadable(subject, reasonIn(error));
  }
}

function unreadable(subject: Subject, reason: string): Outcome<never> {
  const message =
    `The rollout of ${subject.service ?? ''} cannot be read, so what it said before stays: ` +
    `${reason}. Put back what MCPX wrote; or delete it, then versions share by their weights.`;
  return failed(problem('registration_invalid', subject, message));
}

const reasonIn = (error: unknown): string =>
  error instanceof z.ZodError ? z.prettifyError(error) : reasonOf(error);

/** Whether a registry still holds what whoever writes has looked at; texts may be spaced anew. */
export function isStill(text: string | undefined, expected: RolloutDocument | undefined): boolean {
  if (text === undefined || expected === undefined) return text === expected;
  try {
    return isDeepStrictEqual(JSON.parse(text), JSON.parse(JSON.stringify(expected)));
  } catch {
    return false;
  }
}

export const textOfRollout = (document: RolloutDocument): string => JSON.stringify(document);

/** The documents of a file that holds several, each as its text. */
export function documentsIn(text: string, path: string): Outcome<ReadonlyMap<string, string>> {
  try {
    const parsed = z.record(z.string(), z.unknown()).parse(JSON.parse(text || '{}'));
    const documents = Object.entries(parsed);
    return succeeded(new Map(documents.map(([name, value]) => [name, JSON.stringify(value)])));
  } catch (error) {
    const message =
      `${path} cannot be read: ${reasonIn(error)}. What it held before stays. Put back what MCPX ` +
      'wrote; or delete it, then no service has a rollout.';
    return failed(problem('registry_unreadable', { source: 'file', path }, message));
  }
}

export function withDocument(
  documents: ReadonlyMap<string, string>,
  service: string,
  text: string,
): string {
  const next = new Map(documents).set(service, text);
  const entries = [...next].map(([name, each]) => [name, JSON.parse(each) as unknown]);
  return `${JSON.stringify(Object.fromEntries(entries), undefined, 2)}\n`;
}
