/** Lines of child processes: all of them into files, what a person should see onto the terminal. */
import { createWriteStream, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createLog } from '../log.js';
import { isObject } from '../mcp_wire.js';

const levels: Readonly<Record<string, 'debug' | 'info' | 'warn' | 'error'>> = {
  ...{ 10: 'debug', 20: 'debug', 30: 'info', 40: 'warn', 50: 'error', 60: 'error' },
  ...{ debug: 'debug', info: 'info', warning: 'warn', error: 'error', critical: 'error' },
};

/** What our own log writes again. */
const ours: ReadonlySet<string> = new Set(['level', 'msg', 'time', 'part']);

/** `showInfo` is asked for each line: while the first screen is drawn only trouble is shown. */
export function childLog(name: string, folder: string, showInfo: () => boolean) {
  const log = createLog(name);
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
        level: levels[String(level)] ?? 'info',
        msg: typeof msg === 'string' ? msg : line,
        fields: Object.fromEntries(fields),
      };
    }
  } catch {
    // Not JSON: a line of a runtime or of somebody else's server, shown as it is.
  }
  return { level: 'info' as const, msg: line, fields: {} };
}
