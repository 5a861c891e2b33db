/**
 * What Envoy says when it answers by itself: JSON-RPC errors an MCP client can
 * read, in one table. The id is null: Envoy does not read bodies.
 */
import { sessionHeader } from '../gateway_contract.js';
import type { LocalReplyConfig } from '../generated/envoy/extensions/filters/network/http_connection_manager/v3/LocalReplyConfig.js';
import type { ResponseMapper } from '../generated/envoy/extensions/filters/network/http_connection_manager/v3/ResponseMapper.js';
import type { AccessLogFilter } from '../generated/envoy/config/accesslog/v3/AccessLogFilter.js';

interface LocalReply {
  readonly status: number;
  /** Envoy's response flags; none: whatever the reason. */
  readonly flags?: readonly string[];
  /** Only of requests that carry this header. */
  readonly header?: string;
  /** -32001 is what MCP servers say of an unknown session; our own codes equal the status. */
  readonly code: number;
  readonly message: string;
}

/** The first row that fits is used. */
const replies: readonly LocalReply[] = [
  { status: 404, flags: ['UH'], code: -32001, message: 'Session not found' },
  { status: 404, flags: ['NC'], code: 404, message: 'No service of this name is registered.' },
  {
    status: 503,
    flags: ['UH'],
    header: sessionHeader,
    code: 503,
    message:
      'The instance that holds this session is not healthy. Try again, or begin a new session.',
  },
  { status: 503, flags: ['UH'], code: 503, message: 'No healthy instance of this service.' },
  { status: 503, flags: ['UO'], code: 503, message: 'This service is at its limit of requests.' },
  {
    status: 503,
    flags: ['UF', 'UC', 'URX', 'UR', 'LR'],
    code: 503,
    message: 'The server could not be reached, or broke off the connection.',
  },
  { status: 503, code: 503, message: 'The MCP filter service cannot be reached; try again.' },
  {
    status: 504,
    flags: ['UT', 'SI', 'DT', 'UMSDR'],
    code: 504,
    message: 'The server did not answer within its timeout.',
  },
  { status: 504, code: 504, message: 'The MCP filter service did not answer in time; try again.' },
  { status: 413, code: 413, message: 'The request body is too large.' },
];

export const localReplies = (): LocalReplyConfig => ({ mappers: replies.map(mapper) });

/** Where others call the server beside a sidecar; sessions and instances are not its matter. */
export const inboundReplies = (): LocalReplyConfig => ({
  mappers: [
    {
      status: 403,
      code: 403,
      message: 'Whoever your certificate names may not call this service: see its `allow`.',
    },
    { status: 503, code: 503, message: 'The server beside this sidecar cannot be reached.' },
  ].map(mapper),
});

function mapper({ status, flags, header, code, message }: LocalReply): ResponseMapper {
  const statusIs: AccessLogFilter = {
    status_code_filter: {
      comparison: { op: 'EQ', value: { default_value: status, runtime_key: 'mcpx.unused' } },
    },
  };
  const filters = [statusIs];
  if (flags) filters.push({ response_flag_filter: { flags: [...flags] } });
  if (header) filters.push({ header_filter: { header: { name: header, present_match: true } } });
  return {
    filter: filters.length === 1 ? statusIs : { and_filter: { filters } },
    body_format_override: {
      json_format: {
        fields: {
          jsonrpc: { stringValue: '2.0' },
          id: { nullValue: 'NULL_VALUE' },
          error: {
            structValue: {
              fields: { code: { numberValue: code }, message: { stringValue: message } },
            },
          },
        },
      },
    },
  };
}
