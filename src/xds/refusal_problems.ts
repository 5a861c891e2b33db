/** Refusals as problems: one for each resource, however many Envoys refuse it. */
import { problem, type Problem } from '../errors.js';
import type { PublishedTo } from './published.js';
import type { Verdict } from './refusals.js';

/** How many nodes a problem's message names. */
const namesShown = 3;

/** Of what is wanted and not sent, because it is known to be refused. */
export function problemsOfVerdicts(
  verdicts: readonly Verdict[],
  publishedTo: PublishedTo,
): readonly Problem[] {
  return verdicts.flatMap((verdict) => {
    const fate = publishedTo(verdict.audience)?.fateOf(verdict);
    return fate === undefined ? [] : [problemOf(verdict, fateText[fate])];
  });
}

/** Of what is sent and refused by some. */
export function problemsOfNodes(nodes: readonly RefusingNode[]): readonly Problem[] {
  const refused = new Map<string, Refused>();
  for (const { id, kinds, complaints, lastRefusal } of nodes)
    for (const [kind, status] of Object.entries(kinds))
      for (const name of status.refused) {
        const key = `${kind} ${name}`;
        const nodeIds = [...(refused.get(key)?.nodes ?? []), id];
        const words = complaints.get(key) ?? lastRefusal?.message ?? 'no reason given';
        const message = refused.get(key)?.message ?? words;
        refused.set(key, { kind, name, nodes: nodeIds, message });
      }
  return [...refused.values()].map((each) =>
    problemOf(
      each,
      each.nodes.length === 1 ? 'It keeps what it held.' : 'They keep what they held.',
    ),
  );
}

interface RefusingNode {
  readonly id: string;
  /** By type, the names it refuses at present. */
  readonly kinds: Readonly<Record<string, { readonly refused: readonly string[] }>>;
  /** `cluster claims` → its words. */
  readonly complaints: ReadonlyMap<string, string>;
  readonly lastRefusal: { readonly message: string } | undefined;
}

interface Refused {
  readonly kind: string;
  readonly name: string;
  readonly nodes: readonly string[];
  /** In Envoy's words. */
  readonly message: string;
}

const fateText = {
  'last good kept': 'Its last good form stays in every Envoy, and everything else is published.',
  'left out': 'It is left out until it differs, and everything else is published.',
  'sent all the same': 'Others cannot do without it, so each Envoy keeps what it held.',
} as const;

function problemOf({ kind, name, nodes, message }: Refused, fate: string): Problem {
  const path = `${kind}.${name}`;
  const [first = ''] = nodes;
  const shown = nodes.slice(0, namesShown).map((id) => `"${id}"`);
  const who =
    nodes.length === 1
      ? `Envoy "${first}"`
      : `${nodes.length} Envoys (${shown.join(', ')}${nodes.length > namesShown ? ', …' : ''})`;
  const subject = {
    ...(isOfService(kind, name) && { service: name }),
    ...(nodes.length === 1 && { node: first }),
    path,
  };
  const words = message.trimEnd().replace(/\.?$/, '.');
  const text = `${who} refused ${path}: ${words} ${fate} ${remedy}`;
  return problem('resource_refused', subject, text);
}

const remedy = 'Change what it is made from; the next different form is sent at once.';

/** A service is named by its cluster; MCPX's own clusters have an underscore, which none has. */
const isOfService = (kind: string, name: string) =>
  (kind === 'cluster' || kind === 'endpoint') && !name.includes('_');
