/**
 * The probe asks each service for what only it can tell: the eras it speaks
 * and what it offers. Its answers are one more report that `fleet/merge` reads,
 * so the catalogue has one owner.
 */
import {
  eras,
  type Catalogue,
  type Era,
  type Instance,
  type NamedDefinition,
  type Policy,
  type ProbeResult,
  type ResourceDefinition,
  type Service,
  type TemplateDefinition,
} from '../fleet/fleet.js';
import { closeSession, listAll, type Session } from '../mcp_client/conversation.js';
import {
  exchange,
  failureText,
  type Failure,
  type Limits,
  type Target,
} from '../mcp_client/streamable.js';
import { isObject } from '../mcp_wire.js';
import { spokesmen, targetOf, type Reach } from './instances.js';
import { speakerAt, type Speaker } from './notices.js';
import { openers } from './opening.js';

/** One exchange, and all that one instance is asked together. */
const deadlines = { deadlineMs: 5_000, togetherMs: 30_000 };

/** What a server said, and for how long it may be believed. */
export interface Told {
  readonly catalogue: Catalogue | undefined;
  readonly failure: ProbeResult['failure'];
  /** The least of its answers; undefined when none says. */
  readonly ttlMs: number | undefined;
}

export interface ServiceTold extends Told {
  /** Who would tell of changes. */
  readonly speaker: Speaker | undefined;
  /** Of the instance that spoke; undefined when none did. */
  readonly version: string | undefined;
}

/** Asks those who may speak for a service. Never throws. */
export function askService(
  service: Service,
  signal: AbortSignal,
  reach?: Reach,
): Promise<ServiceTold> {
  return askInTurn(service, spokesmen(service), signal, reach);
}

/** Asks these instances of a service in turn, until one answers. Never throws. */
export async function askInTurn(
  service: Service,
  instances: readonly Instance[],
  signal: AbortSignal,
  reach: Reach = targetOf,
): Promise<ServiceTold> {
  let failure: ProbeResult['failure'] = {
    code: 'server_unreachable',
    message: `No instance of ${service.name} passes its checks.`,
  };
  for (const instance of instances) {
    const target = reach(instance, service);
    const told = await askInTime(target, service.era, signal);
    if (told.catalogue) {
      const speaker = speakerAt(target, told.catalogue);
      return { ...told, speaker, version: instance.version };
    }
    if (told.failure) {
      const message = `${service.name} (${instance.id}) ${told.failure.message}.`;
      failure = { ...told.failure, message };
    }
    if (signal.aborted) break;
  }
  const nothing = { catalogue: undefined, ttlMs: undefined, speaker: undefined };
  return { ...nothing, failure, version: undefined };
}

/** All its questions together may take so long. */
async function askInTime(target: Target, era: Policy['era'], signal: AbortSignal): Promise<Told> {
  // Not AbortSignal.timeout: joined to another signal it may be collected before it fires.
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), deadlines.togetherMs);
  const together = AbortSignal.any([signal, late.signal]);
  const told = await ask(target, era, { deadlineMs: deadlines.deadlineMs, signal: together });
  clearTimeout(timer);
  return told;
}

type ToldInEra =
  | { readonly catalogue: Catalogue; readonly ttlMs: readonly number[] }
  | { readonly failure: Failure };

/** Asks one instance; `era` says in which eras. Never throws. */
export async function ask(target: Target, era: Policy['era'], limits: Limits): Promise<Told> {
  const told: Catalogue[] = [];
  const lifetimes: number[] = [];
  let failure: Failure | undefined;
  for (const spoken of era === 'auto' ? eras : [era]) {
    const answer = await askInEra(target, spoken, limits);
    if ('catalogue' in answer) {
      told.push(answer.catalogue);
      lifetimes.push(...answer.ttlMs);
    } else failure = clearer(failure, answer.failure);
    if (limits.signal?.aborted) failure = { kind: 'too_slow', deadlineMs: deadlines.togetherMs };
    if (isAway(failure)) break;
  }
  const [newest] = told;
  const ttlMs = lifetimes.length > 0 ? Math.min(...lifetimes) : undefined;
  if (newest) {
    const spoken = told.flatMap((catalogue) => catalogue.eras);
    return { catalogue: { ...newest, eras: spoken }, failure: undefined, ttlMs };
  }
  return { catalogue: undefined, failure: failure && failureOf(failure), ttlMs };
}

/** Whether anything answers: any HTTP answer to a ping shows that the server lives. */
export async function answers(target: Target, limits: Limits): Promise<boolean> {
  const { kind } = await exchange(target, { id: 'mcpx-probe', method: 'ping' }, {}, limits);
  return kind !== 'unreachable' && kind !== 'too_slow';
}

/** Ids of those that Envoy asks itself and that do not answer us. */
export async function silentInstances(
  service: Service,
  limits: Limits,
  reach: Reach = targetOf,
): Promise<string[]> {
  const { instances } = service;
  const asked = instances.filter(({ passing, checkedBy }) => passing && checkedBy === 'envoy');
  const alive = await Promise.all(
    asked.map((instance) => answers(reach(instance, service), limits)),
  );
  return asked.filter((_, index) => !alive[index]).map(({ id }) => id);
}

/** A server that cannot be reached in one era cannot be reached in the other. */
function isAway(failure: Failure | undefined): boolean {
  return failure?.kind === 'unreachable' || failure?.kind === 'too_slow';
}

/** Of two failures: a strange answer tells more than a refusal, else the older era's does. */
function clearer(first: Failure | undefined, second: Failure): Failure {
  return first?.kind === 'not_mcp' && second.kind === 'refused' ? first : second;
}

function failureOf(failure: Failure): ProbeResult['failure'] {
  const code = isAway(failure) ? 'server_unreachable' : 'server_not_mcp';
  return { code, message: failureText(failure) };
}

async function askInEra(target: Target, era: Era, limits: Limits): Promise<ToldInEra> {
  const opened = await openers[era](target, limits);
  if (!opened.ok) return { failure: opened.failure };
  const { session } = opened;
  try {
    return await catalogueOf(session, limits);
  } finally {
    void closeSession(session, { deadlineMs: limits.deadlineMs });
  }
}

async function catalogueOf(session: Session, limits: Limits): Promise<ToldInEra> {
  const { era, serverInfo, capabilities, instructions } = session;
  const described = { eras: [era], serverInfo, capabilities, instructions };
  const lists: Partial<Record<ListKey, readonly unknown[]>> = {};
  const lifetimes: unknown[] = [session.ttlMs];
  for (const { key, method, capability } of catalogueLists) {
    if (!(capability in capabilities)) continue;
    const listed = await listAll(session, method, key, limits);
    if (listed.ok) {
      lists[key] = listed.items;
      lifetimes.push(listed.firstPage['ttlMs']);
    }
    // Many servers promise resources and know no templates.
    else if (key !== 'resourceTemplates') return { failure: listed.failure };
  }
  const { tools = [], prompts = [], resources = [], resourceTemplates = [] } = lists;
  return {
    ttlMs: lifetimes.filter((ttlMs) => typeof ttlMs === 'number'),
    catalogue: {
      ...described,
      tools: tools.filter(isNamed),
      prompts: prompts.filter(isNamed),
      resources: resources.filter(isResource),
      resourceTemplates: resourceTemplates.filter(isTemplate),
    },
  };
}

/** Every list of a server, and the capability that promises it. */
const catalogueLists = [
  { key: 'tools', method: 'tools/list', capability: 'tools' },
  { key: 'prompts', method: 'prompts/list', capability: 'prompts' },
  { key: 'resources', method: 'resources/list', capability: 'resources' },
  { key: 'resourceTemplates', method: 'resources/templates/list', capability: 'resources' },
] as const;

type ListKey = (typeof catalogueLists)[number]['key'];

const isNamed = (item: unknown): item is NamedDefinition =>
  isObject(item) && typeof item['name'] === 'string';
const isResource = (item: unknown): item is ResourceDefinition =>
  isObject(item) && typeof item['uri'] === 'string';
const isTemplate = (item: unknown): item is TemplateDefinition =>
  isObject(item) && typeof item['uriTemplate'] === 'string';
