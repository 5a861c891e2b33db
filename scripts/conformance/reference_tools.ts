/** The tools of the reference server that answer without asking: the suite fixes their names. */
import {
  fromJsonSchema,
  type CallToolResult,
  type McpServer,
  type ServerContext,
  type ServerNotifier,
} from '@modelcontextprotocol/server';
import { z } from 'zod';
import { audioFile, imageFile } from './reference_media.js';

type Content = CallToolResult['content'];

const text = (words: string): Content[number] => ({ type: 'text', text: words });
const image: Content[number] = { type: 'image', data: imageFile, mimeType: 'image/png' };

const contents: Readonly<Record<string, Content>> = {
  test_simple_text: [text('A lighthouse stands on the cape.')],
  test_image_content: [image],
  test_audio_content: [{ type: 'audio', data: audioFile, mimeType: 'audio/wav' }],
  test_embedded_resource: [
    {
      type: 'resource',
      resource: { uri: 'test://embedded-resource', mimeType: 'text/plain', text: 'Within a tool.' },
    },
  ],
  test_multiple_content_types: [
    text('Three kinds of content.'),
    image,
    {
      type: 'resource',
      resource: {
        uri: 'test://mixed-content-resource',
        mimeType: 'application/json',
        text: '{"knots":12}',
      },
    },
  ],
};

const noArguments = z.object({});

export function registerTools(server: McpServer, changes: ServerNotifier): void {
  for (const [name, content] of Object.entries(contents))
    server.registerTool(name, { description: `Answers as ${name} must.` }, () => ({ content }));
  registerReports(server);
  registerFailures(server);
  registerChanges(server, changes);
  registerSchemas(server);
}

/** Tools that send notifications before their answer. */
function registerReports(server: McpServer): void {
  const description = 'Says how far it is.';
  const logs = async (context: ServerContext): Promise<CallToolResult> => {
    for (const line of ['cast off', 'under way', 'moored']) {
      // eslint-disable-next-line @typescript-eslint/no-deprecated -- both eras still have it
      await context.mcpReq.log('info', line);
      await pause(50);
    }
    return { content: [text('logged')] };
  };
  const input = { description, inputSchema: noArguments };
  server.registerTool('test_tool_with_logging', input, (_none, context) => logs(context));
  server.registerTool('test_logging_tool', input, (_none, context) => logs(context));
  server.registerTool('test_tool_with_progress', input, async (_none, { mcpReq }) => {
    const progressToken = mcpReq._meta?.progressToken ?? 0;
    for (const progress of [0, 50, 100]) {
      const params = { progressToken, progress, total: 100, message: `${progress} of 100` };
      await mcpReq.notify({ method: 'notifications/progress', params });
      await pause(50);
    }
    return { content: [text(String(progressToken))] };
  });
  server.registerTool('test_reconnection', input, async (_none, { http }) => {
    http?.closeSSE?.();
    await pause(100);
    return { content: [text('The answer came on another stream.')] };
  });
}

function registerFailures(server: McpServer): void {
  const input = { description: 'Fails on purpose.', inputSchema: noArguments };
  server.registerTool('test_error_handling', input, () => {
    throw new Error('This tool always fails.');
  });
}

/** Tools that make the server tell its listeners of a change. */
function registerChanges(server: McpServer, changes: ServerNotifier): void {
  const input = { description: 'Tells all listeners of a change.', inputSchema: noArguments };
  server.registerTool('test_trigger_tool_change', input, () => {
    changes.toolsChanged();
    return { content: [text('told')] };
  });
  server.registerTool('test_trigger_prompt_change', input, () => {
    changes.promptsChanged();
    return { content: [text('told')] };
  });
}

const contactSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  $defs: {
    address: {
      $anchor: 'addressDef',
      type: 'object',
      properties: { street: { type: 'string' }, city: { type: 'string' } },
    },
  },
  properties: {
    name: { type: 'string' },
    address: { $ref: '#/$defs/address' },
    contactMethod: { type: 'string', enum: ['phone', 'email'] },
    phone: { type: 'string' },
    email: { type: 'string' },
  },
  allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
  if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
  // The keyword of JSON Schema, not a promise.
  then: { required: ['phone'] },
  else: { required: ['email'] },
  additionalProperties: false,
};

const regionSchema = {
  type: 'object',
  properties: { region: { type: 'string', 'x-mcp-header': 'Region' } },
  required: ['region'],
};

/** Tools whose input schema is what is looked at. */
function registerSchemas(server: McpServer): void {
  server.registerTool(
    'json_schema_2020_12_tool',
    {
      description: 'Takes all of JSON Schema 2020-12.',
      inputSchema: fromJsonSchema(contactSchema),
    },
    () => ({ content: [text('accepted')] }),
  );
  server.registerTool(
    'test_header_argument',
    { description: 'Has an argument in a header.', inputSchema: fromJsonSchema(regionSchema) },
    () => ({ content: [text('accepted')] }),
  );
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
