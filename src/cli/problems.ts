/** `mcpx problems`: what is wrong at present, and who must act. */
import type { z } from 'zod';
import { problemList } from './answers.js';
import { clientOf } from './client.js';
import type { Run } from './command.js';
import { plain, table } from './table.js';

export const problems: Run = async (invocation) => {
  const { options, terminal } = invocation;
  const { value, json } = await clientOf(invocation).get('/v1/problems', problemList);
  if (options['json']) {
    terminal.out(json);
    return 0;
  }
  if (value.problems.length === 0) {
    terminal.out('No problems.');
    return 0;
  }
  const { colours } = terminal;
  const rows = value.problems.map((problem) => [
    problem.severity === 'error' ? colours.red('error') : colours.yellow('warning'),
    aboutText(problem),
    problem.actor,
    plain(problem.message),
  ]);
  terminal.out(table(terminal, ['', 'ABOUT', 'WHO ACTS', 'WHAT TO DO'], rows));
  return 0;
};

/** The parts of the subject from large to small. */
export function aboutText({ subject }: z.infer<typeof problemList>['problems'][number]): string {
  const parts = ['node', 'source', 'service', 'instance', 'path'].flatMap(
    (part) => subject[part] ?? [],
  );
  return plain(parts.join(' ')) || 'MCPX';
}
