/**
 * Resampling along one axis by splines, as `scipy.ndimage.zoom` with `mode='nearest'` and `grid_mode=True` does, which
 * `skimage.transform.resize` with `mode='edge'` comes to. Splines are separable: what is done along one axis after the other
 * is what SciPy does along all at once.
 */
import type { SplineOrder } from './plans.ts';

/** Lines along the axis that are worked on side by side, so that neighbours in memory are neighbours in time. */
const together = 32;

/** SciPy continues the edge by so many places before it fits a cubic spline. */
const margin = 12;

/** The pole of cubic B-splines, and what coefficients are multiplied with for it. */
const pole = Math.sqrt(3) - 2;
const gain = (1 - pole) * (1 - 1 / pole);

/** Powers of the pole beyond this one are nothing in double precision. */
const terms = 30;

/** For each new place: the first row that it is made of, and the weights of that and the following ones. */
interface Taps {
  /** Rows that one is made of. */
  readonly count: number;
  readonly from: Int32Array;
  readonly weights: Float64Array;
}

/** Rows are counted from the beginning of the padded line; none lies beyond its end. */
function tapsFor(length: number, target: number, order: SplineOrder): Taps {
  const count = order + 1;
  const from = new Int32Array(target);
  const weights = new Float64Array(target * count);
  const scale = length / target;
  for (let to = 0; to < target; to++) {
    const place = (to + 0.5) * scale - 0.5;
    const inside = Math.min(Math.max(place, 0), length - 1);
    const at = to * count;
    if (order === 0) {
      from[to] = Math.floor(inside + 0.5);
      weights[at] = 1;
    } else if (order === 1) {
      const below = Math.min(Math.floor(inside), length - 2);
      from[to] = below;
      weights[at] = 1 - (inside - below);
      weights[at + 1] = inside - below;
    } else {
      const below = Math.floor(place);
      const t = place - below;
      const u = 1 - t;
      from[to] = below - 1 + margin;
      weights[at] = u ** 3 / 6;
      weights[at + 1] = (t * t * (t - 2) * 3 + 4) / 6;
      weights[at + 2] = (u * u * (u - 2) * 3 + 4) / 6;
      weights[at + 3] = t ** 3 / 6;
    }
  }
  return { count, from, weights };
}

/** Turns rows of values [rows, width] into the coefficients of the cubic splines through them, mirrored at both ends. */
function fitCubic(lines: Float64Array, rows: number, width: number): void {
  for (let i = 0; i < rows * width; i++) lines[i] *= gain;
  const last = pole ** rows;
  const many = Math.min(rows, terms);
  for (let b = 0; b < width; b++) {
    const first = lines[b];
    let sum = first + last * lines[(rows - 1) * width + b];
    let power = pole;
    for (let i = 1; i < many; i++) {
      sum += power * (lines[i * width + b] + last * lines[(rows - 1 - i) * width + b]);
      power *= pole;
    }
    lines[b] = first + (sum * pole) / (1 - last * last);
  }
  for (let i = width; i < rows * width; i++) lines[i] += pole * lines[i - width];
  for (let i = (rows - 1) * width; i < rows * width; i++) lines[i] *= pole / (pole - 1);
  for (let i = (rows - 1) * width - 1; i >= 0; i--) lines[i] = pole * (lines[i + width] - lines[i]);
}

/** An axis of an array in C order: how many numbers lie behind it, and how long it is. */
export interface Along {
  readonly length: number;
  /** Numbers between neighbours along the axis. */
  readonly inner: number;
}

/** An array whose one axis has `target` places instead of `length`; the first place's beginning and the last one's end stay where they are. */
export function resampledAlong(
  data: Float32Array,
  { length, inner }: Along,
  target: number,
  order: SplineOrder,
): Float32Array<ArrayBuffer> {
  const lines = data.length / length;
  const result = new Float32Array(lines * target);
  const { count, from, weights } = tapsFor(length, target, length === 1 ? 0 : order);
  const before = count > 2 ? margin : 0;
  const rows = length + 2 * before;
  const values = new Float64Array(rows * together);
  const [starts, ends] = [new Float64Array(together), new Float64Array(together)];
  for (let first = 0; first < lines; first += together) {
    const width = Math.min(together, lines - first);
    for (let b = 0; b < width; b++) {
      const inside = (first + b) % inner;
      const outer = (first + b - inside) / inner;
      starts[b] = outer * length * inner + inside;
      ends[b] = outer * target * inner + inside;
    }
    for (let row = 0; row < length; row++) {
      const to = (before + row) * width;
      for (let b = 0; b < width; b++) values[to + b] = data[starts[b] + row * inner];
    }
    if (before > 0) {
      for (let row = 0; row < before; row++) {
        values.copyWithin(row * width, before * width, (before + 1) * width);
        values.copyWithin((before + length + row) * width, (before + length - 1) * width, (before + length) * width);
      }
      fitCubic(values, rows, width);
    }
    for (let row = 0; row < target; row++) {
      const start = from[row] * width;
      for (let b = 0; b < width; b++) {
        let sum = 0;
        for (let k = 0; k < count; k++) sum += weights[row * count + k] * values[start + k * width + b];
        result[ends[b] + row * inner] = sum;
      }
    }
  }
  return result;
}
