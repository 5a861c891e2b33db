/** The flags of rollouts as people write them → the fields of the API. */
import { z } from 'zod';
import { wrongUsage } from './failure.js';

const given = z.object({
  to: z.string().optional(),
  from: z.string().optional(),
  steps: z.string().optional(),
  every: z.string().optional(),
  drain: z.string().optional(),
  maxErrorRate: z.string().optional(),
  maxP99: z.string().optional(),
  minCalls: z.string().optional(),
  match: z.array(z.string()).optional(),
  mirror: z.string().optional(),
  acceptBreaking: z.boolean().optional(),
  why: z.string().optional(),
});

type Fields = Readonly<Record<string, unknown>>;

/** The body that begins a rollout; what was not given is left to the control plane. */
export function orderFrom(kind: 'canary' | 'bluegreen', options: Fields): Fields {
  const flags = given.parse(options);
  if (flags.to === undefined) throw wrongUsage('Give --to VERSION: the one that is to serve.');
  const { steps, every, drain, maxErrorRate, maxP99, minCalls, match, mirror, ...rest } = flags;
  const fields = {
    ...{ kind, ...rest },
    ...{ every: durationIn('--every', every), drain: durationIn('--drain', drain) },
    steps: steps?.split(',').map(stepIn),
    maxErrorRate: share('--max-error-rate', maxErrorRate, 99.99),
    maxP99: share('--max-p99', maxP99?.replace(/^\+/, '')),
    minCalls: minCalls === undefined ? undefined : wholeNumber('--min-calls', minCalls),
    match: match?.map(ruleIn),
    mirror: mirror === undefined ? undefined : wholePercentIn('--mirror', mirror),
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function durationIn(flag: string, text: string | undefined): string | undefined {
  if (text !== undefined && !/^\d+(\.\d+)?(ms|s|m|h)$/.test(text))
    throw wrongUsage(`${flag} must be a duration such as 30s, 10m or 1h, not ${text}.`);
  return text;
}

function stepIn(text: string): number {
  const figure = /^\s*(\d+)\s?%?\s*$/.exec(text)?.[1];
  if (figure === undefined)
    throw wrongUsage(`--steps must be whole percents such as 5,25,50,100; one is "${text}".`);
  const percents = Number(figure);
  if (percents >= 1 && percents <= 100) return percents;
  throw wrongUsage(`--steps are percents from 1 to 100; one is ${text.trim()}.`);
}

/** `1%` → 1. */
function percentIn(flag: string, text: string): number {
  const figure = /^(\d+(?:\.\d+)?)\s?%$/.exec(text)?.[1];
  if (figure === undefined)
    throw wrongUsage(`${flag} must be given in percent, such as 5%, not ${text}.`);
  return Number(figure);
}

function wholePercentIn(flag: string, text: string): number {
  const percents = percentIn(flag, text);
  if (Number.isInteger(percents) && percents <= 100) return percents;
  throw wrongUsage(`${flag} must be a whole percent, at most 100%, not ${text}.`);
}

/** `1%` → 0.01. */
function share(flag: string, text: string | undefined, most = Infinity): number | undefined {
  if (text === undefined) return undefined;
  const percents = percentIn(flag, text);
  if (percents > most) throw wrongUsage(`${flag} must be below 100%, not ${text}.`);
  // Divided, not multiplied: 0.01 * 29 is not 0.29.
  return percents / 100;
}

function wholeNumber(flag: string, text: string): number {
  if (!/^0*[1-9]\d*$/.test(text))
    throw wrongUsage(`${flag} must be a whole number above 0, not ${text}.`);
  return Number(text);
}

type MatchRule =
  { readonly header: string; readonly value: string } | { readonly principal: string };

/** `header:x-team=qa`, or `principal=spiffe://mcpx/qa`. */
function ruleIn(text: string): MatchRule {
  const [, header, value] = /^header:([^=\s]+)=(.+)$/.exec(text) ?? [];
  if (header !== undefined && value !== undefined) return { header, value };
  const [, principal] = /^principal=(.+)$/.exec(text) ?? [];
  if (principal !== undefined) return { principal };
  throw wrongUsage(
    '--match must be a header and its value, header:x-team=qa, or who an agent is by its ' +
      `certificate, principal=spiffe://mcpx/qa; not ${text}.`,
  );
}
