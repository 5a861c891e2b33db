/** `mcpx fleet`: who is connected, what each holds, and what it refused in its own words. */
import type { z } from 'zod';
import { node, nodeList } from './answers.js';
import { clientOf, segment, type AdminClient } from './client.js';
import type { ExitCode, Run } from './command.js';
import { brief, plain, table } from './table.js';
import type { Terminal } from './terminal.js';

type Node = z.infer<typeof node>;

export const fleet: Run = async (invocation) => {
  const { terminal, options } = invocation;
  const client = clientOf(invocation);
  const asJson = options['json'] === true;
  const [id] = invocation.arguments;
  return id === undefined
    ? listNodes(client, terminal, asJson)
    : showNode(client, id, terminal, asJson);
};

async function listNodes(
  client: AdminClient,
  terminal: Terminal,
  asJson: boolean,
): Promise<ExitCode> {
  const { value, json } = await client.get('/v1/nodes', nodeList);
  if (asJson) terminal.out(json);
  else if (value.nodes.length === 0)
    terminal.err('No Envoy is connected. `mcpx up` starts one; `mcpx bootstrap` is for others.');
  else {
    const head = ['NODE', 'ENVOY', 'ROLE', 'HOLDS', 'IN SYNC', 'LAST NACK'];
    terminal.out(table(terminal, head, value.nodes.map(nodeRow(terminal))));
  }
  return 0;
}

const nodeRow =
  ({ colours }: Terminal) =>
  ({ id, envoyVersion, audience, kinds, inSync }: Node): string[] => {
    const holds = Object.entries(kinds).map(([kind, { held }]) => `${held} ${kind}`);
    const nack = Object.values(kinds).find(({ lastNack }) => lastNack)?.lastNack;
    return [
      plain(id),
      plain(envoyVersion),
      plain(audience),
      holds.join(', '),
      inSync ? colours.green('yes') : colours.red('no'),
      nack === undefined ? '' : brief(`${nack.at} ${nack.message}`, 80),
    ];
  };

async function showNode(
  client: AdminClient,
  id: string,
  terminal: Terminal,
  asJson: boolean,
): Promise<ExitCode> {
  const { value, json } = await client.get(`/v1/nodes/${segment(id)}`, node);
  if (asJson) {
    terminal.out(json);
    return 0;
  }
  const { colours } = terminal;
  terminal.out(`${colours.bold(plain(value.id))}  Envoy ${plain(value.envoyVersion)}`);
  terminal.out(`${plain(value.audience)}, from ${value.address}, since ${value.connectedSince}`);
  const kinds = Object.entries(value.kinds);
  const rows = kinds.map(([kind, { held, acked, inFlight, lastNack }]) => [
    kind,
    held,
    acked === '' ? 'nothing yet' : acked.slice(0, 12),
    inFlight ? 'awaited' : lastNack ? colours.red('refused') : colours.green('yes'),
  ]);
  terminal.out(`\n${table(terminal, ['TYPE', 'HELD', 'ACCEPTED', 'IN SYNC'], rows)}`);
  for (const [kind, { lastNack }] of kinds) {
    if (lastNack === undefined) continue;
    terminal.out(colours.red(`\nRefused ${kind} at ${lastNack.at}: ${plain(lastNack.message)}`));
  }
  return 0;
}
