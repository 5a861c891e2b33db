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
  ...(['stage', 'switch', 'rollback', 'finish'] as const),
] as const;

const percent = z.number().min(0).max(100);
const moment = z.number().nonnegative();

const rolloutSchema = z.object({
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
  limits: z
    .object({ maxErrorRate: z.number(), maxP99Increase: z.number(), minCalls: z.int().positive() })
    .optional(),
  match: z.array(
    z.union([
      z.object({ header: z.string(), value: z.string() }),
      z.object({ principal: z.string() }),
    ]),
  ),
  mirror: percent,
  events: z.array(
    z.object({
      ...{ at: moment, who: z.string(), what: z.enum(actions) },
      ...{ from: z.enum(phases).optional(), to: z.enum(phases), share: percent, why: z.string() },
    }),
  ),
});

const documentSchema = z.object({ current: rolloutSchema, earlier: z.array(rolloutSchema) });

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
    const parsed = documentSchema.parse(JSON.parse(text));
    return succeeded(parsed as RolloutDocument);
  } catch (error) {
    const reason = error instanceof z.ZodError ? z.prettifyError(error) : reasonOf(error);
    const message =
      `The rollout of ${subject.service ?? ''} cannot be read, so what it said before stays: ` +
      `${reason}. MCPX alone writes it: \`mcpx history\` shows what it was.`;
    return failed(problem('registration_invalid', subject, message));
  }
}

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

/** The documents of a file that holds several, each as its text. Throws where it is no JSON. */
export function documentsIn(text: string): ReadonlyMap<string, string> {
  const parsed = z.record(z.string(), z.unknown()).parse(JSON.parse(text || '{}'));
  return new Map(Object.entries(parsed).map(([name, value]) => [name, JSON.stringify(value)]));
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
