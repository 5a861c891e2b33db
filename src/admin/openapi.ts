/** OpenAPI 3.1 from the route table and its schemas, so that they cannot disagree. */
import { z } from 'zod';
import { registrationSchema } from '../registry/schema.js';
import { isWrite } from './door.js';
import { components, problemDetails } from './schemas.js';
import { jsonAnswer, type ParameterRow, type Route } from './route.js';

type Json = Record<string, unknown>;

if (!components.has(registrationSchema)) components.add(registrationSchema, { id: 'Registration' });

export function openapiRoute(version: string, table: () => readonly Route[]): Route {
  return {
    method: 'get',
    path: '/openapi.json',
    role: 'anybody',
    summary: 'This description',
    answers: { 200: { description: 'OpenAPI 3.1', content: { 'application/json': undefined } } },
    handle: () => jsonAnswer(openapi(version, table())),
  };
}

/** How somebody shows who they are, where that is asked. */
const securitySchemes: Json = {
  token: { type: 'http', scheme: 'bearer', description: 'as `mcpx token` made it' },
  certificate: {
    type: 'mutualTLS',
    description:
      'of the built-in authority, for `spiffe://TRUST_DOMAIN/{viewer|operator|admin}/NAME`; ' +
      '`/edge` and `/filter` see what agents see',
  },
  browser: {
    type: 'http',
    scheme: 'basic',
    description: 'a token as the password, under any name; for GET only',
  },
};

/** Anybody's answers are told to anybody; all else may be refused for who asks. */
function securityOf({ role, method }: Route): Json {
  if (role === 'anybody') return { security: [] };
  const browser = method === 'get' ? [{ browser: [] }] : [];
  return { security: [{ token: [] }, { certificate: [] }, ...browser], 'x-mcpx-role': role };
}

function openapi(version: string, table: readonly Route[]): Json {
  const paths: Record<string, Json> = {};
  for (const route of table)
    paths[route.path] = { ...paths[route.path], [route.method]: operationOf(route) };
  return {
    openapi: '3.1.0',
    info: {
      title: 'MCPX admin API',
      version,
      description: 'Shows and steers an MCPX control plane. Errors are RFC 9457 problem details.',
    },
    paths,
    components: { schemas: namedSchemas(), securitySchemes },
  };
}

function operationOf(route: Route): Json {
  const { path, summary, query, request, answers } = route;
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
  const parameters = [
    ...inPath.map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } })),
    ...(query ?? []).map(queryParameter),
  ];
  const told = Object.entries(answers).map(([status, { description, content }]) => [
    status,
    { description, content: contentOf(content) },
  ]);
  const refused = problemsOf(route).map((status) => [
    String(status),
    {
      description: 'What is wrong',
      content: { 'application/problem+json': { schema: reference(problemDetails) } },
    },
  ]);
  return {
    summary,
    ...securityOf(route),
    ...(parameters.length > 0 && { parameters }),
    ...(request && {
      requestBody: { required: true, content: { 'application/json': mediaOf(request) } },
    }),
    responses: Object.fromEntries([...told, ...refused]) as Json,
  };
}

/** Those of the route's own, and those of its door. */
function problemsOf(route: Route): number[] {
  const { problems = [], role } = route;
  const atDoor = role === 'anybody' ? [] : [401, 403];
  return [...new Set([...problems, ...atDoor, ...(isWrite(route, {}) ? [503] : [])])].sort();
}

const queryParameter = ({ name, description }: ParameterRow): Json => ({
  name,
  in: 'query',
  required: false,
  description,
  schema: { type: 'string' },
});

function contentOf(content: Readonly<Record<string, z.ZodType | undefined>>): Json {
  return Object.fromEntries(
    Object.entries(content).map(([type, schema]) => [type, schema ? mediaOf(schema) : {}]),
  );
}

const mediaOf = (schema: z.ZodType): Json => ({ schema: reference(schema) });

function reference(schema: z.ZodType): Json {
  const id = components.get(schema)?.id;
  if (id === undefined) throw new Error('A schema of the route table has no name.');
  return { $ref: `#/components/schemas/${id}` };
}

function namedSchemas(): Json {
  const { schemas } = z.toJSONSchema(components, {
    uri: (id) => `#/components/schemas/${id}`,
    io: 'input',
    unrepresentable: 'any',
  });
  return Object.fromEntries(
    Object.entries(schemas).map(([id, schema]) => [id, withoutOwnAddress(schema)]),
  );
}

/** zod gives each schema an `$id`; inside the document its place is its address. */
function withoutOwnAddress(schema: object): Json {
  return Object.fromEntries(
    Object.entries(schema).filter(([key]) => key !== '$schema' && key !== '$id'),
  );
}
