/** What looks at the clock from time to time: one short timer, where a test has none. */

/** Calls it from time to time, until the returned function is called. */
export type Beat = (look: () => void) => () => void;

const beatMs = 250;

export const everyBeat: Beat = (look) => {
  const timer = setInterval(look, beatMs).unref();
  return () => clearInterval(timer);
};
