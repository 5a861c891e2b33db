/** A real program that a test ends as a crash would, and brings back on the same ports. */
import { startChild, whenReady, type Child } from './child.js';

export interface Restarting extends Pick<Child, 'pause' | 'resume'> {
  /** Ends the process as a crash would; `start` brings it back, with what it kept on disk. */
  kill(): Promise<void>;
  start(): Promise<void>;
}

export async function startRestarting(
  command: string,
  args: readonly string[],
  ready: () => Promise<boolean>,
): Promise<Restarting> {
  const launch = async (): Promise<Child> => {
    const launched = startChild(command, args);
    await whenReady(launched, ready);
    return launched;
  };
  let child = await launch();
  return {
    kill: async () => child.stop(),
    async start() {
      child = await launch();
    },
    pause: () => child.pause(),
    resume: () => child.resume(),
  };
}
