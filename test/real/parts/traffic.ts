/**
 * Constant traffic of agents through several gateways, on `/mcp/{service}` and on `/mcp`: calls
 * without a session, and sessions that begin all the while and must stay on their version.
 */
import type { Client } from '@modelcontextprotocol/client';
import { callText, connectAgent, postCall } from './agent.js';

/** Where calls go, and what the tool is called there. */
export interface Door {
  readonly url: string;
  readonly tool: string;
}

export interface Traffic {
  readonly failures: readonly string[];
  /** Calls that were done. */
  readonly calls: () => number;
  /** How many sessions each version has. */
  readonly sessions: () => ReadonlyMap<string, number>;
  /** Until each door has served some calls more, and every session has answered again. */
  round(): Promise<void>;
  stop(): Promise<void>;
}

interface Held {
  readonly client: Client;
  readonly door: Door;
  readonly version: string;
}

const callsBetween = 10;

/** `sessions`: at most so many at a door; they begin while versions change. */
export function startTraffic(doors: readonly Door[], { sessions = 12 } = {}): Traffic {
  const failures: string[] = [];
  const held: Held[] = [];
  const done = new Map<Door, number>(doors.map((door) => [door, 0]));
  let running = true;

  async function attempt(what: string, act: () => Promise<string | undefined>): Promise<void> {
    const failure = await act().catch((error: unknown) => String(error));
    if (failure !== undefined) failures.push(`${what}: ${failure}`);
  }

  const callOnce = (door: Door) =>
    attempt(`a call at ${door.url}`, async () => {
      const answer = await postCall(door.url, door.tool);
      const body = await answer.text();
      done.set(door, (done.get(door) ?? 0) + 1);
      // A JSON-RPC error comes with 200 too.
      return answer.status === 200 && body.includes('"result"')
        ? undefined
        : `${answer.status} ${body}`;
    });

  const begin = (door: Door) =>
    attempt(`a session that begins at ${door.url}`, async () => {
      const client = await connectAgent(door.url, 'legacy');
      held.push({ client, door, version: await callText(client, door.tool) });
      return undefined;
    });

  const callAgain = ({ client, door, version }: Held) =>
    attempt(`a session of ${version} at ${door.url}`, async () => {
      const now = await callText(client, door.tool);
      return now === version ? undefined : `it is answered by ${now}`;
    });

  async function keepOn(door: Door): Promise<void> {
    for (let turn = 0; running; turn++) {
      await callOnce(door);
      const own = held.filter((each) => each.door === door);
      const one = own[turn % Math.max(1, own.length)];
      if (one) await callAgain(one);
      if (turn % callsBetween === 0 && own.length < sessions) await begin(door);
    }
  }
  const loops = doors.map(keepOn);

  return {
    failures,
    calls: () => [...done.values()].reduce((sum, calls) => sum + calls, 0),
    sessions: () =>
      held.reduce(
        (counts, { version }) => counts.set(version, (counts.get(version) ?? 0) + 1),
        new Map<string, number>(),
      ),
    async round() {
      // Sessions of each present version begin, whatever the shares are.
      if (sessions > 0) await Promise.all(doors.map(begin));
      await Promise.all(doors.map(callOnce));
      await Promise.all([...held].map(callAgain));
    },
    async stop() {
      running = false;
      await Promise.all(loops);
      await Promise.all(held.map(({ client }) => client.close()));
    },
  };
}
