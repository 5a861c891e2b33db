/** Colours only where a person looks, and not where they asked for none (https://no-color.org). */
import { isatty } from 'node:tty';
import pico from 'picocolors';

export type Colours = ReturnType<typeof pico.createColors>;

/** Of this process. FORCE_COLOR and CI, which would colour a pipe, are left aside. */
export function terminalColours(): Colours {
  const { stdout, stderr, env } = process;
  const isPlain = (env['NO_COLOR'] ?? '') !== '';
  return pico.createColors(isatty(stdout.fd) && isatty(stderr.fd) && !isPlain);
}
