/** What looks at the clock from time to time: one short timer, where a test has none. */

/** Calls it from time to time, until the returned function is called. */
export type Beat = (look: () => void) => () => void;

export const every =
  (ms: number): Beat =>
  (look) => {
    const timer = setInterval(look, ms).unref();
    return () => clearInterval(timer);
  };

export const everyBeat = every(250);
