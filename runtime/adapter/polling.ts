/** How often Dawn looks whether a device is done. */

type Immediately = typeof globalThis.setImmediate;

/** How many milliseconds lie between two looks: the least that a timer of Node waits. */
const pause = 1;

/**
 * Whether a callback is one that native code makes for itself, as Dawn does for its next look. Functions of a program have names or
 * sources, and bound ones are named after what they bind.
 */
const isNative = (callback: unknown): callback is () => void =>
  typeof callback === 'function' && callback.name === '' && /\{\s*\[native code\]\s*\}$/.test(String(callback));

let installed: Immediately | undefined;

/**
 * Makes Dawn look a thousand times a second at most whether its device is done.
 *
 * Dawn has no way to be told. While a promise of it is pending it calls `setImmediate` with its next look, again and again, and so takes a
 * whole processor for waiting. A software adapter computes on the same processors: it is given that one back. The first look at what
 * has just been asked for is immediate, and so is everything that others hand to `setImmediate`. Beside a GPU the processor has nothing
 * better to do, and a millisecond is long: nothing is to be changed there.
 */
export function lookLessOften(): void {
  const immediately = globalThis.setImmediate;
  if (immediately === installed) return;
  let looking = false;
  const spaced = (callback: () => void, ...args: unknown[]): unknown => {
    if (args.length > 0 || !isNative(callback)) return immediately(callback as (...given: unknown[]) => void, ...args);
    // One that is asked for during a look means that the device was not done.
    return looking ? setTimeout(look, pause, callback) : immediately(look, callback);
  };
  const look = (callback: () => void): void => {
    looking = true;
    try {
      callback();
    } finally {
      looking = false;
    }
  };
  // With what `util.promisify` finds on it.
  installed = Object.defineProperties(spaced, Object.getOwnPropertyDescriptors(immediately)) as Immediately;
  globalThis.setImmediate = installed;
}
