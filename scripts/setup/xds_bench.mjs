/** The two Go programs of `bench:xds`, built once for each state of their sources. */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { cacheFolder, isProgram, lastLines, onPath } from './go_tool.mjs';
import { root, run, step } from './steps.mjs';

const sources = path.join(root, 'scripts', 'bench', 'xds');
const programs = ['reference', 'fleet'];

/** Their folder is in XDS_BENCH_BIN for all that is started after. */
export async function setUpXdsBench() {
  process.env.XDS_BENCH_BIN = await step('go-control-plane and the client fleet', ensurePrograms);
}

async function ensurePrograms(report) {
  const folder = path.join(cacheFolder(), `xds-bench-${stateOfSources()}`);
  if (programs.every((name) => isProgram(path.join(folder, name)))) return folder;
  const go = onPath('go');
  if (!go)
    throw new Error(
      'bench:xds measures MCPX beside go-control-plane, which Go builds: install Go ' +
        '(https://go.dev/dl) and put it on PATH.',
    );
  report('building with Go (about a minute, once)');
  const partial = `${folder}.${process.pid}`;
  mkdirSync(partial, { recursive: true });
  try {
    const packages = programs.map((name) => `./${name}`);
    const flags = ['build', '-trimpath', '-ldflags', '-s -w', '-o', `${partial}${path.sep}`];
    await run(go, [...flags, ...packages], { cwd: sources });
    rmSync(folder, { recursive: true, force: true });
    renameSync(partial, folder);
  } catch (error) {
    const reason = lastLines(error.message);
    throw new Error(`The benchmark's Go programs could not be built: ${reason}`, { cause: error });
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
  return folder;
}

function stateOfSources() {
  const files = readdirSync(sources, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && /\.(go|mod|sum)$/.test(entry.name))
    .map((entry) => path.join(entry.parentPath, entry.name))
    .sort();
  const state = createHash('sha256');
  for (const file of files)
    state.update(`${path.relative(sources, file)}\n`).update(readFileSync(file));
  return state.digest('hex').slice(0, 12);
}
