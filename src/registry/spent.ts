/** What was used up and must not be used again, as registries hold it: a nonce and its own end. */
import { z } from 'zod';
import { failed, problem, reasonOf, succeeded, type Outcome } from '../errors.js';

/** Under which key each lies, by its nonce; the value is its end, in ms since the epoch. */
export const spentFolder = 'spent/';

/** Beyond its end: replicas may have different ideas of what time it is. */
export const clocksDifferMs = 3_600_000;

/** Whether what ended then may be forgotten: by its end alone it is not taken any more. */
export const isForgettable = (until: number, now: number): boolean => until + clocksDifferMs < now;

/** Those of a file that are still to be remembered. */
export function spentIn(text: string, path: string, now: number): Outcome<Map<string, number>> {
  try {
    const parsed = z.record(z.string(), z.number()).parse(JSON.parse(text || '{}'));
    const known = Object.entries(parsed).filter(([, until]) => !isForgettable(until, now));
    return succeeded(new Map(known));
  } catch (error) {
    const message =
      `${path} cannot be read, so nobody can be admitted: ${reasonOf(error)}. Put back what MCPX ` +
      'wrote; or wait an hour, so that no join token of before is good any more, and delete it.';
    return failed(problem('registry_unreadable', { source: 'file', path }, message));
  }
}
