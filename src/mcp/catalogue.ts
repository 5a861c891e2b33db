/**
 * Watches what the control plane exposes, at one replica of it after the other;
 * the last known stays while none is there.
 */
import http from 'node:http';
import https from 'node:https';
import { tlsOptionsOf, type Credentials } from '../admin_client/call.js';
import { reasonOf } from '../errors.js';
import { Latest } from '../latest.js';
import type { Log } from '../log.js';
import { connected, emptyCatalogue, fold, type CatalogueState } from './catalogue_fold.js';
import { pauseAfter } from './retry.js';

export interface Catalogue {
  readonly state: Latest<CatalogueState>;
  close(): void;
}

/** About a second of tries. */
const failuresQuiet = 4;

/** Several times what the control plane leaves between two signs of life. */
const silenceMaxMs = 60_000;

/** What is shown to a control plane, read anew at every connection. */
type CredentialsNow = () => Credentials | Promise<Credentials>;

/** `adminUrls`: the admin API of every replica, one at least. */
export function watchCatalogue(
  adminUrls: readonly string[],
  log: Log,
  credentials: CredentialsNow = () => ({}),
): Catalogue {
  const state = new Latest<CatalogueState>(emptyCatalogue);
  const stop = new AbortController();
  const urls = adminUrls.map((url) => `${url.replace(/\/+$/, '')}/v1/exposed?watch=true`);
  void watch({ urls, credentials }, state, log, stop.signal);
  return { state, close: () => stop.abort() };
}

async function watch(
  { urls, credentials }: { readonly urls: readonly string[]; credentials: CredentialsNow },
  state: Latest<CatalogueState>,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  let failures = 0;
  for (let turn = 0; ; turn++) {
    const url = urls[turn % urls.length] ?? '';
    const open = async () => get(url, await credentials(), signal);
    const { heard, reason } = await readOnce(open, state, log);
    if (signal.aborted) return;
    // Said once, and not while both are just starting.
    if (heard || failures === failuresQuiet) log.warn({ url, reason }, 'catalogue stream ended');
    failures = heard ? 1 : failures + 1;
    await pauseAfter(failures, signal);
  }
}

interface Ended {
  /** It got as far as `synced`. */
  readonly heard: boolean;
  readonly reason: string;
}

async function readOnce(
  open: () => Promise<http.IncomingMessage>,
  state: Latest<CatalogueState>,
  log: Log,
): Promise<Ended> {
  let folding = connected(state.value);
  try {
    const response = await open();
    const { statusCode = 0 } = response;
    if (statusCode !== 200) {
      response.destroy();
      const why = [401, 403].includes(statusCode) ? ': it does not know this filter service' : '';
      return { heard: false, reason: `HTTP ${statusCode}${why}` };
    }
    let rest = '';
    response.setEncoding('utf8');
    for await (const chunk of response as AsyncIterable<string>) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      if (lines.length === 0) continue;
      const folded = fold(folding, lines);
      folding = folded.folding;
      for (const line of folded.unreadable)
        log.warn({ line: line.slice(0, 200) }, 'catalogue line not understood');
      if (!state.value.heard)
        log.info({ services: folding.state.services.size }, 'catalogue heard');
      state.set(folding.state);
    }
    return { heard: folding.sent === undefined, reason: 'the control plane closed it' };
  } catch (error) {
    return { heard: folding.sent === undefined, reason: reasonOf(error) };
  }
}

async function get(
  url: string,
  credentials: Credentials,
  signal: AbortSignal,
): Promise<http.IncomingMessage> {
  const { token } = credentials;
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  const options = { signal, agent: false, timeout: silenceMaxMs, headers };
  return new Promise((resolve, reject) => {
    const request = url.startsWith('https:')
      ? https.get(url, { ...options, ...tlsOptionsOf(credentials) }, resolve)
      : http.get(url, options, resolve);
    request.on('error', reject);
    request.on('timeout', () => request.destroy(new Error('the control plane fell silent')));
  });
}
