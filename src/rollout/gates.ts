/**
 * What must hold before a rollout may move traffic: agents that know the one version
 * find what they know in the other, nobody who depends on the old one is left with
 * nothing, and what was asked for (copies, callers that are matched) can happen at all. Pure.
 */
import { failed, problem, succeeded, type Outcome, type Problem } from '../errors.js';
import type { Catalogue, Fleet, Service } from '../fleet/fleet.js';
import type { Rollout } from '../fleet/rollout.js';
import type { Move } from './advance.js';
import { judgeContract } from './agreement.js';
import type { Difference } from './contract.js';
import { whyNoCopies } from './copies.js';
import { brokenByRollout } from './depends.js';

type Gate = 'contract' | 'dependants' | 'reach';

const gates: Partial<Record<Move, readonly Gate[]>> = {
  start: ['contract', 'dependants', 'reach'],
  stage: ['contract', 'dependants', 'reach'],
  switch: ['contract', 'dependants'],
  // What depends on the old version may have registered since.
  finish: ['dependants'],
  promote: ['dependants'],
};

interface Passage {
  readonly fleet: Fleet;
  readonly service: Service;
  readonly what: Move;
  /** As it would be. */
  readonly rollout: Rollout;
  readonly acceptBreaking: boolean;
  /** Whether the gateway asks agents who they are. */
  readonly asksForCertificates: boolean;
}

interface Passed {
  /** How the versions differ for agents; empty where that was not asked. */
  readonly differences: readonly Difference[];
  /** What was overridden, to be kept with the rollout; empty: nothing. */
  readonly accepted: string;
}

const unhindered: Passed = { differences: [], accepted: '' };

export function passGates(passage: Passage): Outcome<Passed> {
  const asked = gates[passage.what] ?? [];
  const { fleet, rollout } = passage;
  const broken = asked.includes('dependants') ? brokenByRollout(fleet, rollout) : [];
  const contract = asked.includes('contract') ? contractOf(passage) : succeeded(unhindered);
  const unreached = asked.includes('reach') ? [...uncopied(passage), ...unmatched(passage)] : [];
  const problems = [...broken, ...(contract.ok ? [] : contract.problems), ...unreached];
  return problems.length > 0 ? failed(...problems) : contract;
}

function contractOf({ service, rollout, acceptBreaking }: Passage): Outcome<Passed> {
  const [from, to] = [rollout.from, rollout.to].map((version) => ({
    version,
    catalogue: catalogueOf(service, version),
  })) as [Offer, Offer];
  const unknown = [from, to].filter(({ catalogue }) => catalogue === undefined);
  if (unknown.length > 0 && !acceptBreaking)
    return failed(...unknown.map(({ version }) => unasked(service.name, version)));
  const judged = judgeContract({ from, to, acceptBreaking: true });
  // What was accepted at the staging need not be accepted once more at the switch.
  const isAccepted =
    acceptBreaking || (judged.accepted !== undefined && wasAccepted(rollout, judged.accepted));
  const verdict = judgeContract({ from, to, acceptBreaking: isAccepted });
  const { refusals, differences, accepted = '' } = verdict;
  if (refusals.length === 0) return succeeded({ differences, accepted });
  const all = differences.filter(({ breaking }) => breaking && !isAccepted).map(worded);
  // The sentence names the first; the list shall be whole.
  const others = all.filter((words) => !refusals.some((told) => told.includes(words)));
  const list = [...refusals, ...others.map((words) => `${words}.`)];
  return failed(...list.map((words) => refusal(service.name, words)));
}

/** A first step at which nothing can be copied would wait for ever. */
function uncopied({ service, rollout, acceptBreaking }: Passage): readonly Problem[] {
  const offers = [rollout.from, rollout.to].map((version) => catalogueOf(service, version));
  // Else the contract has told it.
  const isAsked = acceptBreaking || offers.every((offered) => offered !== undefined);
  const why = rollout.mirror > 0 && isAsked ? whyNoCopies(service, rollout) : undefined;
  return why === undefined ? [] : [refusal(service.name, why)];
}

function unmatched({ service, rollout, asksForCertificates }: Passage): readonly Problem[] {
  if (asksForCertificates) return [];
  return rollout.match.flatMap((rule) => {
    if (!('principal' in rule)) return [];
    const why =
      `Nobody is ${rule.principal} here: the gateway asks agents for no certificates. Set ` +
      'gateway.tls.clients to the certificates of who signs agents, or match a header.';
    return [refusal(service.name, why)];
  });
}

interface Offer {
  readonly version: string;
  readonly catalogue: Catalogue | undefined;
}

function catalogueOf({ probe, instances }: Service, version: string): Catalogue | undefined {
  const own = probe?.versions?.[version];
  // Of a single version the service's own catalogue is that version's.
  const isAlone = instances.every((instance) => instance.version === version);
  return own ?? (isAlone ? probe?.catalogue : undefined);
}

const worded = ({ subject, words }: Difference): string => `${subject} ${words}`;

const wasAccepted = ({ events }: Rollout, accepted: string): boolean =>
  events.some(({ why }) => why.includes(accepted));

const refusal = (service: string, words: string): Problem =>
  problem('rollout_refused', { service }, words);

const unasked = (service: string, version: string): Problem =>
  refusal(
    service,
    `What ${service} ${version} offers is not known: it was not asked yet, or does not answer. ` +
      'Try again in a moment, or --accept-breaking to go on without the check.',
  );
