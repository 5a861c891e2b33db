/**
 * Watches what the control plane exposes, at one replica of it after the other;
 * the last known stays while none is there.
 */
import http from 'node:http';
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

/** `adminUrls`: the admin API of every replica, one at least. */
export function watchCatalogue(adminUrls: readonly string[], log: Log): Catalogue {
  const state = new Latest<CatalogueState>(emptyCatalogue);
  const stop = new AbortController();
  const urls = adminUrls.map((url) => `${url.replace(/\/+$/, '')}/v1/exposed?watch=true`);
  void watch(urls, state, log, stop.signal);
  return { state, close: () => stop.abort() };
}

async function watch(
  urls: readonly string[],
  state: Latest<CatalogueState>,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  let failures = 0;
  for (let turn = 0; ; turn++) {
    const url = urls[turn % urls.length] ?? '';
    const { heard, reason } = await readOnce(url, state, log, signal);
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
  url: string,
  state: Latest<CatalogueState>,
  log: Log,
  signal: AbortSignal,
): Promise<Ended> {
  let folding = connected(state.value);
  try {
    const response = await get(url, signal);
    if (response.statusCode !== 200) {
      response.destroy();
      return { heard: false, reason: `HTTP ${response.statusCode ?? 0}` };
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

async function get(url: string, signal: AbortSignal): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = http.get(url, { signal, agent: false, timeout: silenceMaxMs }, resolve);
    request.on('error', reject);
    request.on('timeout', () => request.destroy(new Error('the control plane fell silent')));
  });
}
