/** `mcpx token`: a token for the admin API, shown once; the configuration keeps its digest. */
import { createHash, randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { Run } from './command.js';
import { wrongUsage } from './failure.js';

/** Of people and scripts. */
export const roles = ['viewer', 'operator', 'admin'] as const;

const given = z.object({
  name: z.string().optional(),
  role: z.string().optional(),
  json: z.boolean().optional(),
});

/** Nothing that YAML or a table would take for more than text. */
const nameShape = /^[A-Za-z0-9][A-Za-z0-9 @._-]{0,63}$/;

export const token: Run = ({ options, terminal }) => {
  const { name = '', role: wanted, json } = given.parse(options);
  const role = roles.find((each) => each === wanted);
  if (role === undefined) throw wrongUsage(`--role must be one of ${roles.join(', ')}.`);
  if (!nameShape.test(name)) throw wrongUsage('--name must say whose it is, such as ana or ci.');
  const made = `mcpxa_${randomBytes(32).toString('base64url')}`;
  const sha256 = createHash('sha256').update(made).digest('hex');
  const entry = { name, role, sha256 };
  if (json) {
    terminal.out(JSON.stringify({ token: made, entry }, undefined, 2));
    return Promise.resolve(0);
  }
  terminal.out(made);
  terminal.err(
    'This token is shown this once. Whoever holds it sets MCPX_ADMIN_TOKEN to it.\n' +
      'Add its digest to mcpx.yaml of every control plane, and start them again:\n\n' +
      `admin:\n  tokens:\n    - {name: "${name}", role: ${role}, sha256: ${sha256}}`,
  );
  return Promise.resolve(0);
};
