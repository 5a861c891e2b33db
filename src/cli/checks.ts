/** The checks of `mcpx doctor`: each looks at one thing and says how it is mended. */
import { execFile } from 'node:child_process';
import { access, constants, readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { satisfies } from 'semver';
import { parse } from 'yaml';
import { z } from 'zod';
import type { Config } from '../config.js';
import { reasonOf } from '../errors.js';
import { packageFile } from '../package_file.js';
import { nodeList, problemList } from './answers.js';
import { certificateFindings, lateNodes } from './certificate_check.js';
import { clientOf, type AdminClient } from './client.js';
import type { Invocation } from './command.js';
import { Failure } from './failure.js';
import { aboutText } from './problems.js';

export interface Finding {
  readonly state: 'ok' | 'warning' | 'failed';
  readonly what: string;
  readonly found: string;
  readonly mend?: string;
}

type Check = (invocation: Invocation, config: Config) => Promise<readonly Finding[]>;

export const checks: readonly Check[] = [
  nodeVersion,
  envoyBinary,
  dataFolder,
  keyFiles,
  registries,
  portsAndControlPlane,
];

const run = promisify(execFile);
const deadlineMs = 3_000;

async function nodeVersion(): Promise<readonly Finding[]> {
  const manifest = z.object({ engines: z.object({ node: z.string() }) });
  const text = await readFile(packageFile('package.json'), 'utf8');
  const wanted = manifest.parse(JSON.parse(text)).engines.node;
  const what = 'Node.js';
  const found = process.versions.node;
  if (satisfies(found, wanted)) return [{ state: 'ok', what, found }];
  return [{ state: 'failed', what, found, mend: `Install Node.js ${wanted}.` }];
}

/** Python only fetches Envoy, so it is missed only where there is no Envoy. */
async function envoyBinary(
  { actions, terminal }: Invocation,
  { envoy }: Config,
): Promise<readonly Finding[]> {
  const what = 'Envoy';
  const search = await actions.findEnvoy({ binary: envoy.binary, env: terminal.env });
  if (search.ok) {
    const { path, version } = search.value;
    return [{ state: 'ok', what, found: `${version} at ${path}` }];
  }
  const message = search.problems.map((each) => each.message).join(' ');
  if (search.problems.some(({ code }) => code === 'envoy_too_old'))
    return [{ state: 'failed', what, found: 'too old', mend: message }];
  try {
    const { stdout } = await run('python3', ['-m', 'pip', '--version'], { timeout: 10_000 });
    const pip = stdout.trim().split(' ').slice(0, 2).join(' ');
    const found = `not here yet (${pip} can fetch it)`;
    return [{ state: 'warning', what, found, mend: '`mcpx up` fetches it the first time.' }];
  } catch {
    const found = 'none, and no Python 3 with pip to fetch it';
    return [{ state: 'failed', what, found, mend: message }];
  }
}

async function dataFolder(_: Invocation, { data }: Config): Promise<readonly Finding[]> {
  const what = 'data folder';
  try {
    await access(data, constants.W_OK);
    return [{ state: 'ok', what, found: `${data} can be written` }];
  } catch (error) {
    const parent = await existingParent(data);
    const absent = (error as NodeJS.ErrnoException).code === 'ENOENT';
    if (absent && (await isWritable(parent)))
      return [{ state: 'ok', what, found: `${data} will be made` }];
    const mend = `Make ${absent ? parent : data} writable, or set data (--data) to another folder.`;
    return [{ state: 'failed', what, found: `${data} cannot be written`, mend }];
  }
}

const isWritable = (path: string): Promise<boolean> =>
  access(path, constants.W_OK).then(
    () => true,
    () => false,
  );

async function existingParent(path: string): Promise<string> {
  const parent = dirname(path);
  if (parent === path) return path;
  return stat(parent).then(
    () => parent,
    () => existingParent(parent),
  );
}

/** Who reads one can forge sessions, or be the filter service. */
async function keyFiles(_: Invocation, { data }: Config): Promise<readonly Finding[]> {
  const files = await readdir(data).catch(() => []);
  const keys = files.filter((file) => file.endsWith('.key')).map((file) => join(data, file));
  return Promise.all(
    keys.map(async (path) => {
      const open = (await stat(path)).mode & 0o077;
      const what = 'key file';
      if (open === 0) return { state: 'ok', what, found: `${path} is for its owner only` } as const;
      const mend = `chmod 600 ${path}`;
      return { state: 'failed', what, found: `others can read ${path}`, mend } as const;
    }),
  );
}

async function registries(_: Invocation, { registry }: Config): Promise<readonly Finding[]> {
  const { file, consul, etcd } = registry;
  const looks = [
    ...(file === undefined ? [] : [fileRegistry(file)]),
    ...(consul ? [answers('Consul', `${consul.address}/v1/status/leader`, 'consul.address')] : []),
    ...(etcd?.endpoints ?? []).map((url) => answers('etcd', `${url}/health`, 'etcd.endpoints')),
  ];
  return Promise.all(looks);
}

async function fileRegistry(path: string): Promise<Finding> {
  const what = 'file registry';
  try {
    parse(await readFile(path, 'utf8'));
    return { state: 'ok', what, found: path };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      return { state: 'ok', what, found: `${path} is not there yet` };
    const reason = reasonOf(error).split('\n', 1)[0] ?? '';
    return { state: 'failed', what, found: reason, mend: `Correct ${path}.` };
  }
}

async function answers(what: string, url: string, key: string): Promise<Finding> {
  const mend = `Start ${what}, or correct registry.${key} in mcpx.yaml.`;
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(deadlineMs) });
    const text = (await answer.text()).trim();
    const healthy = answer.ok && text !== '""' && !text.includes('"false"');
    if (healthy) return { state: 'ok', what, found: `${url} answers` };
    return { state: 'failed', what, found: `${url}: HTTP ${answer.status} ${text}`, mend };
  } catch (error) {
    const cause = error instanceof Error && error.cause ? error.cause : error;
    return { state: 'failed', what, found: `${url}: ${reasonOf(cause)}`, mend };
  }
}

async function portsAndControlPlane(
  invocation: Invocation,
  config: Config,
): Promise<readonly Finding[]> {
  const client = clientOf(invocation);
  const state = await controlPlane(client);
  const taken = await invocation.actions.portProblems(config);
  const runs = state.some(({ state }) => state === 'ok');
  const what = 'ports';
  if (taken.length === 0) return [{ state: 'ok', what, found: 'all free' }, ...state];
  if (runs) {
    const found = `${taken.length} in use, as they are while MCPX runs`;
    return [{ state: 'ok', what, found }, ...state];
  }
  const held = taken.map(({ message, subject }) => ({
    state: 'failed' as const,
    what,
    found: `${subject.path ?? 'a port'} is in use`,
    mend: message,
  }));
  return [...held, ...state];
}

/** Whether one answers; and if so, what it says is wrong. */
async function controlPlane(client: AdminClient): Promise<readonly Finding[]> {
  const what = 'control plane';
  try {
    const ready = await client.get('/readyz', z.object({ detail: z.string() }));
    const found = `${client.url}: ${ready.value.detail}`;
    return [
      { state: 'ok', what, found },
      ...(await nodes(client)),
      ...(await certificateFindings(client)),
      ...(await problems(client)),
    ];
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    if (error.json !== undefined) return [{ state: 'failed', what, found: error.message }];
    const mend = 'Start one with `mcpx up`, or name it with --admin.';
    return [{ state: 'warning', what, found: `none answers at ${client.url}`, mend }];
  }
}

async function nodes(client: AdminClient): Promise<readonly Finding[]> {
  const { value } = await client.get('/v1/nodes', nodeList);
  const what = 'Envoys';
  const refusing = value.nodes.filter(({ inSync }) => !inSync).map(({ id }) => id);
  const late = lateNodes(value.nodes);
  if (value.nodes.length === 0)
    return [{ state: 'warning', what, found: 'none is connected', mend: 'See `mcpx bootstrap`.' }];
  if (refusing.length === 0)
    return [{ state: 'ok', what, found: `${value.nodes.length} connected, all in sync` }, ...late];
  const mend = `\`mcpx fleet ${refusing[0] ?? ''}\` says why.`;
  return [{ state: 'warning', what, found: `not in sync: ${refusing.join(', ')}`, mend }, ...late];
}

async function problems(client: AdminClient): Promise<readonly Finding[]> {
  const { value } = await client.get('/v1/problems', problemList);
  return value.problems.map((problem) => ({
    state: problem.severity === 'error' ? ('failed' as const) : ('warning' as const),
    what: 'problem',
    found: `${aboutText(problem)} (${problem.code})`,
    mend: problem.message,
  }));
}
