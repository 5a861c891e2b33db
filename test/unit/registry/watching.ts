/** A registry's listener that tests can wait on, and documents to register. */
import { Latest } from '../../../src/latest.js';
import type { Registration } from '../../../src/fleet/fleet.js';
import type { Hearing, Registry, Report } from '../../../src/registry/registry.js';

export interface Watching {
  /** Every report so far. */
  readonly reports: readonly Report[];
  readonly hearing: Latest<Hearing>;
  /** The first report, present or future, that `accept` likes. */
  report(accept: (report: Report) => boolean): Promise<Report>;
}

export function watching(registry: Registry): Watching {
  const reports: Report[] = [];
  const latest = new Latest<Report | undefined>(undefined);
  const hearing = new Latest<Hearing>({ state: 'connecting' });
  registry.watch({
    report(report) {
      reports.push(report);
      latest.set(report);
    },
    hearing: (_, state) => hearing.set(state),
  });
  return {
    reports,
    hearing,
    async report(accept) {
      const report = await latest.when((value) => value !== undefined && accept(value));
      if (report === undefined) throw new Error('unreachable: `accept` was asked');
      return report;
    },
  };
}

export function instance(report: Report, id: string): Registration | undefined {
  return report.registrations.find((registration) => registration.id === id);
}

export const holds =
  (...ids: readonly string[]) =>
  (report: Report): boolean =>
    report.registrations.map(({ id }) => id).join() === ids.join();

export const anyTarget = ['0.0.0.0/0', '::/0'];

export function claims(fields: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return { name: 'claims', version: '2.1.0', url: 'http://10.0.0.7:3000/mcp', ...fields };
}
