/** A file of changes, as `mcpx plan` and `mcpx apply` take it: services.yaml and `remove:`. */
import { z } from 'zod';
import type { ChangesFile } from './changes_file.js';
import type { Invocation } from './command.js';
import { Failure, wrongUsage } from './failure.js';
import { readYaml } from './yaml_file.js';

const changesFile = z.strictObject({
  services: z.array(z.record(z.string(), z.unknown())).nullish(),
  remove: z.array(z.string().min(1)).nullish(),
});

export async function changesOf({ options, terminal }: Invocation): Promise<ChangesFile> {
  const { file } = z.object({ file: z.string().optional() }).parse(options);
  if (file === undefined) throw wrongUsage('Give the file of changes with -f. Help: --help.');
  const { path, content } = await readYaml(terminal, file);
  const read = changesFile.safeParse(Array.isArray(content) ? { services: content } : content);
  const { services, remove } = read.data ?? {};
  if (read.success && (services?.length ?? 0) + (remove?.length ?? 0) > 0)
    return { services: services ?? [], remove: remove ?? [] };
  throw new Failure(
    `${path} must be as services.yaml: a list \`services:\` of registrations, and \`remove:\` of ` +
      'names. The README shows one.',
  );
}
