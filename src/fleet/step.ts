/** Several ask what differs from one state to the next: the answer to the first is remembered. */

interface Step<T extends object, D> {
  /** Weak, or every state would keep the one before it. */
  readonly before: WeakRef<T>;
  readonly difference: D;
}

export function remembered<T extends object, D>(
  difference: (before: T, after: T) => D,
): (before: T, after: T) => D {
  const steps = new WeakMap<T, Step<T, D>>();
  return (before, after) => {
    const known = steps.get(after);
    if (known?.before.deref() === before) return known.difference;
    const found = difference(before, after);
    steps.set(after, { before: new WeakRef(before), difference: found });
    return found;
  };
}
