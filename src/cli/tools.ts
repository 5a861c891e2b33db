/** `mcpx tools`: the catalogue as agents see it. */
import { toolList } from './answers.js';
import { clientOf } from './client.js';
import type { Run } from './command.js';
import { brief, plain, table } from './table.js';

export const tools: Run = async (invocation) => {
  const { options, terminal } = invocation;
  const { value, json } = await clientOf(invocation).get('/v1/tools', toolList);
  if (options['json']) {
    terminal.out(json);
    return 0;
  }
  const { colours } = terminal;
  const rows = value.tools.map(({ name, eras, title, description }) => [
    plain(name),
    eras.join(', '),
    brief(description ?? title ?? ''),
  ]);
  if (rows.length > 0) terminal.out(table(terminal, ['TOOL', 'ERAS', 'WHAT IT DOES'], rows));
  else terminal.err('No tool is known. `mcpx service list` shows what is registered.');
  for (const { service, reason } of value.missing)
    terminal.err(colours.yellow(`${service} may be missing here: ${plain(reason)}`));
  return 0;
};
