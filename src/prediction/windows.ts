/** The windows that a case is looked at through, as nnU-Net slides them. */
import { roundHalfEven } from '../preprocessing/resample.ts';

/**
 * Where windows begin along one axis: evenly spread from the first place to the last, at most `step` windows apart. Where the window is
 * longer than the axis, there is one, and the axis is padded on both sides alike (the odd place behind).
 */
export function windowStarts(extent: number, window: number, step: number): readonly number[] {
  if (window >= extent) return [0 - Math.floor((window - extent) / 2)];
  const count = Math.ceil((extent - window) / (window * step)) + 1;
  const pace = (extent - window) / (count - 1);
  return Array.from({ length: count }, (_, i) => roundHalfEven(pace * i));
}

/** What the middle of a window weighs, and how wide the bell around it is, in windows: nnU-Net's numbers. */
const most = 10;
const width = 1 / 8;

/** No place weighs less: the least number above zero that nnU-Net's float16 has. */
const least = 2 ** -24;

/** How much each place of a window counts: most in the middle. */
export function bellOver(window: readonly number[]): Float32Array<ArrayBuffer> {
  let weights = [most];
  for (const extent of window) {
    const middle = Math.floor(extent / 2);
    const along = Array.from({ length: extent }, (_, i) => Math.exp(-0.5 * ((i - middle) / (extent * width)) ** 2));
    weights = weights.flatMap(weight => along.map(share => weight * share));
  }
  return Float32Array.from(weights, weight => Math.max(weight, least));
}
