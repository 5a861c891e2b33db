/** Bare streams of an agent, and whether each goes on. */
import { postCall } from './agent.js';

export interface OpenStream {
  readonly what: string;
  /** All that came so far. */
  readonly text: () => string;
  /** Why it is not open any more; undefined while it is. */
  readonly ended: () => string | undefined;
  readonly close: () => void;
}

/** The headers of a legacy session that was begun. */
export type Session = Readonly<Record<string, string>>;

const legacyVersion = '2025-11-25';
const usual = {
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream',
};

export async function beginSession(url: string): Promise<Session> {
  const clientInfo = { name: 'bare', version: '1.0.0' };
  const params = { protocolVersion: legacyVersion, capabilities: {}, clientInfo };
  const answer = await postLegacy(url, {}, { id: 1, method: 'initialize', params });
  await answer.text();
  const id = answer.headers.get('mcp-session-id');
  if (id === null) throw new Error(`no session: ${answer.status}`);
  const session = { 'mcp-session-id': id, 'mcp-protocol-version': legacyVersion };
  await (await postLegacy(url, session, { method: 'notifications/initialized' })).text();
  return session;
}

export const postLegacy = (
  url: string,
  session: Session,
  message: Readonly<Record<string, unknown>>,
): Promise<Response> =>
  fetch(url, {
    method: 'POST',
    headers: { ...usual, ...session },
    body: JSON.stringify({ jsonrpc: '2.0', ...message }),
  });

/** Its progress comes as events, and its answer as the last of them. */
export const openCall = async (url: string, tool: string, session?: Session) =>
  following(
    `${tool} ${session ? 'in a session' : 'without one'} at ${url}`,
    session
      ? await postLegacy(url, session, {
          ...{ id: 7, method: 'tools/call' },
          params: { name: tool, arguments: {}, _meta: { progressToken: 'p' } },
        })
      : await postCall(url, tool),
  );

/** What a server tells a session unasked. */
export const openTelling = async (url: string, session: Session) =>
  following(
    `GET at ${url}`,
    await fetch(url, { headers: { accept: 'text/event-stream', ...session } }),
  );

function following(what: string, answer: Response): OpenStream {
  const reader: ReadableStreamDefaultReader<Uint8Array> | undefined = answer.body?.getReader();
  if (answer.status !== 200 || !reader) throw new Error(`${what}: ${answer.status}`);
  let [text, ended] = ['', undefined as string | undefined];
  const decoder = new TextDecoder();
  const read = async (): Promise<void> => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      text += decoder.decode(value, { stream: true });
    }
  };
  read().then(
    () => (ended ??= 'it ended'),
    (error: unknown) => (ended ??= String(error)),
  );
  return {
    ...{ what, text: () => text, ended: () => ended },
    close: () => void reader.cancel().catch(() => undefined),
  };
}
