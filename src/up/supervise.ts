/**
 * Keeps one child running: started again when it dies, ever later while it keeps
 * dying; killed and started again when it answers nothing any more.
 */
import type { Log } from '../log.js';
import { startChild, type Child, type ChildSpec } from './child.js';
import { usualPace, watchLiveness } from './liveness.js';

const pauseMs = { first: 100, max: 5_000 };

/** A child that lived this long had started well; its next death begins a new count. */
const settledMs = 10_000;

export interface Supervised {
  readonly name: string;
  /** No more restarts; resolves when the child is gone. */
  end(): Promise<void>;
}

export function supervise(spec: ChildSpec, log: Log, pace = usualPace): Supervised {
  let ending = false;
  let deaths = 0;
  let timer: NodeJS.Timeout | undefined;
  let child = start();

  function start(): Child {
    const startedAt = Date.now();
    const started = startChild(spec);
    let silence: string | undefined;
    const watched =
      spec.health === undefined
        ? undefined
        : watchLiveness(spec.health, pace, () => {
            const seconds = (pace.everyMs * pace.misses) / 1000;
            silence = `it answered nothing for ${seconds} s and was killed`;
            started.kill();
          });
    void started.ended.then((reason) => {
      watched?.end();
      if (!ending) died(silence ?? reason, Date.now() - startedAt);
    });
    return started;
  }

  function died(reason: string, livedMs: number): void {
    deaths = livedMs > settledMs ? 1 : deaths + 1;
    const inMs = Math.min(pauseMs.first * 2 ** (deaths - 1), pauseMs.max);
    log.warn({ process: spec.name, reason, inMs }, 'process ended, starting it again');
    timer = setTimeout(() => (child = start()), inMs);
  }

  return {
    name: spec.name,
    async end() {
      ending = true;
      clearTimeout(timer);
      await child.end();
    },
  };
}
