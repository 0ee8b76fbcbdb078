/** Linear filters of one channel along each of its axes, whatever their number. A channel is in C order, its shape [spatial...]. */
import { product } from '../../../ir/numbers.ts';

/** One axis as loops see it: `outer` blocks of `length` rows of `inner` neighbouring numbers. */
interface Axis {
  readonly outer: number;
  readonly length: number;
  readonly inner: number;
}

/** The axes that are longer than one: along others no filter does anything. */
function axesOf(spatial: readonly number[]): readonly Axis[] {
  return spatial
    .map((length, a) => ({ outer: product(spatial.slice(0, a)), length, inner: product(spatial.slice(a + 1)) }))
    .filter(({ length }) => length > 1);
}

/** For each row along an axis, the rows that it is made of and their weights: `taps` of them, one row's after the other's. */
interface Rows {
  readonly taps: number;
  readonly from: Int32Array;
  readonly weights: Float64Array;
}

/** Each row becomes a weighted sum of rows of the same block. Sums are in double precision. */
function combine(channel: Float32Array, { outer, length, inner }: Axis, { taps, from, weights }: Rows): void {
  const block = new Float64Array(length * inner);
  for (let o = 0; o < outer; o++) {
    const start = o * length * inner;
    block.fill(0);
    if (inner === 1) {
      for (let i = 0; i < length; i++) {
        let sum = 0;
        for (let t = i * taps; t < (i + 1) * taps; t++) sum += weights[t] * channel[start + from[t]];
        block[i] = sum;
      }
    } else {
      for (let i = 0; i < length; i++) {
        const to = i * inner;
        for (let t = i * taps; t < (i + 1) * taps; t++) {
          const weight = weights[t];
          const row = start + from[t] * inner;
          for (let j = 0; j < inner; j++) block[to + j] += weight * channel[row + j];
        }
      }
    }
    for (let i = 0; i < block.length; i++) channel[start + i] = block[i];
  }
}

/** Standard deviations of a Gaussian that its kernel reaches to either side, as SciPy's. */
const reach = 4;

/**
 * Blurs a channel in place with a Gaussian of `sigma` pixels along every axis. At the edges it is mirrored (d c b a | a b c d | d c b a).
 * The same as SciPy's `gaussian_filter` with its defaults.
 */
export function gaussianBlur(channel: Float32Array, spatial: readonly number[], sigma: number): void {
  const radius = Math.floor(reach * sigma + 0.5);
  if (radius === 0) return;
  const kernel = Float64Array.from({ length: 2 * radius + 1 }, (_, k) => Math.exp(-0.5 * ((k - radius) / sigma) ** 2));
  const sum = kernel.reduce((total, weight) => total + weight, 0);
  for (const axis of axesOf(spatial)) {
    const { length } = axis;
    const taps = kernel.length;
    const from = new Int32Array(length * taps);
    const weights = new Float64Array(length * taps);
    for (let i = 0; i < length; i++) {
      for (let k = 0; k < taps; k++) {
        const at = (((i + k - radius) % (2 * length)) + 2 * length) % (2 * length);
        from[i * taps + k] = at < length ? at : 2 * length - 1 - at;
        weights[i * taps + k] = kernel[k] / sum;
      }
    }
    combine(channel, axis, { taps, from, weights });
  }
}

/**
 * Takes every axis of a channel down to a share of its length, each pixel the nearest, and up again, linearly: in place. The same as
 * PyTorch's `interpolate` with `nearest-exact` and then `linear`, `bilinear` or `trilinear`, as nnU-Net simulates low resolution.
 */
export function lowResolution(channel: Float32Array, spatial: readonly number[], share: number): void {
  for (const axis of axesOf(spatial)) {
    const { length } = axis;
    const low = Math.max(1, Math.round(length * share));
    if (low >= length) continue;
    const nearest = (i: number): number => Math.min(length - 1, Math.floor(((i + 0.5) * length) / low));
    const from = new Int32Array(2 * length);
    const weights = new Float64Array(2 * length);
    for (let i = 0; i < length; i++) {
      const at = Math.min(low - 1, Math.max(0, ((i + 0.5) * low) / length - 0.5));
      const below = Math.floor(at);
      from[2 * i] = nearest(below);
      from[2 * i + 1] = nearest(Math.min(low - 1, below + 1));
      weights[2 * i] = 1 - (at - below);
      weights[2 * i + 1] = at - below;
    }
    combine(channel, axis, { taps: 2, from, weights });
  }
}
