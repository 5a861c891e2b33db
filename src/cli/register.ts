/** `mcpx service register`: one instance by flags, or a file of them. */
import { z } from 'zod';
import { registered, serviceDetail } from './answers.js';
import { clientOf, segment, type AdminClient } from './client.js';
import type { Invocation, Run } from './command.js';
import { Failure, wrongUsage } from './failure.js';
import { stateText } from './service.js';
import { plain } from './table.js';
import type { Terminal } from './terminal.js';
import { readYaml } from './yaml_file.js';

const given = z.object({
  url: z.string().optional(),
  version: z.string().optional(),
  era: z.string().optional(),
  tag: z.array(z.string()).optional(),
  file: z.string().optional(),
  wait: z.boolean(),
  json: z.boolean().optional(),
});

type Document = Readonly<Record<string, unknown>>;

/** How long a server is given to be seen, probed and shown. */
const waitMs = 5_000;
const pollMs = 150;

export const register: Run = async (invocation) => {
  const { terminal } = invocation;
  const options = given.parse(invocation.options);
  const documents = await documentsOf(invocation, options);
  const client = clientOf(invocation);
  let failures = 0;
  for (const document of documents) {
    try {
      await registerOne(client, document, options, terminal);
    } catch (error) {
      if (!(error instanceof Failure) || documents.length === 1) throw error;
      failures++;
      if (options.json && error.json !== undefined) terminal.out(error.json);
      terminal.err(terminal.colours.red(`${nameOf(document)}: ${error.message}`));
    }
  }
  return failures === 0 ? 0 : 1;
};

const changeText = { added: 'Registered', replaced: 'Replaced', unchanged: 'Unchanged:' } as const;

async function registerOne(
  client: AdminClient,
  document: Document,
  { json: asJson, wait }: { readonly json?: boolean | undefined; readonly wait: boolean },
  terminal: Terminal,
): Promise<void> {
  const sent = { method: 'POST', path: '/v1/services', body: document } as const;
  const { value, json } = await client.send(sent, registered);
  for (const { message } of value.warnings)
    terminal.err(terminal.colours.yellow(`Warning: ${plain(message)}`));
  if (asJson) {
    terminal.out(json);
    return;
  }
  const { name, version, id, source } = value.registration;
  const done = changeText[value.change];
  const { replaces = version } = value;
  const other = replaces === version ? '' : `, where ${replaces} was`;
  terminal.out(`${done} ${name} ${version} at ${id} in the ${source} registry${other}.`);
  if (wait) terminal.out(await whatCameOfIt(client, name, id, terminal));
}

/** Waits until the instance was seen and its service asked; then says what it offers. */
async function whatCameOfIt(
  client: AdminClient,
  name: string,
  id: string,
  { colours }: Terminal,
): Promise<string> {
  const deadline = Date.now() + waitMs;
  while (Date.now() < deadline) {
    const detail = await client
      .get(`/v1/services/${segment(name)}`, serviceDetail)
      .catch(() => undefined);
    const { summary, tools, instances } = detail?.value ?? {};
    if (summary && summary.state !== 'unasked' && instances?.some((each) => each.id === id)) {
      const names = (tools ?? []).map((tool) => plain(tool.name));
      const state = stateText(summary.state, colours);
      if (summary.state !== 'ready') return `It is ${state}: ${plain(summary.reason ?? '')}`;
      return `It is ${state}, tools: ${shortList(names)}`;
    }
    await new Promise((wake) => setTimeout(wake, pollMs));
  }
  return `It was not asked for its tools yet. See \`mcpx service show ${name}\`.`;
}

function shortList(names: readonly string[]): string {
  const shown = names.slice(0, 5).join(', ') || 'none';
  return names.length > 5 ? `${shown}, … (${names.length})` : shown;
}

async function documentsOf(
  invocation: Invocation,
  { file, url, version, era, tag }: z.infer<typeof given>,
): Promise<readonly Document[]> {
  const name = invocation.arguments[0];
  const fields = { name, url, version, era, tags: tag };
  const written = Object.entries(fields).filter(([, value]) => value !== undefined);
  if (file === undefined) {
    const missing = [
      ...(name === undefined ? ['NAME'] : []),
      ...(url === undefined ? ['--url'] : []),
      ...(version === undefined ? ['--version'] : []),
    ];
    if (missing.length > 0)
      throw wrongUsage(`Give ${missing.join(', ')}, or a file with -f. Help: --help.`);
    return [Object.fromEntries(written)];
  }
  if (written.length > 0)
    throw wrongUsage(`With -f everything is said in the file: leave out ${written[0]?.[0]}.`);
  return readDocuments(invocation.terminal, file);
}

/** One mapping, a list of them, or a mapping with `services:` as in services.yaml. */
async function readDocuments(terminal: Terminal, file: string): Promise<readonly Document[]> {
  const { path, content } = await readYaml(terminal, file);
  const isMapping = (value: unknown): value is Document =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  const inner = isMapping(content) && 'services' in content ? content['services'] : content;
  const list: readonly unknown[] = Array.isArray(inner) ? inner : [inner];
  const documents = list.filter(isMapping);
  if (list.length > 0 && documents.length === list.length) return documents;
  throw new Failure(
    `${path} must hold a registration (name, version, url, …), or a list of them. ` +
      'The README shows one.',
  );
}

function nameOf({ name }: Document): string {
  return typeof name === 'string' ? name : 'A registration without a name';
}
