/** Resources, prompts and completion of the reference server: the suite fixes their names. */
import {
  ResourceTemplate,
  completable,
  inputRequired,
  acceptedContent,
  type GetPromptResult,
  type McpServer,
} from '@modelcontextprotocol/server';
import { z } from 'zod';
import { imageFile } from './reference_media.js';

export function registerDocuments(server: McpServer): void {
  registerResources(server);
  registerPrompts(server);
  registerAskingPrompt(server);
}

function registerResources(server: McpServer): void {
  const description = 'A resource of the conformance suite.';
  const plain = (name: string, words: string): void => {
    const uri = `test://${name}`;
    const mimeType = 'text/plain';
    server.registerResource(name, uri, { description, mimeType }, () => ({
      contents: [{ uri, mimeType, text: words }],
    }));
  };
  plain('static-text', 'A text that never changes.');
  plain('watched-resource', 'A text one may subscribe to.');
  server.registerResource(
    'static-binary',
    'test://static-binary',
    { description, mimeType: 'image/png' },
    ({ href }) => ({ contents: [{ uri: href, mimeType: 'image/png', blob: imageFile }] }),
  );
  server.registerResource(
    'template',
    new ResourceTemplate('test://template/{id}/data', { list: undefined }),
    { description, mimeType: 'application/json' },
    ({ href }, { id }) => ({
      contents: [{ uri: href, mimeType: 'application/json', text: JSON.stringify({ id }) }],
    }),
  );
}

/** Legacy only: modern clients listen instead. */
export function registerSubscriptions({ server }: McpServer): void {
  server.setRequestHandler('resources/subscribe', () => ({}));
  server.setRequestHandler('resources/unsubscribe', () => ({}));
}

type Message = GetPromptResult['messages'][number];

const says = (words: string): Message => ({ role: 'user', content: { type: 'text', text: words } });

function registerPrompts(server: McpServer): void {
  const description = 'A prompt of the conformance suite.';
  server.registerPrompt('test_simple_prompt', { description }, () => ({
    messages: [says('Describe the harbour.')],
  }));
  const completed = completable(z.string(), (begun) =>
    ['paris', 'park', 'party'].filter((word) => word.startsWith(begun)),
  );
  server.registerPrompt(
    'test_prompt_with_arguments',
    { description, argsSchema: z.object({ arg1: completed, arg2: z.string() }) },
    ({ arg1, arg2 }) => ({ messages: [says(`arg1 is ${arg1} and arg2 is ${arg2}.`)] }),
  );
  server.registerPrompt(
    'test_prompt_with_embedded_resource',
    { description, argsSchema: z.object({ resourceUri: z.string() }) },
    ({ resourceUri: uri }) => ({
      messages: [
        {
          role: 'user',
          content: { type: 'resource', resource: { uri, mimeType: 'text/plain', text: 'Held.' } },
        },
        says('Read the resource above.'),
      ],
    }),
  );
  server.registerPrompt('test_prompt_with_image', { description }, () => ({
    messages: [
      { role: 'user', content: { type: 'image', data: imageFile, mimeType: 'image/png' } },
      says('Describe the image above.'),
    ],
  }));
}

/** A prompt may ask too, not only a tool. */
function registerAskingPrompt(server: McpServer): void {
  server.registerPrompt(
    'test_input_required_result_prompt',
    { description: 'Asks for its context.' },
    ({ mcpReq }) => {
      const answer = acceptedContent<{ context: string }>(mcpReq.inputResponses, 'user_context');
      if (answer !== undefined) return { messages: [says(`The context is ${answer.context}.`)] };
      return inputRequired({
        inputRequests: {
          user_context: inputRequired.elicit({
            message: 'What context should the prompt use?',
            requestedSchema: {
              type: 'object',
              properties: { context: { type: 'string' } },
              required: ['context'],
            },
          }),
        },
      });
    },
  );
}
