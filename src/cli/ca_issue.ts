/** `mcpx ca issue`: a certificate for a person or a script, with a key that is made here. */
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { z } from 'zod';
import { reasonOf } from '../errors.js';
import { personCertificate } from './answers.js';
import { clientOf } from './client.js';
import type { Run } from './command.js';
import { Failure, wrongUsage } from './failure.js';
import { roles } from './token.js';

const given = z.object({
  name: z.string().optional(),
  role: z.string().optional(),
  folder: z.string().default('.'),
});

export const issue: Run = async (invocation) => {
  const { terminal, actions } = invocation;
  const { name, role, folder } = given.parse(invocation.options);
  if (name === undefined || !/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name))
    throw wrongUsage('--name must say whose it is, such as ana or ci.');
  if (!roles.some((each) => each === role))
    throw wrongUsage(`--role must be one of ${roles.join(', ')}.`);
  const path = resolve(terminal.cwd, folder);
  const { key, request } = await actions.certificateRequest();
  const body = { name, role, request };
  const sent = { method: 'POST', path: '/v1/certificates/people', body } as const;
  const { id, chain, roots, until } = (await clientOf(invocation).send(sent, personCertificate))
    .value;
  const files = [
    { variable: 'MCPX_ADMIN_KEY', file: `${name}-key.pem`, text: key, mode: 0o600 },
    { variable: 'MCPX_ADMIN_CERTIFICATE', file: `${name}.pem`, text: chain, mode: 0o644 },
    { variable: 'MCPX_ADMIN_ROOTS', file: 'roots.pem', text: roots, mode: 0o644 },
  ].map((each) => ({ ...each, file: join(path, each.file) }));
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    for (const { file, text, mode } of files) await writeFileAtomic(file, text, { mode });
  } catch (error) {
    throw new Failure(`${path} cannot be written: ${reasonOf(error)}. Name another --folder.`);
  }
  terminal.err(`${id} until ${until}. Whoever is to be that sets:`);
  for (const { variable, file } of files) terminal.out(`export ${variable}=${file}`);
  return 0;
};
