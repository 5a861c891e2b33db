/** `mcpx plan -f FILE`: what changes would do to every Envoy, before they are made. */
import type { z } from 'zod';
import { planned } from './answers.js';
import { changesOf } from './changes.js';
import type { ChangesFile } from './changes_file.js';
import { clientOf } from './client.js';
import type { Invocation, Run } from './command.js';
import { Unreachable } from './failure.js';
import { adminIsNamed, configFor } from './settings.js';
import { plain, table } from './table.js';
import type { Terminal } from './terminal.js';

type Planned = z.infer<typeof planned>;

export const plan: Run = async (invocation) => {
  const { options, terminal } = invocation;
  const changes = await changesOf(invocation);
  const { value, json } = await askedOrEmpty(invocation, changes);
  terminal.out(options['json'] ? json : textOf(value, terminal));
  return value.steps.some(({ change }) => change === 'refused') ? 1 : 0;
};

/** Whoever named a control plane wants that one; else an empty fleet tells at least something. */
async function askedOrEmpty(
  invocation: Invocation,
  changes: ChangesFile,
): Promise<{ value: Planned; json: string }> {
  const sent = { method: 'POST', path: '/v1/plan', body: changes } as const;
  try {
    return await clientOf(invocation).send(sent, planned);
  } catch (error) {
    if (!(error instanceof Unreachable) || adminIsNamed(invocation)) throw error;
    const { terminal, actions } = invocation;
    terminal.err(
      terminal.colours.yellow('No control plane answers: planned for an empty fleet, no Envoy.'),
    );
    const made = await actions.plan(configFor(invocation), changes);
    return { value: planned.parse(made), json: JSON.stringify(made) };
  }
}

function textOf({ steps, resources, nodes, problems }: Planned, terminal: Terminal): string {
  const { colours } = terminal;
  const stepRows = steps.map(({ service, instance = '', version = '', ...step }) => [
    step.change === 'refused' ? colours.red(step.change) : step.change,
    plain(service),
    version,
    plain(instance),
  ]);
  const reasons = steps.flatMap((step) => step.problems.map(({ message }) => plain(message)));
  const sentRows = resources.map(({ kind, name, change, bytes }) => [change, kind, name, bytes]);
  return [
    table(terminal, ['CHANGE', 'SERVICE', 'VERSION', 'INSTANCE'], stepRows),
    ...reasons.map((reason) => colours.yellow(reason)),
    '',
    ...(sentRows.length > 0
      ? [table(terminal, ['ENVOY', 'RESOURCE', 'NAME', 'BYTES'], sentRows)]
      : ['No Envoy would be sent anything.']),
    ...nodes.map(
      ({ id, ...sent }) => `${plain(id)}: ${sent.resources} resources, ${sent.bytes} bytes`,
    ),
    ...problems.appeared.map(({ message }) => colours.red(`New problem: ${plain(message)}`)),
    ...problems.mended.map(({ message }) => colours.green(`Mended: ${plain(message)}`)),
  ].join('\n');
}
