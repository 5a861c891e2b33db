/** The way in for Envoy's access log: OTLP over gRPC, on the port of xDS. */
import { callLogService, decode } from '../protos.js';
import type { CallSignals } from './signals.js';

const request = 'opentelemetry.proto.collector.logs.v1.ExportLogsServiceRequest';

/** To be served as a unary call: bytes in, bytes out. */
export const callLogReceiver = (signals: Pick<CallSignals, 'record'>) => ({
  path: callLogService().Export.path,
  answer: (bytes: Buffer): Buffer => {
    const { resource_logs: resources = [] } = decode(request, bytes);
    const records = resources
      .flatMap(({ scope_logs: scopes = [] }) => scopes)
      .flatMap(({ log_records: told = [] }) => told);
    signals.record(records.flatMap(({ body }) => body?.string_value ?? []));
    // An empty answer: everything was taken.
    return Buffer.alloc(0);
  },
});
