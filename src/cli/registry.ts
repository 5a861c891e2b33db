/** `mcpx registry list | accept`. */
import type { z } from 'zod';
import type { Colours } from '../colours.js';
import { acceptedLoss, registryList } from './answers.js';
import { clientOf, segment } from './client.js';
import type { Run } from './command.js';
import { brief, plain, table } from './table.js';
import type { Terminal } from './terminal.js';

type Registry = z.infer<typeof registryList>['registries'][number];
type Services = z.infer<typeof acceptedLoss>['services'];

export const list: Run = async (invocation) => {
  const { options, terminal } = invocation;
  const { value, json } = await clientOf(invocation).get('/v1/registries', registryList);
  if (options['json']) {
    terminal.out(json);
    return 0;
  }
  const rows = value.registries.map((registry) => [
    registry.source,
    stateText(registry, terminal.colours),
    registry.since ?? '',
    registry.instances,
    heldText(registry),
    brief(registry.reason ?? ''),
  ]);
  terminal.out(table(terminal, ['REGISTRY', 'STATE', 'SINCE', 'INSTANCES', 'HELD', ''], rows));
  for (const { source, held } of value.registries)
    if (held) {
      terminal.out(`\nHeld back of ${source}:\n${servicesText(held.services, terminal)}`);
      terminal.out(`\`mcpx registry accept ${source}\` lets them go now.`);
    }
  return 0;
};

export const accept: Run = async (invocation) => {
  const { options, terminal } = invocation;
  const client = clientOf(invocation);
  const source = invocation.arguments[0] ?? '';
  const path = `/v1/registries/${segment(source)}/accept`;
  const dryRun = { method: 'POST', path: `${path}?dryRun=true` } as const;
  const would = await client.send(dryRun, acceptedLoss);
  const { instances, services } = would.value;
  const asJson = options['json'] === true;
  if (!asJson && instances > 0)
    terminal.out(`${source} no longer names these:\n${servicesText(services, terminal)}`);
  else if (!asJson) terminal.out(`Nothing of ${source} is held back.`);
  if (options['dryRun'] || instances === 0) {
    if (asJson) terminal.out(would.json);
    return 0;
  }
  const done = await client.send({ method: 'POST', path }, acceptedLoss);
  terminal.out(asJson ? done.json : `Accepted: ${done.value.instances} instances are let go.`);
  return 0;
};

function stateText({ state }: Registry, colours: Colours): string {
  if (state === 'heard') return colours.green(state);
  return state === 'lost' ? colours.red(state) : colours.yellow(state);
}

function heldText({ held }: Registry): string {
  if (held === undefined) return '';
  return `${held.instances} until ${held.until ?? 'it is heard'}`;
}

function servicesText(services: Services, terminal: Terminal): string {
  const rows = services.map(({ service, instances }) => [service, plain(instances.join(', '))]);
  return table(terminal, ['SERVICE', 'INSTANCES'], rows);
}
