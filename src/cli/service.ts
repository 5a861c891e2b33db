/** `mcpx service list | show | remove`. */
import type { Colours } from '../colours.js';
import { removed, serviceDetail, serviceList } from './answers.js';
import { clientOf, segment } from './client.js';
import type { Invocation, Run } from './command.js';
import { brief, plain, table } from './table.js';

export const list: Run = async (invocation) => {
  const { options, terminal } = invocation;
  const { value, json } = await clientOf(invocation).get('/v1/services', serviceList);
  if (options['json']) return print(invocation, json);
  if (value.services.length === 0) {
    terminal.err('No service is registered. `mcpx service register --help` shows how.');
    return 0;
  }
  const rows = value.services.map(({ name, state, reason, instances, ...rest }) => [
    name,
    rest.versions.join(', '),
    rest.eras.join(', '),
    `${instances.passing} of ${instances.total}`,
    rest.tools,
    rest.sources.join(', '),
    [stateText(state, terminal.colours), brief(reason ?? '')].join(' ').trimEnd(),
  ]);
  const head = ['SERVICE', 'VERSION', 'ERAS', 'PASSING', 'TOOLS', 'FROM', 'STATE'];
  terminal.out(table(terminal, head, rows));
  return 0;
};

/** Eras and tools are what it said then. */
function askedAgo(askedAt: string | undefined): string {
  if (askedAt === undefined) return '';
  const seconds = Math.max(0, Math.round((Date.now() - Date.parse(askedAt)) / 1000));
  return ` (asked ${seconds} s ago)`;
}

export const show: Run = async (invocation) => {
  const { options, terminal } = invocation;
  const path = `/v1/services/${segment(invocation.arguments[0] ?? '')}`;
  const { value, json } = await clientOf(invocation).get(path, serviceDetail);
  if (options['json']) return print(invocation, json);
  const { summary, instances, tools, problems, policy, probe } = value;
  const { colours } = terminal;
  const reason = summary.reason === undefined ? '' : `: ${plain(summary.reason)}`;
  terminal.out(`${colours.bold(summary.name)}  ${stateText(summary.state, colours)}${reason}`);
  const spoken = summary.eras.join(', ') || 'nothing known yet';
  terminal.out(`speaks ${spoken}${askedAgo(probe?.askedAt)}`);
  const head = ['INSTANCE', 'VERSION', 'URL', 'ZONE', 'WEIGHT', 'FROM', 'PASSING'];
  const rows = instances.map(({ id, version, url, zone, weight, source, passing, checkedBy }) => [
    plain(id),
    version,
    url,
    zone,
    weight,
    source,
    checkedBy === 'envoy' ? 'asked by Envoy' : passing ? 'yes' : colours.red('no'),
  ]);
  terminal.out(`\n${table(terminal, head, rows)}`);
  const toolRows = tools.map(({ name, title, description }) => [
    plain(name),
    brief(title ?? description ?? ''),
  ]);
  if (tools.length > 0) terminal.out(`\n${table(terminal, ['TOOL', ''], toolRows)}`);
  const policyRows = Object.entries(policy).map(([part, value]) => [part, fieldsOf(value)]);
  terminal.out(`\n${table(terminal, ['POLICY', ''], policyRows)}`);
  for (const { message } of problems) terminal.out(`\n${colours.yellow(plain(message))}`);
  return 0;
};

export const remove: Run = async (invocation) => {
  const { options, terminal } = invocation;
  const [name = '', instance] = invocation.arguments;
  const service = `/v1/services/${segment(name)}`;
  const path = instance === undefined ? service : `${service}/instances/${segment(instance)}`;
  const sent = { method: 'DELETE', path } as const;
  const { value, json } = await clientOf(invocation).send(sent, removed);
  if (options['json']) return print(invocation, json);
  terminal.out(`Removed ${value.removed.map((id) => `${id} of ${name}`).join(', ')}.`);
  return 0;
};

function print({ terminal }: Invocation, json: string): number {
  terminal.out(json);
  return 0;
}

export function stateText(state: string, colours: Colours): string {
  if (state === 'ready') return colours.green(state);
  return state === 'down' ? colours.red(state) : colours.yellow(state);
}

/** `{timeoutMs: 10, outlier: {…}}` → `timeoutMs 10, outlier.intervalMs …`. */
function fieldsOf(value: unknown, prefix = ''): string {
  if (typeof value !== 'object' || value === null) return `${prefix} ${String(value)}`.trim();
  if (Array.isArray(value)) return `${prefix} ${value.join(' ')}`.trim();
  return Object.entries(value)
    .map(([key, inner]) => fieldsOf(inner, prefix === '' ? key : `${prefix}.${key}`))
    .join(', ');
}
