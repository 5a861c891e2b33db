/**
 * The names under which agents call tools: who has a name that several services
 * expose, and which tools nobody can call. Who keeps a name is decided by the
 * services' own names alone, so that every replica and every restart decides alike.
 */
import { problem, type Problem } from '../errors.js';
import { serviceNamed } from './changes.js';
import { claimIndex } from './claims.js';
import { exposedAlone, exposedToolName, isExposed, toolNameMax } from './exposed.js';
import type { Fleet, Service } from './fleet.js';
import { leadingCatalogue } from './leading.js';

export const toolClaims = claimIndex((service) =>
  exposedAlone(service).tools.map(({ name }) => name),
);

/**
 * Exposed name → the service that has it, for the names that several expose. Names under a
 * service's own prefix are its alone; of services without a prefix the first keeps a name.
 */
export function toolOwners(fleet: Fleet): ReadonlyMap<string, string> {
  const contested = toolClaims.contested(fleet);
  return new Map(contested.map(([name, claimants]) => [name, ownerAmong(claimants, fleet)]));
}

function ownerAmong(claimants: readonly string[], fleet: Fleet): string {
  const prefixed = claimants.find((name) => serviceNamed(fleet, name)?.expose.prefix);
  return prefixed ?? claimants[0] ?? '';
}

/** Tools that are hidden because another service has their name. */
export function takenToolNames(fleet: Fleet): readonly Problem[] {
  return toolClaims.contested(fleet).flatMap(([name, claimants]) => {
    const owner = ownerAmong(claimants, fleet);
    const losers = claimants.filter((claimant) => claimant !== owner);
    return losers.map((service) =>
      unusable(service, toolBehind(name, service, fleet), takenBy(owner, name)),
    );
  });
}

/** What the server itself calls the tool that agents call `name`. */
function toolBehind(name: string, service: string, fleet: Fleet): string {
  const present = serviceNamed(fleet, service);
  const tools = present ? exposedAlone(present).tools : [];
  return tools.find((tool) => tool.name === name)?.tool ?? name;
}

/** Tools that nobody can call whatever other services expose. */
export function ownToolProblems(present: Service): readonly Problem[] {
  const { name: service, expose } = present;
  const given = new Set<string>();
  return (leadingCatalogue(present)?.tools ?? []).flatMap(({ name: tool }) => {
    if (!isExposed(tool, expose.tools)) return [];
    const name = exposedToolName(service, tool, expose.prefix);
    if (name.length > toolNameMax) return [unusable(service, tool, tooLong(name))];
    if (given.has(name)) return [unusable(service, tool, givenTwice(name))];
    given.add(name);
    return [];
  });
}

const unusable = (service: string, tool: string, message: string): Problem =>
  problem('tool_name_unusable', { service, path: `tools.${tool}` }, message);

const tooLong = (name: string): string =>
  `The tool ${name} is hidden: its name has ${name.length} characters and clients take ` +
  `${toolNameMax}. Shorten the service's or the tool's name, or set expose.prefix to false.`;

const takenBy = (owner: string, name: string): string =>
  `The tool ${name} is hidden: ${owner} exposes the same name. Set expose.prefix to true.`;

const givenTwice = (name: string): string =>
  `The tool ${name} is shown once: its server lists several tools of this name.`;
