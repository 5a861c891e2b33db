/** Ends a command: what happened, to what, and what to do now. Caught at the one door, `runCli`. */
import type { ExitCode } from './command.js';

export class Failure extends Error {
  /** Of the API's answer, where there was one. */
  readonly status: number | undefined;
  /** What `--json` prints of it: the API's own words, where it had some. */
  readonly json: string | undefined;

  constructor(
    message: string,
    readonly exitCode: ExitCode = 1,
    { json, status }: { readonly json?: string; readonly status?: number } = {},
  ) {
    super(message);
    this.json = json;
    this.status = status;
  }
}

/** Nobody answers there. */
export class Unreachable extends Failure {}

export const wrongUsage = (message: string): Failure => new Failure(message, 2);
