/** What a person hands to a command as a file, or as `-` through a pipe. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parse } from 'yaml';
import { reasonOf } from '../errors.js';
import { Failure } from './failure.js';
import type { Terminal } from './terminal.js';

interface YamlFile {
  /** For sentences about it. */
  readonly path: string;
  readonly content: unknown;
}

export async function readYaml(terminal: Terminal, file: string): Promise<YamlFile> {
  const path = file === '-' ? 'stdin' : resolve(terminal.cwd, file);
  try {
    const text = file === '-' ? await terminal.readInput() : await readFile(path, 'utf8');
    return { path, content: parse(text) };
  } catch (error) {
    throw new Failure(`${path} cannot be read: ${reasonOf(error)}`);
  }
}
