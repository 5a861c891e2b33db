/** The one door to pino: a line an event, JSON for machines, readable on a terminal. */
import { pino, type Logger } from 'pino';
import pretty from 'pino-pretty';

export type Log = Logger;

const redacted = ['token', '*.token', 'authorization', '*.authorization', '*.password', '*.key'];

/** `part` names the process (`control plane`, `filter`, …) on every line. */
export function createLog(part: string, level = 'info'): Log {
  const options = { base: { part }, level, redact: redacted };
  if (!process.stderr.isTTY) return pino(options, pino.destination({ dest: 2, sync: true }));
  return pino(
    options,
    pretty({
      destination: 2,
      sync: true,
      ignore: 'pid,hostname,part',
      messageFormat: '{part}: {msg}',
      translateTime: 'HH:MM:ss.l',
      singleLine: true,
    }),
  );
}

/** A log that says nothing, for tests and pure callers. */
export const silentLog: Log = pino({ level: 'silent' });
