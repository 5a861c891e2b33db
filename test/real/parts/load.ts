/** A constant load while something changes: every call that fails is kept. */
import { postCall } from './agent.js';

export interface Calls {
  readonly done: number;
  readonly failures: readonly string[];
}

/** Calls `whoami` at `url` one after the other until `change` is done. */
export async function underLoad(url: string, change: () => Promise<void>): Promise<Calls> {
  const failures: string[] = [];
  let done = 0;
  const changing = new AbortController();
  const load = (async () => {
    while (!changing.signal.aborted) {
      try {
        const answer = await postCall(url, 'whoami');
        const body = await answer.text();
        // A JSON-RPC error comes with 200 too.
        if (answer.status !== 200 || !body.includes('"result"'))
          failures.push(`${answer.status} ${body}`);
      } catch (error) {
        failures.push(String(error));
      }
      done += 1;
      await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  try {
    await change();
  } finally {
    changing.abort();
    await load;
  }
  return { done, failures };
}
