/** Runs the official suite against one URL, and reads what it found, check by check. */
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { packageFile } from '../../src/package_file.js';
import { startChild } from '../../test/real/parts/child.js';

export type Status = 'SUCCESS' | 'INFO' | 'SKIPPED' | 'WARNING' | 'FAILURE';

export interface Check {
  readonly scenario: string;
  readonly id: string;
  readonly status: Status;
  readonly message: string;
}

export interface Selection {
  /** How it is called in tables. */
  readonly title: string;
  readonly revision: '2025-11-25' | '2026-07-28';
  /** The suite's folder in node_modules. */
  readonly package: string;
  readonly arguments: readonly string[];
}

const selectionOf = (revision: Selection['revision'], version: string): Selection => ({
  title: `${revision}, suite ${version}`,
  revision,
  package: '@modelcontextprotocol/conformance',
  arguments: ['--requirements', revision],
});

export function selections(): readonly Selection[] {
  const alpha = versionOf('@modelcontextprotocol/conformance');
  return [
    selectionOf('2025-11-25', alpha),
    {
      title: `2025-11-25, suite ${versionOf('conformance-stable')} (latest stable)`,
      revision: '2025-11-25',
      package: 'conformance-stable',
      arguments: ['--suite', 'all'],
    },
    selectionOf('2026-07-28', alpha),
  ];
}

const versionOf = (name: string): string =>
  (JSON.parse(readFileSync(fileOf(name, 'package.json'), 'utf8')) as { version: string }).version;

const fileOf = (name: string, file: string): string => packageFile(`node_modules/${name}/${file}`);

/** What the revision requires; undefined: the suite does not say, so everything counts. */
export function requiredScenarios(selection: Selection): ReadonlySet<string> | undefined {
  if (!selection.arguments.includes('--requirements')) return undefined;
  const file = fileOf(selection.package, `requirements/${selection.revision}.yaml`);
  const { server } = parse(readFileSync(file, 'utf8')) as { server: string[] };
  return new Set(server);
}

/** The longest run seen took 7 s; each call that hangs costs 30 s. */
const runLimitMs = 600_000;

export async function runSuite(selection: Selection, url: string): Promise<readonly Check[]> {
  const folder = mkdtempSync(join(tmpdir(), 'mcpx-conformance-'));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  process.once('exit', remove);
  const hook = packageFile('scripts/conformance/without_glob.mjs');
  const child = startChild(process.execPath, [
    ...['--import', hook, fileOf(selection.package, 'dist/index.js'), 'server'],
    ...['--url', url, '--output-dir', folder, ...selection.arguments],
  ]);
  try {
    await ended(child.process);
    const checks = readChecks(folder);
    if (checks.length === 0)
      throw new Error(`The suite found nothing at ${url}:\n${child.output()}`);
    return checks;
  } finally {
    await child.stop();
    process.off('exit', remove);
    remove();
  }
}

/** Its exit code says only whether all passed: the checks say more. */
function ended(child: ReturnType<typeof startChild>['process']): Promise<void> {
  return new Promise((resolve, reject) => {
    const limit = setTimeout(() => {
      reject(new Error(`The suite was not done after ${runLimitMs / 1_000} s.`));
    }, runLimitMs);
    child.once('exit', () => {
      clearTimeout(limit);
      resolve();
    });
  });
}

interface WrittenCheck {
  readonly id: string;
  readonly status: Status;
  readonly errorMessage?: string;
}

/** A folder for each scenario, `server-NAME-TIME`, with its checks. */
function readChecks(folder: string): readonly Check[] {
  return readdirSync(folder).flatMap((name) => {
    const scenario = /^server-(.+)-\d{4}-\d\d-\d\dT/.exec(name)?.[1] ?? name;
    const written = readFileSync(join(folder, name, 'checks.json'), 'utf8');
    return (JSON.parse(written) as WrittenCheck[]).map(({ id, status, errorMessage = '' }) => ({
      scenario,
      id,
      status,
      message: errorMessage,
    }));
  });
}
