/** The way in for Envoy's access log: OTLP over gRPC, on the port of xDS. */
import { callLogService, decode } from '../protos.js';
import type { CallSignals } from './signals.js';

const request = 'opentelemetry.proto.collector.logs.v1.ExportLogsServiceRequest';

/** To be served as a unary call: bytes in, bytes out. */
export const callLogReceiver = (signals: CallSignals) => ({
  path: callLogService().Export.path,
  answer: (bytes: Buffer): Buffer => {
    for (const { scope_logs: scopes } of decode(request, bytes).resource_logs ?? [])
      for (const { log_records: records } of scopes ?? [])
        for (const { body } of records ?? [])
          if (body?.string_value !== undefined) signals.record(body.string_value);
    // An empty answer: everything was taken.
    return Buffer.alloc(0);
  },
});
