/**
 * The ext_proc face of the filter service, and the one file here that knows
 * gRPC: Envoy's messages in, a decision, Envoy's messages out.
 */
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import type { HeaderMap__Output } from '../generated/envoy/config/core/v3/HeaderMap.js';
import type { HeaderMutation } from '../generated/envoy/service/ext_proc/v3/HeaderMutation.js';
import type { ProcessingRequest__Output } from '../generated/envoy/service/ext_proc/v3/ProcessingRequest.js';
import type { ProcessingResponse } from '../generated/envoy/service/ext_proc/v3/ProcessingResponse.js';
import { reasonOf } from '../errors.js';
import { requestBodyMax } from '../gateway_contract.js';
import type { Log } from '../log.js';
import type { Metrics } from '../metrics.js';
import { externalProcessorService } from '../protos.js';
import type { Answer } from './answer.js';
import type { Head } from './classify.js';
import { decideBody, decideHead, type Decision, type Known } from './decide.js';

type Stream = ServerDuplexStream<ProcessingRequest__Output, ProcessingResponse>;

/** How each decision is counted; asking for the body decides nothing yet. */
const lanes = { bridge: 'bridge', answer: 'refused', route: 'decide' } as const;

/** A message holds the largest body and the largest headers. */
const messageBytesMax = requestBodyMax + 1024 * 1024;

export interface Filter {
  listen(host: string, port: number): Promise<void>;
  close(): Promise<void>;
}

/** `known` is asked anew for each request. */
export function createFilter(known: () => Known, metrics: Metrics, log: Log): Filter {
  for (const lane of Object.values(lanes)) metrics.decisions.inc({ lane }, 0);
  /** One request that we stumble over must not end the process: the bridge looks at it anew. */
  const decideSafely = (message: ProcessingRequest__Output, head: Head | undefined): Decision => {
    try {
      return decide(message, head, known);
    } catch (error) {
      log.error({ reason: reasonOf(error) }, 'no decision');
      return { kind: 'bridge' };
    }
  };
  const server = new Server({ 'grpc.max_receive_message_length': messageBytesMax });
  server.addService(externalProcessorService(), {
    Process: (stream: Stream) => {
      let head: Head | undefined;
      stream.on('data', (message: ProcessingRequest__Output) => {
        if (message.response_headers) return void stream.write({ response_headers: {} });
        head = message.request_headers ? headOf(message.request_headers.headers) : head;
        const decision = decideSafely(message, head);
        if (decision.kind !== 'need_body') metrics.decisions.inc({ lane: lanes[decision.kind] });
        stream.write(responseFor(message, decision));
      });
      stream.on('end', () => stream.end());
      stream.on('error', (error) => log.debug({ reason: error.message }, 'ext_proc stream ended'));
    },
  });
  return {
    listen: (host, port) => listen(server, `${host.includes(':') ? `[${host}]` : host}:${port}`),
    close: async () => close(server),
  };
}

async function listen(server: Server, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    );
  });
}

/** Envoy holds its streams open, so waiting for them would be waiting for ever. */
async function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.tryShutdown(() => resolve());
    server.forceShutdown();
  });
}

function decide(
  { request_headers, request_body }: ProcessingRequest__Output,
  head: Head | undefined,
  known: () => Known,
): Decision {
  if (head === undefined) return { kind: 'bridge' };
  if (request_headers) return decideHead(head, request_headers.end_of_stream !== true);
  return decideBody(head, request_body?.body ?? Buffer.alloc(0), known());
}

function headOf(map: HeaderMap__Output | null | undefined): Head {
  const headers: Record<string, string> = {};
  for (const { key = '', value = '', raw_value } of map?.headers ?? []) {
    const text = raw_value && raw_value.length > 0 ? raw_value.toString('latin1') : value;
    headers[key] = headers[key] === undefined ? text : `${headers[key]}, ${text}`;
  }
  return { verb: headers[':method'] ?? '', headers };
}

function responseFor(to: ProcessingRequest__Output, decision: Decision): ProcessingResponse {
  switch (decision.kind) {
    case 'answer':
      return { immediate_response: immediate(decision.answer) };
    case 'need_body':
      return { request_headers: {}, mode_override: withBody };
    case 'bridge':
      return to.request_headers ? { request_headers: {} } : { request_body: {} };
    case 'route':
      return { request_body: { response: routed(decision) } };
  }
}

/** Replaces the whole mode, so it must say again that answers are not our business. */
const withBody = { request_body_mode: 'BUFFERED', response_header_mode: 'SKIP' } as const;

function routed({ body, set, remove }: Extract<Decision, { kind: 'route' }>) {
  // Envoy takes no new length from us and refuses a body that differs from the old one.
  const remove_headers = [...remove, 'content-length'];
  const header_mutation = { ...settingHeaders(set), remove_headers };
  return { header_mutation, body_mutation: { body }, clear_route_cache: true };
}

function immediate({ status, headers, body }: Answer) {
  const code = status as 400;
  return { status: { code }, headers: settingHeaders(headers), body: Buffer.from(body) };
}

function settingHeaders(headers: Readonly<Record<string, string>>): HeaderMutation {
  const set_headers = Object.entries(headers).map(([key, value]) => ({
    header: { key, raw_value: Buffer.from(value) },
    append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' as const,
  }));
  return { set_headers };
}
