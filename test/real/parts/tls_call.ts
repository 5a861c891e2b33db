/** A call by TLS past every Envoy of ours, as whoever it may be. */
import { request } from 'node:https';
import type { Issued } from '../../wire/certificates.js';

/** The status and the body; or `refused`, where there was no answer. */
export async function callByTls(port: number, as: Partial<Issued>): Promise<string> {
  return new Promise((resolve) => {
    const trusting = { rejectUnauthorized: false, agent: false } as const;
    const where = { host: '127.0.0.1', port, path: '/mcp', method: 'POST' };
    const call = request({ ...where, ...trusting, ...as }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () =>
        resolve(`${response.statusCode} ${Buffer.concat(parts).toString()}`),
      );
    });
    call.on('error', () => resolve('refused'));
    call.end('{"jsonrpc":"2.0","id":1,"method":"tools/list"}');
  });
}
