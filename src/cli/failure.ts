/** Ends a command: what happened, to what, and what to do now. Caught at the one door, `runCli`. */
import type { ExitCode } from './command.js';

export class Failure extends Error {
  /** What `--json` prints of it: the API's own words, where it had some. */
  readonly json: string | undefined;

  constructor(
    message: string,
    readonly exitCode: ExitCode = 1,
    json?: string,
  ) {
    super(message);
    this.json = json;
  }
}

export const wrongUsage = (message: string): Failure => new Failure(message, 2);
