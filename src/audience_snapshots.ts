/**
 * Audience → what it gets. An edge's is the pipeline's; a sidecar's is made while one is
 * connected, of the services it needs and of its own certificate, which is asked for as long.
 *
 * What changes in the fleet or among the certificates leads by name to the sidecars it touches;
 * the others are not looked at.
 */
import type { Material } from './certificates/material.js';
import { isOwnWorkload } from './certificates/workload.js';
import { fleetChanges, serviceNamed, type ServiceChange } from './fleet/changes.js';
import { dependantsOf, dependenciesOf } from './fleet/dependencies.js';
import { emptyFleet, type Fleet, type Service } from './fleet/fleet.js';
import type { Workloads } from './identity/workload_certificates.js';
import { Latest } from './latest.js';
import type { Log } from './log.js';
import { differences } from './persistent_map.js';
import { credentialsOf, unlessEqual, type Credentials } from './resources/credentials.js';
import { renderSidecar, type SidecarView } from './resources/render.js';
import { sidecarIn, type Audience, type Sidecar } from './snapshot/audience.js';
import { inconsistencies } from './snapshot/consistent.js';
import { buildSnapshot, type Snapshot } from './snapshot/snapshot.js';

type Published = Pick<Latest<Snapshot | undefined>, 'value' | 'subscribe'>;

export interface AudienceParts {
  /** Of the edges; undefined until all registries were heard, and with it the fleet is unknown. */
  readonly edge: Published;
  readonly fleet: Latest<Fleet>;
  /** Undefined: sidecars are not served. */
  readonly workloads: Workloads | undefined;
  readonly log: Log;
}

export interface AudienceSnapshots {
  /** Undefined where nobody is served as that. */
  of(audience: Audience): Published | undefined;
  close(): void;
}

export function audienceSnapshots(parts: AudienceParts): AudienceSnapshots {
  const { edge, workloads } = parts;
  const sidecars = workloads && new Sidecars(parts, workloads);
  return {
    of(audience) {
      if (audience === 'edge') return edge;
      const sidecar = sidecarIn(audience);
      const isKnown = sidecar && !isOwnWorkload(sidecar.service);
      return isKnown ? sidecars?.of(audience, sidecar) : undefined;
    },
    close: () => sidecars?.close(),
  };
}

/** What is made for one audience while anybody follows it. */
interface Followed {
  readonly sidecar: Sidecar;
  readonly published: Published;
  readonly snapshot: Latest<Snapshot | undefined>;
  readonly release: () => void;
  followers: number;
  credentials: Credentials | undefined;
  /** The services it is sent, or would be if they were there. */
  called: readonly string[];
  /** Its service as it was registered last: one that is gone lets in nobody else. */
  registered: Pick<Service, 'allow'> | undefined;
}

class Sidecars {
  readonly #followed = new Map<Audience, Followed>();
  /** Service → the sidecars that stand beside it, and those that are sent it. */
  readonly #beside = new Index();
  readonly #sent = new Index();
  readonly #stop: readonly (() => void)[];
  #fleet = emptyFleet;
  #material: Material;
  #pattern: string | undefined;

  constructor(
    private readonly parts: AudienceParts,
    private readonly workloads: Workloads,
  ) {
    this.#material = workloads.material.value;
    this.#stop = [
      parts.fleet.subscribe((fleet) => this.#followFleet(fleet)),
      workloads.material.subscribe((material) => this.#followMaterial(material)),
      parts.edge.subscribe(this.#whenHeard()),
    ];
  }

  of(audience: Audience, sidecar: Sidecar): Published {
    const published: Published = {
      value: undefined,
      subscribe: (subscriber) => {
        const followed = this.#follow(audience, { sidecar, published });
        const end = followed.snapshot.subscribe(subscriber);
        return () => {
          end();
          this.#leave(audience, followed);
        };
      },
    };
    const known = this.#followed.get(audience);
    if (known) return known.published;
    const followed = () => this.#followed.get(audience);
    return Object.defineProperty(published, 'value', { get: () => followed()?.snapshot.value });
  }

  close(): void {
    for (const stop of this.#stop) stop();
    for (const [audience, followed] of [...this.#followed]) this.#forget(audience, followed);
  }

  #follow(audience: Audience, what: Pick<Followed, 'sidecar' | 'published'>): Followed {
    const known = this.#followed.get(audience);
    if (known) {
      known.followers += 1;
      return known;
    }
    const { service } = what.sidecar;
    const followed: Followed = {
      ...what,
      ...{ snapshot: new Latest<Snapshot | undefined>(undefined), followers: 1 },
      ...{ release: this.workloads.want(service), credentials: undefined, called: [] },
      registered: undefined,
    };
    this.#followed.set(audience, followed);
    this.#beside.add(service, audience);
    this.#refresh(audience);
    return followed;
  }

  #leave(audience: Audience, followed: Followed): void {
    followed.followers -= 1;
    if (followed.followers === 0) this.#forget(audience, followed);
  }

  #forget(audience: Audience, followed: Followed): void {
    if (this.#followed.get(audience) !== followed) return;
    this.#followed.delete(audience);
    this.#beside.remove(followed.sidecar.service, audience);
    for (const service of followed.called) this.#sent.remove(service, audience);
    followed.release();
  }

  #followFleet(fleet: Fleet): void {
    const changes = fleetChanges(this.#fleet, fleet);
    this.#fleet = fleet;
    const touched = new Set(changes.flatMap((change) => this.#touchedBy(change)));
    for (const audience of touched) this.#refresh(audience);
  }

  /** It is let in by those it calls, and sent to those who call it. */
  #touchedBy({ name, before, after }: ServiceChange): readonly Audience[] {
    const called = [before, after].flatMap((service) => (service ? dependenciesOf(service) : []));
    return [
      ...[name, ...called].flatMap((service) => this.#beside.of(service)),
      ...this.#sent.of(name),
    ];
  }

  #followMaterial(material: Material): void {
    const before = this.#material;
    this.#material = material;
    const pattern = material.spiffeIdOf('edge');
    const isForAll = before.roots !== material.roots || pattern !== this.#pattern;
    this.#pattern = pattern;
    const touched = isForAll
      ? [...this.#followed.keys()]
      : differences(before.certificates, material.certificates).flatMap((workload) =>
          this.#beside.of(workload),
        );
    for (const audience of touched) this.#refresh(audience);
  }

  #whenHeard(): () => void {
    let wasHeard = false;
    return () => {
      const isHeard = this.parts.edge.value !== undefined;
      if (isHeard && !wasHeard)
        for (const audience of this.#followed.keys()) this.#refresh(audience);
      wasHeard = isHeard;
    };
  }

  #refresh(audience: Audience): void {
    const followed = this.#followed.get(audience);
    if (!followed || this.parts.edge.value === undefined) return;
    const { sidecar, snapshot } = followed;
    const { service } = sidecar;
    const now = credentialsOf(service, this.#material, this.workloads.serverRoots);
    // What there was once is good until it ends.
    if (now) followed.credentials = unlessEqual(followed.credentials, now);
    if (!followed.credentials) return;
    const called = calledBy(service, this.#fleet);
    for (const gone of followed.called) this.#sent.remove(gone, audience);
    for (const each of called) this.#sent.add(each, audience);
    followed.called = called;
    const present = serviceNamed(this.#fleet, service);
    if (present) followed.registered = present;
    const view = viewOf(followed, this.#fleet);
    const made = buildSnapshot(renderSidecar(view, followed.credentials), snapshot.value);
    const [broken] = inconsistencies(made, snapshot.value);
    if (broken) this.parts.log.error({ audience, reason: broken.message }, 'the last good stays');
    else snapshot.set(made);
  }
}

const calledBy = (name: string, fleet: Fleet): readonly string[] => {
  const service = serviceNamed(fleet, name);
  return service ? dependenciesOf(service) : [];
};

function viewOf({ sidecar, called, registered }: Followed, fleet: Fleet): SidecarView {
  const usual = () => ['edge', ...dependantsOf(fleet, sidecar.service)];
  // Until it says whom it lets in, that may be nobody.
  const callers = registered ? (registered.allow ?? usual()) : [];
  return {
    sidecar,
    // Whoever signs for everybody could be anybody; it asks the server what it offers.
    callers: [...new Set([...callers, 'control-plane'])],
    called: called.flatMap((each) => serviceNamed(fleet, each) ?? []),
  };
}

/** Service → audiences. */
class Index {
  readonly #audiences = new Map<string, Set<Audience>>();

  of(service: string): readonly Audience[] {
    return [...(this.#audiences.get(service) ?? [])];
  }

  add(service: string, audience: Audience): void {
    const audiences = this.#audiences.get(service) ?? new Set();
    this.#audiences.set(service, audiences.add(audience));
  }

  remove(service: string, audience: Audience): void {
    const audiences = this.#audiences.get(service);
    audiences?.delete(audience);
    if (audiences?.size === 0) this.#audiences.delete(service);
  }
}
