import { stridesOf } from '../numbers.ts';
import type { Window } from '../ops/spatial.ts';

/**
 * For each output position and kernel tap, the offset into one channel of the input, or -1 in the padding:
 * `taps[position · kernel + tap]`.
 */
export function tapTable(spatial: readonly number[], out: readonly number[], window: Omit<Window, 'ceil'>): Int32Array {
  const strides = stridesOf(spatial);
  const [positions, taps] = [indices(out), indices(window.kernel)];
  const table = new Int32Array(positions.length * taps.length);
  positions.forEach((position, i) => {
    taps.forEach((tap, k) => {
      let offset = 0;
      for (let axis = 0; axis < spatial.length; axis++) {
        const at = position[axis] * window.strides[axis] + tap[axis] * window.dilations[axis] - window.pads[axis];
        offset = offset < 0 || at < 0 || at >= spatial[axis] ? -1 : offset + at * strides[axis];
      }
      table[i * taps.length + k] = offset;
    });
  });
  return table;
}

/** Every index into a shape, in row-major order. */
export function indices(shape: readonly number[]): number[][] {
  let list: number[][] = [[]];
  for (const d of shape) list = list.flatMap(head => Array.from({ length: d }, (_, i) => [...head, i]));
  return list;
}
