/** Speaks to a registry's listener: reports and whether it is heard, only what is new. */
import { isDeepStrictEqual } from 'node:util';
import type { SourceName } from '../fleet/fleet.js';
import { differences } from '../persistent_map.js';
import type { Hearing, RegistryListener, Report } from './registry.js';

export class Reporter {
  #last: Report | undefined;
  #hearing: Hearing = { state: 'connecting' };

  constructor(
    private readonly source: SourceName,
    private readonly listener: RegistryListener,
  ) {
    listener.hearing(source, this.#hearing);
  }

  hearing(hearing: Hearing): void {
    if (isDeepStrictEqual(hearing, this.#hearing)) return;
    this.#hearing = hearing;
    this.listener.hearing(this.source, hearing);
  }

  report(report: Report): void {
    if (this.#last !== undefined && sameReport(this.#last, report)) return;
    this.#last = report;
    this.listener.report(report);
  }
}

function sameReport(one: Report, other: Report): boolean {
  return (
    sameItems(one.registrations, other.registrations) &&
    differences(one.policies, other.policies).length === 0 &&
    differences(one.rollouts, other.rollouts).length === 0 &&
    isDeepStrictEqual(one.problems, other.problems)
  );
}

function sameItems(one: readonly unknown[], other: readonly unknown[]): boolean {
  return one.length === other.length && one.every((item, index) => item === other[index]);
}
