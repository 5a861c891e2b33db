/** Lines of child processes: all of them into files, what a person should see onto the terminal. */
import { createWriteStream, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createLog } from '../log.js';
import { isObject } from '../mcp_wire.js';

/** pino's numbers and Envoy's words. */
const levels: ReadonlyMap<unknown, 'debug' | 'info' | 'warn' | 'error'> = new Map([
  ...[10, 20, 'trace', 'debug'].map((level) => [level, 'debug'] as const),
  ...[30, 'info'].map((level) => [level, 'info'] as const),
  ...[40, 'warning'].map((level) => [level, 'warn'] as const),
  ...[50, 60, 'error', 'critical'].map((level) => [level, 'error'] as const),
]);

/** What our own log writes again. */
const ours: ReadonlySet<string> = new Set(['level', 'msg', 'time', 'part']);

/** `showInfo` is asked for each line: while the first screen is drawn only trouble is shown. */
export function childLog(
  name: string,
  folder: string,
  showInfo: () => boolean,
  log = createLog(name),
) {
  mkdirSync(folder, { recursive: true });
  const file = createWriteStream(join(folder, `${name.replaceAll(' ', '-')}.log`));
  file.on('error', () => undefined);
  return (line: string): void => {
    file.write(`${line}\n`);
    const { level, msg, fields } = parsed(line);
    if (level === 'debug' || (level === 'info' && !showInfo())) return;
    log[level](fields, msg);
  };
}

function parsed(line: string) {
  try {
    const value: unknown = JSON.parse(line);
    if (isObject(value)) {
      const { level, msg } = value;
      const fields = Object.entries(value).filter(([key]) => !ours.has(key));
      return {
        level: levels.get(level) ?? 'info',
        msg: typeof msg === 'string' ? msg : line,
        fields: Object.fromEntries(fields),
      };
    }
  } catch {
    // Not JSON: a line of a runtime or of somebody else's server, shown as it is.
  }
  return { level: 'info' as const, msg: line, fields: {} };
}
