/** What a command needs of `mcpx.yaml`, the variables and its flags. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { rootCertificates } from 'node:tls';
import { z } from 'zod';
import { adminUrlOf as adminUrlHere, localRoots } from '../admin_client/address.js';
import type { Credentials } from '../admin_client/call.js';
import { heldToken } from '../admin_client/local_token.js';
import { readConfig, type Config } from '../config.js';
import { reasonOf } from '../errors.js';
import { isLoopback, reachedHost } from '../loopback.js';
import type { Invocation } from './command.js';
import { Failure } from './failure.js';

const shared = z.object({
  admin: z.string().optional(),
  config: z.string().optional(),
  env: z.string().optional(),
});

type Flags = Readonly<Record<string, unknown>>;

/** The configuration in effect; `flags` win over everything else. */
export function configFor({ options, terminal }: Invocation, flags: Flags = {}): Config {
  const { env, cwd } = terminal;
  const { env: environment } = shared.pick({ env: true }).parse(options);
  const named = environment === undefined ? flags : { ...flags, environment };
  const read = readConfig({ file: fileOf({ options }), env, cwd, flags: named });
  if (read.ok) return read.value;
  const reasons = read.problems.map(({ message }) => `  ${message}`).join('\n');
  throw new Failure(`The configuration is wrong. Correct it, then try again:\n${reasons}`);
}

const fileOf = ({ options }: Pick<Invocation, 'options'>): string | undefined =>
  typeof options['config'] === 'string' ? options['config'] : undefined;

/** `--admin`, else that of `--env`, else MCPX_ADMIN_URL, else where the configuration puts it. */
export function adminUrl(invocation: Invocation): string {
  const { admin, env } = shared.pick({ admin: true, env: true }).parse(invocation.options);
  if (admin === undefined && env !== undefined) return adminUrlOf(env, invocation);
  const named = admin ?? invocation.terminal.env['MCPX_ADMIN_URL'];
  if (named !== undefined && named !== '') return checkedUrl(named, '--admin');
  return adminUrlHere(configFor(invocation));
}

/** Never another environment's: what is meant for staging must not reach production. */
function adminUrlOf(environment: string, invocation: Invocation): string {
  const known = configFor(invocation).environments[environment]?.admin;
  if (known !== undefined) return checkedUrl(known, 'environments');
  // As configured without the flag.
  const { env, ...options } = invocation.options;
  const own = configFor({ ...invocation, options });
  if (own.environment === env) return adminUrlHere(own);
  throw new Failure(
    `No admin API of the environment ${environment} is known. Set ` +
      `environments.${environment}.admin in mcpx.yaml, or name it with --admin.`,
  );
}

/**
 * Who this is to the admin API, and whom it believes to be one: by variables. Without
 * MCPX_ADMIN_ROOTS also whom the control plane of this machine names, beside the public ones;
 * without token and certificate whoever may read its data folder, to that control plane only.
 */
export async function credentialsFor(invocation: Invocation): Promise<Credentials> {
  const { env, cwd } = invocation.terminal;
  const content = async (variable: string): Promise<string | undefined> => {
    const path = env[variable];
    if (path === undefined || path === '') return undefined;
    return readFile(resolve(cwd, path), 'utf8').catch((error: unknown) => {
      throw new Failure(`${variable} cannot be read: ${reasonOf(error)}.`);
    });
  };
  const certificate = await content('MCPX_ADMIN_CERTIFICATE');
  const key = await content('MCPX_ADMIN_KEY');
  if ((certificate === undefined) !== (key === undefined))
    throw new Failure('Set MCPX_ADMIN_CERTIFICATE and MCPX_ADMIN_KEY, or neither of them.', 2);
  const here = configHere(invocation);
  const roots = (await content('MCPX_ADMIN_ROOTS')) ?? (here && (await rootsHere(here)));
  const named = env['MCPX_ADMIN_TOKEN'] || undefined;
  const isKnown = named !== undefined || certificate !== undefined;
  const token = isKnown ? named : here && (await tokenHere(here, invocation));
  return { token, certificate, key, roots };
}

/** Asking another control plane must not fail for what is wrong with the configuration here. */
function configHere(invocation: Invocation): Config | undefined {
  const { env, cwd } = invocation.terminal;
  const read = readConfig({ env, cwd, file: fileOf(invocation) });
  return read.ok ? read.value : undefined;
}

async function rootsHere(config: Config): Promise<string | undefined> {
  const roots = await localRoots(config.data);
  return roots && [...rootCertificates, roots].join('\n');
}

/** It makes whoever holds it admin here, so that nobody elsewhere is ever sent it. */
async function tokenHere(config: Config, invocation: Invocation): Promise<string | undefined> {
  const url = adminUrl(invocation);
  const isHere = url === adminUrlHere(config) || isOnThisMachine(url, invocation);
  return isHere ? heldToken(config.data, 'cli') : undefined;
}

/** Another environment's may be the far end of a tunnel. */
const isOnThisMachine = (url: string, { options }: Invocation): boolean =>
  options['env'] === undefined && isLoopback(new URL(url).hostname);

/** Whether somebody said which control plane is meant, rather than the one here. */
export function adminIsNamed({ options, terminal }: Invocation): boolean {
  return Boolean(options['admin'] ?? options['env'] ?? terminal.env['MCPX_ADMIN_URL']);
}

/** `--gateway`, else where the configuration puts it. */
export function gatewayUrl(invocation: Invocation, named: string | undefined): string {
  return named === undefined
    ? urlOf(configFor(invocation).gateway)
    : checkedUrl(named, '--gateway');
}

/** Where something that listens on `host` is reached from this machine. */
const urlOf = ({ host, port }: { readonly host: string; readonly port: number }): string =>
  `http://${reachedHost(host)}:${port}`;

function checkedUrl(text: string, flag: string): string {
  const url = /^https?:\/\//.test(text) ? text : `http://${text}`;
  if (!URL.canParse(url))
    throw new Failure(`${flag} must be an address such as http://127.0.0.1:8081, not ${text}.`, 2);
  return url.replace(/\/+$/, '');
}
