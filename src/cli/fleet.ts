/** `mcpx fleet`: who is connected, what each holds, its lag, what it refused in its own words. */
import type { z } from 'zod';
import type { Colours } from '../colours.js';
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
    // Without TLS nobody has one.
    const ends = value.nodes.some(({ certificate }) => certificate) ? ['CERTIFICATE ENDS'] : [];
    const head = ['NODE', 'ENVOY', 'ROLE', 'HOLDS', 'LAG', ...ends, 'LAST NACK'];
    const row = nodeRow(terminal, ends.length > 0);
    terminal.out(table(terminal, head, value.nodes.map(row)));
  }
  return 0;
}

const nodeRow =
  ({ colours }: Terminal, withCertificate: boolean) =>
  ({ id, version, role, kinds, lastRefusal, certificate, ...state }: Node): string[] => {
    const holds = Object.entries(kinds).map(([kind, { held }]) => `${held} ${kind}`);
    return [
      plain(id),
      plain(version),
      plain(roleText(role)),
      holds.join(', '),
      lagText(state, colours),
      ...(withCertificate ? [certificateText(certificate, colours)] : []),
      lastRefusal === undefined ? '' : brief(`${lastRefusal.at} ${lastRefusal.message}`, 80),
    ];
  };

function certificateText(certificate: Node['certificate'], colours: Colours): string {
  if (!certificate) return '';
  const end = plain(certificate.expiresAt).replace(/\.\d+Z$/, 'Z');
  return certificate.late ? colours.red(`${end}, not renewed`) : end;
}

/** `none`, `1.5 s`, `65.0 s, no answer`: how far it is behind the present snapshot. */
function lagText(
  { inSync, lagMs, overdue }: Pick<Node, 'inSync' | 'lagMs' | 'overdue'>,
  colours: Colours,
): string {
  if (inSync && lagMs === 0) return colours.green('none');
  const lag = lagMs === 0 ? 'not in sync' : `${(lagMs / 1000).toFixed(1)} s`;
  return colours.red(overdue ? `${lag}, no answer` : lag);
}

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
  terminal.out(`${colours.bold(plain(value.id))}  Envoy ${plain(value.version)}`);
  terminal.out(`${plain(value.role)}, from ${value.address}, since ${value.connectedSince}`);
  terminal.out(`lag: ${lagText(value, colours)}`);
  if (value.certificate)
    terminal.out(`certificate ends: ${certificateText(value.certificate, colours)}`);
  const rows = Object.entries(value.kinds).map(([kind, status]) => [
    kind,
    status.held,
    status.acknowledged?.slice(0, 12) ?? (status.settled ? 'as it came back' : 'nothing yet'),
    syncText(status, colours),
  ]);
  terminal.out(`\n${table(terminal, ['TYPE', 'HELD', 'ACKNOWLEDGED', 'IN SYNC'], rows)}`);
  if (value.lastRefusal) {
    const { kind, names, at, message } = value.lastRefusal;
    const what = `${kind} ${names.join(', ')}`.trim();
    terminal.out(colours.red(`\nRefused ${plain(what)} at ${at}: ${plain(message)}`));
  }
  return 0;
}

function syncText(status: Node['kinds'][string], colours: Colours): string {
  const { settled, inFlight, overdue, refused } = status;
  if (refused.length > 0) return colours.red(`refuses ${plain(refused.join(', '))}`);
  if (settled) return colours.green('yes');
  if (overdue) return colours.red('its answer is overdue');
  return inFlight ? 'its answer is awaited' : 'not yet';
}

/** Where a sidecar listens is told of one node, not of all. */
const roleText = (role: string): string => role.replace(/\?.*$/, '');
