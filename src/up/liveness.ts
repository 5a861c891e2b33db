/**
 * Notices a process that is there and answers nothing (stopped, or caught in a
 * loop): its end would be heard, its silence has to be asked for.
 */
export interface Pace {
  /** Between two questions, and how long each may stay unanswered. */
  readonly everyMs: number;
  /** Questions in a row that stay unanswered before it counts as silent. */
  readonly misses: number;
  /** Between two questions as long as it starts. */
  readonly startingMs: number;
}

/** Longer than anything a part does at one go, even with thousands of services. */
export const usualPace: Pace = { everyMs: 3_000, misses: 3, startingMs: 100 };

export interface Watched {
  end(): void;
}

/** Asks from now on. Counts only once it has answered: starting takes as long as it takes. */
export function watchLiveness(url: string, pace: Pace, onSilent: () => void): Watched {
  let hasAnswered = false;
  let missed = 0;
  let timer = setTimeout(() => void ask(), pace.startingMs);
  let asking = new AbortController();
  let ended = false;

  async function ask(): Promise<void> {
    const startedAt = performance.now();
    // Not AbortSignal.timeout: joined to another signal it may be collected before it fires.
    asking = new AbortController();
    const deadline = setTimeout(() => asking.abort(), pace.everyMs);
    const answered = await answers(url, asking.signal);
    clearTimeout(deadline);
    if (ended) return;
    hasAnswered ||= answered;
    missed = answered || !hasAnswered ? 0 : missed + 1;
    if (missed >= pace.misses) {
      onSilent();
      return;
    }
    const everyMs = hasAnswered ? pace.everyMs : pace.startingMs;
    timer = setTimeout(() => void ask(), everyMs - (performance.now() - startedAt));
  }

  return {
    end() {
      ended = true;
      clearTimeout(timer);
      asking.abort();
    },
  };
}

/** Any answer will do: whether it is well is for others to ask. */
async function answers(url: string, signal: AbortSignal): Promise<boolean> {
  try {
    const response = await fetch(url, { signal });
    await response.body?.cancel();
    return true;
  } catch (error) {
    // Whether this is the right one is for others to ask too: it lives, and has shaken hands.
    const { code = '' } = (error as { readonly cause?: { readonly code?: string } }).cause ?? {};
    return /CERT|VERIFY/.test(code);
  }
}
