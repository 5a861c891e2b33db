/**
 * What has to be in place before anything of ours can run: the right Node, the
 * dependencies, the build. Each step looks first, so the second time is quick.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

const nodeNeeded = [20, 19];

/** A step's line: what is being done, then how long it took. */
export async function step(title, work) {
  const startedAt = Date.now();
  process.stderr.write(`• ${title} …`);
  const noted = [];
  const result = await work((text) => noted.push(text));
  const seconds = ((Date.now() - startedAt) / 1000).toFixed(1);
  process.stderr.write(` ${noted.length > 0 ? noted.join(', ') : 'done'} (${seconds} s)\n`);
  return result;
}

/** Ends the process with one clear message. */
export function giveUp(message) {
  process.stderr.write(`\n✗ ${message}\n`);
  process.exit(1);
}

/** Runs the work; when it fails, its message is the last word. */
export async function orGiveUp(work) {
  try {
    return await work();
  } catch (error) {
    return giveUp(error.message);
  }
}

/** Node, the dependencies and the build, then what else this command needs, in order. */
export async function setUp(...further) {
  await orGiveUp(async () => {
    checkNode();
    await ensureDependencies();
    await ensureBuild();
    for (const next of further) await next();
  });
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  const [neededMajor, neededMinor] = nodeNeeded;
  if (major > neededMajor || (major === neededMajor && minor >= neededMinor)) return;
  giveUp(
    `Node ${process.versions.node} is too old: MCPX needs ${nodeNeeded.join('.')} or newer. ` +
      'Install it from https://nodejs.org or with your version manager (`nvm install 20`).',
  );
}

/** Runs a command to its end; its output is shown only when it fails. */
export function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...options,
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk) => (output += chunk));
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0
        ? resolve(output)
        : reject(new Error(`\`${command} ${args.join(' ')}\` failed:\n${output.trim()}`)),
    );
  });
}

/** `npm ci` when node_modules does not stand for the present lock file. */
async function ensureDependencies() {
  const stamp = join(root, 'node_modules', '.mcpx-lock');
  const wanted = hashOf(readFileSync(join(root, 'package-lock.json')));
  if (readIfThere(stamp) === wanted) return;
  await step('installing dependencies', async () => {
    await run('npm', ['ci', '--no-audit', '--no-fund']);
    writeFileSync(stamp, wanted);
  });
}

/** Generates Envoy's types and compiles when a source changed since the last time. */
async function ensureBuild() {
  const stamp = join(root, 'dist', '.mcpx-sources');
  const wanted = hashOf(sourcesState());
  if (readIfThere(stamp) === wanted) return;
  await step('building', async () => {
    await run(process.execPath, ['scripts/generate_types.mjs']);
    await run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', '.']);
    writeFileSync(stamp, wanted);
  });
}

function sourcesState() {
  const files = ['src', 'test', 'scripts', 'protos'].flatMap((folder) =>
    filesIn(join(root, folder)),
  );
  const state = files.map((file) => `${file} ${statSync(file).size} ${statSync(file).mtimeMs}`);
  return `${readFileSync(join(root, 'tsconfig.json'))}${state.join('\n')}`;
}

function filesIn(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => !file.includes(join('src', 'generated')))
    .sort();
}

const hashOf = (text) => createHash('sha256').update(text).digest('hex');
const readIfThere = (file) => (existsSync(file) ? readFileSync(file, 'utf8') : undefined);
