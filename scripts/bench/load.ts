/**
 * The load generator: some connections kept alive, on each one call after the
 * other. An answer that is no result ends the run: failures are no figures.
 */
import { Agent, request, type IncomingHttpHeaders } from 'node:http';

export interface Call {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Measured {
  readonly calls: number;
  readonly seconds: number;
  /** Of each call, ms, the shortest first. */
  readonly latencies: readonly number[];
}

/** One call for each connection: a legacy session is called by one of them alone. */
export async function load(calls: readonly Call[], seconds: number): Promise<Measured> {
  const agent = new Agent({ keepAlive: true, maxSockets: calls.length });
  const latencies: number[] = [];
  const startedAt = performance.now();
  const until = startedAt + seconds * 1_000;
  const connection = async (call: Call): Promise<void> => {
    for (let begun = performance.now(); begun < until; begun = performance.now()) {
      const answered = await send(call, agent);
      if (answered.status !== 200 || !answered.body.includes('"result"'))
        throw new Error(`${call.url} answered ${answered.status}: ${answered.body}`);
      latencies.push(performance.now() - begun);
    }
  };
  try {
    await Promise.all(calls.map(connection));
  } finally {
    agent.destroy();
  }
  const took = (performance.now() - startedAt) / 1_000;
  return { calls: latencies.length, seconds: took, latencies: latencies.sort((a, b) => a - b) };
}

export function send({ url, headers, body }: Call, agent?: Agent): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const options = {
      method: 'POST',
      headers: { ...headers, 'content-length': Buffer.byteLength(body) },
      ...(agent === undefined ? {} : { agent }),
    };
    const sent = request(url, options, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.once('error', reject);
      response.once('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text });
      });
    });
    sent.once('error', reject);
    sent.end(body);
  });
}
