/** Binaries that Go builds from the tools modules `scripts/<name>/go.mod`, kept in a cache folder. */
import { accessSync, constants, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { root, run } from './steps.mjs';

/**
 * @typedef {{name: string, version: string, variable: string, module: string, duration: string}} GoTool
 * @param {GoTool} tool
 * @param {(text: string) => void} report
 * @returns {Promise<string>}
 */
export async function ensureGoTool(tool, report) {
  const told = process.env[tool.variable];
  if (told) {
    if (isProgram(told)) return told;
    throw new Error(`${tool.variable} is ${told}, which is no program; correct or unset it.`);
  }
  const found = onPath(tool.name);
  if (found) return found;
  const cached = path.join(cacheFolder(), `${tool.name}-${tool.version}`, tool.name);
  if (isProgram(cached)) return cached;
  await build(tool, cached, report);
  return cached;
}

async function build({ name, version, variable, module, duration }, target, report) {
  const go = onPath('go');
  if (!go)
    throw new Error(
      `No ${name} was found. Set ${variable} to a ${name} binary, or put ${name} on PATH, ` +
        `or install Go (https://go.dev/dl) so that ${name} ${version} can be built.`,
    );
  report(`building ${name} ${version} with Go (${duration})`);
  mkdirSync(path.dirname(target), { recursive: true });
  // Several set-ups may build at once; each has its own file, and the last rename stays.
  const partial = `${target}.${process.pid}`;
  const flags = ['build', '-trimpath', '-ldflags', '-s -w', '-o', partial, module];
  try {
    await run(go, flags, { cwd: path.join(root, 'scripts', name) });
    renameSync(partial, target);
  } catch (error) {
    throw new Error(
      `${name} ${version} could not be built: ${lastLines(error.message)}\n` +
        `Set ${variable} to a ${name} binary, or put ${name} on PATH.`,
      { cause: error },
    );
  } finally {
    rmSync(partial, { force: true });
  }
  report(`built ${target}`);
}

export function lastLines(text) {
  return text.trim().split('\n').slice(-5).join('\n');
}

export function cacheFolder() {
  const base = process.env.XDG_CACHE_HOME || path.join(homedir(), '.cache');
  return path.join(base, 'mcpx', 'bin');
}

export function onPath(name) {
  const folders = (process.env.PATH ?? '').split(path.delimiter).filter(Boolean);
  return folders.map((folder) => path.join(folder, name)).find(isProgram);
}

export function isProgram(file) {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
