/**
 * Which streams hear of which snapshots. An audience is looked after while
 * anybody belongs to it, so that a service whose sidecars are gone costs
 * nothing here.
 */
import type { Latest } from '../latest.js';
import type { Audience } from '../snapshot/audience.js';
import type { Snapshot } from '../snapshot/snapshot.js';
import { changesBetween, type Changes } from './changes.js';

type Published = Pick<Latest<Snapshot | undefined>, 'value' | 'subscribe'>;

/**
 * What an audience gets: nothing is sent while its snapshot is undefined.
 * Undefined itself where nobody is served as that.
 */
export type Snapshots = (audience: Audience) => Published | undefined;

interface Member {
  publish(snapshot: Snapshot, changes: Changes): void;
}

interface Attended {
  readonly published: Published;
  readonly members: Set<Member>;
  readonly stop: () => void;
}

export class Audiences {
  readonly #attended = new Map<Audience, Attended>();

  constructor(private readonly snapshots: Snapshots) {}

  serves(audience: Audience): boolean {
    return this.snapshots(audience) !== undefined;
  }

  /** Gives the present snapshot; later ones come by `publish`. */
  join(audience: Audience, member: Member): Snapshot | undefined {
    const attended = this.#attended.get(audience) ?? this.#attend(audience);
    attended?.members.add(member);
    return attended?.published.value;
  }

  leave(audience: Audience, member: Member): void {
    const attended = this.#attended.get(audience);
    if (!attended?.members.delete(member) || attended.members.size > 0) return;
    attended.stop();
    this.#attended.delete(audience);
  }

  /** Nobody hears of anything any more. */
  stop(): void {
    for (const { stop } of this.#attended.values()) stop();
    this.#attended.clear();
  }

  #attend(audience: Audience): Attended | undefined {
    const published = this.snapshots(audience);
    if (!published) return undefined;
    const members = new Set<Member>();
    let previous: Snapshot | undefined;
    const stop = published.subscribe((snapshot) => {
      if (!snapshot) return;
      const changes = changesBetween(previous, snapshot);
      previous = snapshot;
      for (const member of members) member.publish(snapshot, changes);
    });
    const attended = { published, members, stop };
    this.#attended.set(audience, attended);
    return attended;
  }
}
