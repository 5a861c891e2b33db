/** `mcpx canary status`: drawn again and again where a person looks, until the rollout ends. */
import { rolloutStatus } from './answers.js';
import { clientOf, segment } from './client.js';
import type { Run } from './command.js';
import { Failure } from './failure.js';
import { picture } from './rollout_picture.js';

const lookMs = 500;

export const status: Run = async (invocation) => {
  const { terminal, options } = invocation;
  const client = clientOf(invocation);
  const path = `/v1/services/${segment(invocation.arguments[0] ?? '')}/rollout`;
  let { value, json } = await client.get(path, rolloutStatus);
  const { redraw } = terminal;
  if (options['json'] || options['once'] || redraw === undefined) {
    terminal.out(options['json'] ? json : picture(value, terminal, Date.now()));
    return 0;
  }
  let away = '';
  for (;;) {
    redraw([picture(value, terminal, Date.now()), ...(away ? [away] : [])].join('\n'));
    if (!value.open) return 0;
    await new Promise((wake) => setTimeout(wake, lookMs));
    try {
      ({ value, json } = await client.get(path, rolloutStatus));
      away = '';
    } catch (error) {
      // The control plane may be starting again; Envoys go on meanwhile.
      if (!(error instanceof Failure)) throw error;
      away = terminal.colours.red(error.message);
    }
  }
};
