/** The one place where a problem becomes an HTTP status (RFC 9457 problem details). */
import { STATUS_CODES } from 'node:http';
import { catalogue, problem, type Problem, type ProblemCode } from '../errors.js';
import type { JsonAnswer } from './route.js';

/** Codes that are not here are ours to mend: 500. */
const statusOf: Partial<Record<ProblemCode, number>> = {
  registration_invalid: 422,
  registration_field_unused: 422,
  registration_conflict: 409,
  target_refused: 422,
  dependency_unmet: 409,
  write_conflict: 409,
  rollout_refused: 409,
  registry_unreachable: 503,
  registry_unreadable: 503,
  audit_unavailable: 503,
  stopping: 503,
  not_found: 404,
  request_invalid: 400,
};

/** `status` only where the code alone does not tell it (a wrong request has several). */
export function problemAnswer(problems: readonly Problem[], status?: number): JsonAnswer {
  const first = problems[0] ?? problem('translation_failed', {}, 'It failed without a reason.');
  const chosen = status ?? statusOf[first.code] ?? 500;
  return {
    status: chosen,
    type: 'application/problem+json',
    json: {
      type: `urn:mcpx:problem:${first.code}`,
      title: titleOf(first, chosen),
      status: chosen,
      detail: detailOf(problems, first),
      problems: problems.map(listed),
    },
  };
}

/** A wrong request, told by status: 400, 401, 403, 404, 405, 413, 415. */
export function refusal(status: number, message: string): JsonAnswer {
  const code = status === 404 ? 'not_found' : 'request_invalid';
  return problemAnswer([problem(code, {}, message)], status);
}

export function notFound(message: string): JsonAnswer {
  return refusal(404, message);
}

/** For an error nobody expected; its text stays in the log. */
export function unexpected(): JsonAnswer {
  return {
    status: 500,
    type: 'application/problem+json',
    json: {
      type: 'about:blank',
      title: 'Internal Server Error',
      status: 500,
      detail: 'MCPX made a mistake; its log says more.',
      problems: [],
    },
  };
}

/** A problem as the API lists it: its path also on top, where a form looks for it. */
export function listed({ code, severity, actor, subject, message }: Problem): object {
  const path = subject.path === undefined ? {} : { path: subject.path };
  return { code, ...path, message, severity, actor, subject };
}

function titleOf({ code }: Problem, status: number): string {
  if (code === 'request_invalid') return STATUS_CODES[status] ?? catalogue[code].title;
  return catalogue[code].title;
}

function detailOf(problems: readonly Problem[], first: Problem): string {
  if (problems.length < 2) return first.message;
  return `${problems.length} problems: ${problems.map(({ message }) => message).join(' ')}`;
}
