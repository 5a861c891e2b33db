/** `mcpx join`: lets this machine's Envoy in, and keeps its certificate fresh. */
import { resolve } from 'node:path';
import { z } from 'zod';
import { replicasIn, textOf, type Address } from './addresses.js';
import { joinToken } from './answers.js';
import { clientOf } from './client.js';
import type { Invocation, Run } from './command.js';
import { Failure, wrongUsage } from './failure.js';

/** Where a certificate lies unless told; the bootstrap of its Envoy names the same. */
export const usualFolder = '/etc/mcpx/identity';

const given = z.object({
  token: z.string().optional(),
  xds: z.array(z.string()).optional(),
  folder: z.string().default(usualFolder),
  once: z.boolean().default(false),
});

export const join: Run = async ({ options, terminal, actions }) => {
  const { token, xds, folder, once } = given.parse(options);
  if (xds === undefined)
    throw wrongUsage('Say with --xds HOST:PORT where the control plane answers Envoys.');
  const joined = await actions.join({
    token: token === '-' ? (await terminal.readInput()).trim() : token?.trim(),
    ...{ xds: replicasIn(xds), folder: resolve(terminal.cwd, folder), once },
  });
  if (!joined.ok) throw new Failure(joined.problems.map(({ message }) => message).join('\n'));
  const { id, expiresAt } = joined.value;
  const until = new Date(expiresAt).toISOString();
  if (once) terminal.err(`${folder} holds the certificate of ${id} until ${until}.`);
  return 0;
};

type Wish = { readonly role: 'edge' } | { readonly role: 'sidecar'; readonly service: string };

interface Joining {
  readonly xds: readonly Address[];
  readonly folder: string;
}

/** What is to be typed on the machine of an Envoy before it starts. */
export async function joiningWords(
  invocation: Invocation,
  wish: Wish,
  { xds, folder }: Joining,
): Promise<string> {
  const request = { method: 'POST', path: '/v1/join-tokens', body: wish } as const;
  const { token, until } = (await clientOf(invocation).send(request, joinToken)).value;
  const where = xds.map(textOf).join(',');
  return (
    `On the machine of this Envoy, before it starts. The token is good once, until ${until}:\n` +
    `  mcpx join --token ${token} --xds ${where} --folder ${folder}`
  );
}
