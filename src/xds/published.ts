/**
 * What an audience is sent: what it is to have, without what Envoy is known to
 * refuse. Made anew when either changes, and the same object as long as
 * nothing is refused.
 */
import type { Latest } from '../latest.js';
import type { Audience } from '../snapshot/audience.js';
import { isIn, withoutRefused, type FormOfKind } from '../snapshot/refused.js';
import { earlierForms, type Resource, type Snapshot } from '../snapshot/snapshot.js';
import type { Verdict } from './refusals.js';

type Wanted = Pick<Latest<Snapshot | undefined>, 'value' | 'subscribe'>;

/** What became of a form that is refused. */
type Fate = 'last good kept' | 'left out' | 'sent all the same';

class Published implements Wanted {
  #wanted: Snapshot | undefined;
  #verdicts: readonly Verdict[] = [];
  #made: Snapshot | undefined;

  constructor(
    private readonly wanted: Wanted,
    private readonly verdicts: Latest<readonly Verdict[]>,
    private readonly audience: Audience,
  ) {}

  get value(): Snapshot | undefined {
    const [wanted, verdicts] = [this.wanted.value, this.verdicts.value];
    if (wanted === this.#wanted && verdicts === this.#verdicts) return this.#made;
    const refused = verdicts.filter(({ audience }) => audience === this.audience);
    const made = wanted && withoutRefused(wanted, refused);
    // Equal is the same: nobody is to look at what does not differ.
    if (made === wanted || made?.version !== this.#made?.version) this.#made = made;
    [this.#wanted, this.#verdicts] = [wanted, verdicts];
    return this.#made;
  }

  subscribe(subscriber: (value: Snapshot | undefined) => void): () => void {
    let told: Snapshot | 'nothing' | undefined = 'nothing';
    const tell = () => {
      const { value } = this;
      if (value === told) return;
      told = value;
      subscriber(value);
    };
    const ends = [this.wanted.subscribe(tell), this.verdicts.subscribe(tell)];
    return () => ends.forEach((end) => end());
  }

  /** Undefined where this very form is not wanted at present. */
  fateOf(form: FormOfKind): Fate | undefined {
    const [wanted, published] = [this.wanted.value, this.value];
    if (!wanted || !published || !isIn(wanted, form)) return undefined;
    if (isIn(published, form)) return 'sent all the same';
    return published.resources[form.kind].has(form.name) ? 'last good kept' : 'left out';
  }

  /** What was wanted before this form, newest first, whether or not anybody has taken it. */
  before({ kind, name, version }: FormOfKind): readonly Resource[] {
    const wanted = this.wanted.value;
    const present = wanted?.resources[kind].get(name);
    if (!wanted || !present) return [];
    const forms = [present, ...earlierForms(wanted, kind, name)];
    const place = forms.findIndex((each) => each.version === version);
    return place < 0 ? [] : forms.slice(place + 1);
  }
}

/** What an audience is sent, where it is served. */
export type PublishedTo = (audience: Audience) => Published | undefined;

/** Makes it for each audience; what is made is remembered as long as what it is made from. */
export function publishing(
  wantedBy: (audience: Audience) => Wanted | undefined,
  verdicts: Latest<readonly Verdict[]>,
): PublishedTo {
  const known = new WeakMap<Wanted, Published>();
  return (audience) => {
    const wanted = wantedBy(audience);
    if (!wanted) return undefined;
    const published = known.get(wanted) ?? new Published(wanted, verdicts, audience);
    known.set(wanted, published);
    return published;
  };
}
