/** `mcpx call`: one tool call through the gateway, in the era its service speaks. */
import { performance } from 'node:perf_hooks';
import { parseDocument } from 'yaml';
import type { z } from 'zod';
import { nearest } from '../config.js';
import { reasonOf } from '../errors.js';
import {
  closeSession,
  openLegacy,
  openModern,
  request,
  type Session,
} from '../mcp_client/conversation.js';
import { failureText, type Exchange, type Limits } from '../mcp_client/streamable.js';
import { isObject, type JsonObject } from '../mcp_wire.js';
import { toolList } from './answers.js';
import { clientOf } from './client.js';
import type { Invocation, Run } from './command.js';
import { contentText } from './content.js';
import { Failure, wrongUsage } from './failure.js';
import { gatewayUrl } from './settings.js';

type Tool = z.infer<typeof toolList>['tools'][number];

const limits: Limits = { deadlineMs: 300_000 };
const client = { name: 'mcpx-cli', version: '0' };

export const call: Run = async (invocation) => {
  const { options, terminal } = invocation;
  const [name = '', text] = invocation.arguments;
  const parameters = readArguments(text);
  const gateway = options['gateway'];
  const url = gatewayUrl(invocation, typeof gateway === 'string' ? gateway : undefined);
  const tool = await findTool(invocation, name);
  const session = await open(tool, url);
  const begun = performance.now();
  const exchange = await request(session, 'tools/call', { name, arguments: parameters }, limits);
  const tookMs = performance.now() - begun;
  await closeSession(session, { deadlineMs: 2_000 });
  const result = resultOf(exchange, name, url);
  if (options['json']) terminal.out(JSON.stringify(result, undefined, 2));
  if (result['resultType'] === 'input_required')
    throw new Failure(`${name} asks back for input, which mcpx call cannot give.`);
  if (result['isError'] === true)
    throw new Failure(`${name} failed: ${contentText(result) || 'it does not say why'}`);
  if (!options['json']) terminal.out(contentText(result));
  const took = `${name} answered in ${tookMs.toFixed(1)} ms (${session.era}, ${url}/mcp)`;
  terminal.err(terminal.colours.dim(took));
  return 0;
};

function readArguments(text: string | undefined): JsonObject {
  if (text === undefined) return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw wrongUsage(whereInJson(text, error));
  }
  if (isObject(value)) return value;
  throw wrongUsage(`The arguments must be a JSON object such as '{"a": 1}', not ${text}.`);
}

/** The parser's words, and the line with a mark under the place (which V8 does not tell). */
function whereInJson(text: string, error: unknown): string {
  const what = `The arguments are not JSON: ${reasonOf(error)}.`;
  const position = parseDocument(text, { schema: 'json' }).errors[0]?.pos[0];
  if (position === undefined) return what;
  const lineStart = text.lastIndexOf('\n', position - 1) + 1;
  const line = text.slice(lineStart).split('\n', 1)[0] ?? '';
  return `${what}\n  ${line}\n  ${' '.repeat(position - lineStart)}^`;
}

async function findTool(invocation: Invocation, name: string): Promise<Tool> {
  const { value } = await clientOf(invocation).get('/v1/tools', toolList);
  const found = value.tools.find((tool) => tool.name === name);
  if (found) return found;
  const near = nearestTools(
    name,
    value.tools.map((tool) => tool.name),
  );
  const hint = near.length > 0 ? `Did you mean ${near.join(' or ')}?` : '`mcpx tools` lists all.';
  const missing = value.missing.map(({ service, reason }) => `${service} (${reason})`);
  const perhaps = missing.length > 0 ? ` Tools may be missing of ${missing.join(', ')}.` : '';
  throw new Failure(`There is no tool ${name}. ${hint}${perhaps}`);
}

/** Names that hold the word (a tool without its prefix), else the one the fewest edits away. */
function nearestTools(name: string, names: readonly string[]): readonly string[] {
  const holding = names.filter((candidate) => candidate.includes(name));
  if (name !== '' && holding.length > 0) return holding.slice(0, 3);
  return [nearest(name, names) ?? []].flat();
}

async function open({ name, eras, service }: Tool, url: string): Promise<Session> {
  if (eras.length === 0)
    throw new Failure(`It is not known yet what ${service} speaks. Try again in a moment.`);
  const target = { url: `${url}/mcp` };
  const opening = eras.includes('modern') ? openModern : openLegacy;
  const opened = await opening(target, client, limits);
  if (opened.ok) return opened.session;
  const reason = failureText(opened.failure);
  throw new Failure(`${name} was not called: the gateway at ${url} ${reason}. ${mend(reason)}`);
}

const mend = (reason: string): string =>
  reason.includes('cannot be reached')
    ? 'Start one with `mcpx up`, or name it with --gateway.'
    : '`mcpx doctor` looks for the cause.';

function resultOf(exchange: Exchange, name: string, url: string): JsonObject {
  if (exchange.kind === 'accepted') throw new Failure(`${name} answered nothing.`);
  if (exchange.kind !== 'answered') {
    const rpcMessage = exchange.kind === 'refused' ? exchange.error?.message : undefined;
    throw new Failure(
      rpcMessage === undefined
        ? `${name}: the gateway at ${url} ${failureText(exchange)}.`
        : `${name} failed: ${rpcMessage}`,
    );
  }
  const { response } = exchange;
  if ('result' in response) return response.result;
  const { message, code } = response.error;
  throw new Failure(`${name} failed: ${message} (${code})`);
}
