/** What Envoys send to the port of xDS beside its streams: single messages, bytes in and out. */
import { status, type sendUnaryData, type Server, type ServerUnaryCall } from '@grpc/grpc-js';
import { reasonOf } from '../errors.js';

export interface Receiver {
  /** `/package.Service/Method`. */
  readonly path: string;
  /** Throws when the bytes are not what they ought to be. */
  readonly answer: (bytes: Buffer) => Buffer;
}

export function addReceivers(server: Server, receivers: readonly Receiver[]): void {
  const pass = (bytes: Buffer) => bytes;
  for (const { path, answer } of receivers) {
    const method = {
      ...{ path, requestStream: false, responseStream: false },
      ...{ requestSerialize: pass, requestDeserialize: pass },
      ...{ responseSerialize: pass, responseDeserialize: pass },
    };
    const receive = (call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>): void => {
      try {
        done(null, answer(call.request));
      } catch (error) {
        done({ code: status.INVALID_ARGUMENT, details: reasonOf(error) });
      }
    };
    server.addService({ receive: method }, { receive });
  }
}
