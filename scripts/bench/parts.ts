/** The processes of a whole MCPX, by what they are there for. */
import type { Mcpx } from '../../test/real/parts/mcpx.js';
import { descendantsOf } from '../../test/real/parts/processes.js';

/** Each has a shell around it that ends it with the supervisor: the program itself is meant. */
const commands = {
  envoy: /^\S*envoy\S* -c /,
  filter: /^\S*node\S* \S*main\.js filter/,
  control: /^\S*node\S* \S*main\.js serve/,
} as const;

type Part = keyof typeof commands;

export function pidsOf<Wanted extends Part>(
  mcpx: Mcpx,
  ...wanted: readonly Wanted[]
): Record<Wanted, number> {
  const below = descendantsOf(mcpx.process.pid ?? 0);
  const pids = wanted.map((part) => {
    const pid = below.find(({ command }) => commands[part].test(command))?.pid;
    return [part, pid ?? 0] as const;
  });
  return Object.fromEntries(pids) as Record<Wanted, number>;
}
