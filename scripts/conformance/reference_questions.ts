/**
 * The tools of the reference server that ask the client before they answer.
 * Written once: a modern client gets `input_required`, and for a legacy one
 * the SDK sends the same questions as requests on the stream of the call.
 */
import {
  CLIENT_CAPABILITIES_META_KEY,
  acceptedContent,
  inputRequired,
  inputResponse,
  type CallToolResult,
  type ClientCapabilities,
  type InputRequests,
  type McpServer,
  type RequestStateCodec,
  type ServerContext,
} from '@modelcontextprotocol/server';
import { z } from 'zod';
import { elicitationForms } from './reference_forms.js';

type Question = InputRequests[string];

const form = (message: string, field: string, type: 'string' | 'boolean'): Question =>
  inputRequired.elicit({
    message,
    requestedSchema: {
      type: 'object',
      properties: { [field]: type === 'string' ? { type } : { type } },
      required: [field],
    },
  });

const sample = (words: string): Question =>
  inputRequired.createMessage({
    messages: [{ role: 'user', content: { type: 'text', text: words } }],
    maxTokens: 100,
  });

const done = (words: string): CallToolResult => ({ content: [{ type: 'text', text: words }] });

const noArguments = z.object({});
const description = 'Asks the client before it answers.';

export function registerQuestions(server: McpServer, state: RequestStateCodec): void {
  registerElicitations(server);
  registerSampling(server);
  registerOneRound(server);
  registerWithState(server, state);
  registerRounds(server, state);
}

/** The forms that the legacy scenarios look at; the answer is told as it came. */
function registerElicitations(server: McpServer): void {
  const ask = (question: Question, context: ServerContext) => {
    const view = inputResponse(context.mcpReq.inputResponses, 'form');
    if (view.kind !== 'elicit') return inputRequired({ inputRequests: { form: question } });
    return done(`action=${view.action}, content=${JSON.stringify(view.content ?? {})}`);
  };
  server.registerTool(
    'test_elicitation',
    { description, inputSchema: z.object({ message: z.string() }) },
    ({ message }, context) => ask(form(message, 'response', 'string'), context),
  );
  for (const [name, requestedSchema] of Object.entries(elicitationForms)) {
    const question = inputRequired.elicit({ message: 'Please fill in.', requestedSchema });
    server.registerTool(name, { description, inputSchema: noArguments }, (_none, context) =>
      ask(question, context),
    );
  }
}

function registerSampling(server: McpServer): void {
  const ask = (prompt: string, { mcpReq }: ServerContext) => {
    const view = inputResponse(mcpReq.inputResponses, 'capital_question');
    if (view.kind !== 'sampling')
      return inputRequired({ inputRequests: { capital_question: sample(prompt) } });
    return done(`The model says: ${JSON.stringify(view.result.content)}`);
  };
  server.registerTool(
    'test_sampling',
    { description, inputSchema: z.object({ prompt: z.string() }) },
    ({ prompt }, context) => ask(prompt, context),
  );
  // The SDK refuses the second one to a client that has not said that it can sample.
  for (const name of ['test_input_required_result_sampling', 'test_missing_capability'])
    server.registerTool(name, { description, inputSchema: noArguments }, (_none, context) =>
      ask('What is the capital of France?', context),
    );
}

/** One question, one answer, nothing to remember in between. */
function registerOneRound(server: McpServer): void {
  const input = { description, inputSchema: noArguments };
  const askName = ({ mcpReq }: ServerContext) => {
    const answer = acceptedContent(
      mcpReq.inputResponses,
      'user_name',
      z.object({ name: z.string() }),
    );
    if (answer !== undefined) return done(`Hello, ${answer.name}!`);
    return inputRequired({ inputRequests: { user_name: form('Who is there?', 'name', 'string') } });
  };
  for (const name of ['test_input_required_result_elicitation', 'test_streaming_elicitation'])
    server.registerTool(name, input, (_none, context) => askName(context));
  server.registerTool('test_input_required_result_list_roots', input, (_none, { mcpReq }) => {
    const view = inputResponse(mcpReq.inputResponses, 'client_roots');
    if (view.kind === 'roots') return done(view.roots.map(({ uri }) => uri).join(', '));
    return inputRequired({ inputRequests: { client_roots: inputRequired.listRoots() } });
  });
  server.registerTool('test_input_required_result_capabilities', input, (_none, context) => {
    const { elicitation, sampling } = clientCapabilities(context);
    const inputRequests = {
      ...(elicitation === undefined ? {} : { name: form('Who is there?', 'name', 'string') }),
      ...(sampling === undefined ? {} : { greeting: sample('Greet them.') }),
    };
    if (context.mcpReq.inputResponses !== undefined) return done('Thank you.');
    return inputRequired({ inputRequests });
  });
}

/** The server keeps nothing: what it must know again travels, signed, with the client. */
function registerWithState(server: McpServer, state: RequestStateCodec): void {
  const input = { description, inputSchema: noArguments };
  const confirm = async ({ mcpReq }: ServerContext) => {
    const answer = acceptedContent(mcpReq.inputResponses, 'confirm', z.object({ ok: z.boolean() }));
    if (answer !== undefined && mcpReq.requestState() !== undefined) return done('state-ok');
    return inputRequired({
      inputRequests: { confirm: form('Please confirm.', 'ok', 'boolean') },
      requestState: await state.mint('confirming'),
    });
  };
  for (const name of ['request_state', 'tampered_state'])
    server.registerTool(`test_input_required_result_${name}`, input, (_none, context) =>
      confirm(context),
    );
  server.registerTool(
    'test_input_required_result_multiple_inputs',
    input,
    async (_none, { mcpReq }) => {
      const inputRequests = {
        user_name: form('Who is there?', 'name', 'string'),
        greeting: sample('Write a greeting.'),
        client_roots: inputRequired.listRoots(),
      };
      const answered = Object.keys(inputRequests).every(
        (key) => inputResponse(mcpReq.inputResponses, key).kind !== 'missing',
      );
      if (answered) return done('All three are here.');
      return inputRequired({ inputRequests, requestState: await state.mint('all three') });
    },
  );
}

const rounds = [
  { key: 'step1', message: 'Step 1: What is your name?', field: 'name' },
  { key: 'step2', message: 'Step 2: What is your favourite colour?', field: 'color' },
] as const;

/** Two questions, one after the other; which one is next stands in the state. */
function registerRounds(server: McpServer, state: RequestStateCodec): void {
  server.registerTool(
    'test_input_required_result_multi_round',
    { description, inputSchema: noArguments },
    async (_none, { mcpReq }) => {
      const asked = mcpReq.requestState<number>();
      const answered =
        asked !== undefined &&
        inputResponse(mcpReq.inputResponses, rounds[asked]?.key ?? '').kind !== 'missing';
      const next = answered ? asked + 1 : (asked ?? 0);
      const round = rounds[next];
      if (round === undefined) return done('Both answers are here.');
      return inputRequired({
        inputRequests: { [round.key]: form(round.message, round.field, 'string') },
        requestState: await state.mint(next),
      });
    },
  );
}

/** What the client of a modern request can do. */
function clientCapabilities({ mcpReq }: ServerContext): ClientCapabilities {
  const envelope: Readonly<Record<string, unknown>> = mcpReq.envelope ?? {};
  const capabilities = envelope[CLIENT_CAPABILITIES_META_KEY] as ClientCapabilities | undefined;
  return capabilities ?? {};
}
