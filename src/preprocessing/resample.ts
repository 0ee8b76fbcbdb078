/** Volumes resampled to other extents, as nnU-Net's `resample_data_or_seg_to_shape` does. */
import { product } from '../../ir/numbers.ts';
import type { Extents } from './grid.ts';
import { rangeOf } from './normalize.ts';
import type { Resampling, SplineOrder } from './plans.ts';
import { resampledAlong } from './spline.ts';

/** To the nearest integer, halves to the even one, as in Python and NumPy. */
export const roundHalfEven = (value: number): number => {
  const below = Math.floor(value);
  const rest = value - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 !== 0) ? below + 1 : below;
};

/** The extents that a volume has at another spacing. */
export const extentsAt = (extents: Extents, spacing: readonly number[], target: readonly number[]): Extents =>
  extents.map((extent, i) => roundHalfEven((spacing[i] / target[i]) * extent));

/** From one grid to another. */
export interface Change {
  readonly from: Extents;
  readonly to: Extents;
  /** In mm along each axis. */
  readonly fromSpacing: readonly number[];
  readonly toSpacing: readonly number[];
}

/** How many times the least spacing the largest is where slices are resampled by themselves. */
const anisotropy = 3;

const isAnisotropic = (spacing: readonly number[]): boolean => Math.max(...spacing) / Math.min(...spacing) > anisotropy;

/** The axis of the largest spacing; undefined where several share it. */
function coarsestAxis(spacing: readonly number[]): number | undefined {
  const largest = Math.max(...spacing);
  const axes = spacing.flatMap((value, axis) => (value === largest ? [axis] : []));
  return axes.length === 1 ? axes[0] : undefined;
}

/** The axis along which slices are resampled by themselves; undefined where there is none. */
function separateAxis({ separateZ }: Resampling, { fromSpacing, toSpacing }: Change): number | undefined {
  if (separateZ === false) return undefined;
  if (separateZ || isAnisotropic(fromSpacing)) return coarsestAxis(fromSpacing);
  return isAnisotropic(toSpacing) ? coarsestAxis(toSpacing) : undefined;
}

/** Resampled along some axes, those that get shorter first. */
function along(
  volume: Float32Array<ArrayBuffer>,
  extents: Extents,
  to: Extents,
  axes: readonly number[],
  order: SplineOrder,
): Float32Array<ArrayBuffer> {
  const now = [...extents];
  let result = volume;
  const changing = axes.filter(axis => extents[axis] !== to[axis]);
  for (const axis of changing.sort((a, b) => to[a] / extents[a] - to[b] / extents[b])) {
    const inner = product(now.slice(axis + 1));
    result = resampledAlong(result, { length: now[axis], inner }, to[axis], order);
    now[axis] = to[axis];
  }
  return result;
}

const allAxes = [0, 1, 2] as const;

/** Splines of a higher order overshoot: back into the range of what they were made of. */
function clip(values: Float32Array, [low, high]: readonly [number, number]): void {
  for (let i = 0; i < values.length; i++) {
    if (values[i] < low) values[i] = low;
    else if (values[i] > high) values[i] = high;
  }
}

/** Each slice across an axis on its own. @param slices in the order of the axis; all of one size. */
function clipSlices(values: Float32Array, extents: Extents, axis: number, of: Float32Array, ofExtents: Extents): void {
  for (let slice = 0; slice < extents[axis]; slice++) {
    let [low, high] = [Infinity, -Infinity];
    eachInSlice(ofExtents, axis, slice, at => {
      const value = of[at];
      if (value < low) low = value;
      if (value > high) high = value;
    });
    eachInSlice(extents, axis, slice, at => {
      const value = values[at];
      if (value < low) values[at] = low;
      else if (value > high) values[at] = high;
    });
  }
}

function eachInSlice(extents: Extents, axis: number, slice: number, visit: (at: number) => void): void {
  const inner = product(extents.slice(axis + 1));
  const block = inner * extents[axis];
  const end = product(extents);
  for (let start = slice * inner; start < end; start += block) for (let i = 0; i < inner; i++) visit(start + i);
}

const isSame = ({ from, to }: Change): boolean => from.every((extent, i) => extent === to[i]);

/** One channel of an image, or of what a network says of one. */
export function resampledValues(
  volume: Float32Array<ArrayBuffer>,
  change: Change,
  how: Resampling,
): Float32Array<ArrayBuffer> {
  if (isSame(change)) return volume;
  const { from, to } = change;
  const separate = separateAxis(how, change);
  const result = along(
    volume,
    from,
    to,
    allAxes.filter(axis => axis !== separate),
    how.order,
  );
  if (separate === undefined) {
    if (how.order > 1) clip(result, rangeOf(volume));
    return result;
  }
  const between = to.map((extent, axis) => (axis === separate ? from[axis] : extent));
  if (how.order > 1) clipSlices(result, between, separate, volume, from);
  return along(result, between, to, [separate], how.orderZ);
}

type Labels = Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer>;

/**
 * Labels: of each value by itself it is asked where it has at least half of a place (across slices: more); the highest such value wins, and
 * where there is none, it is 0. Where a half is not exact in binary, rounding decides, here and there.
 */
export function resampledLabels<L extends Labels>(labels: L, change: Change, how: Resampling): L {
  if (isSame(change)) return labels;
  const { from, to } = change;
  const separate = separateAxis(how, change);
  if (separate === undefined)
    return byValue(labels, how.order, share => along(share, from, to, allAxes, how.order), isHalf);
  const between = to.map((extent, axis) => (axis === separate ? from[axis] : extent));
  const inPlane = allAxes.filter(axis => axis !== separate);
  const slices = byValue(labels, how.order, share => along(share, from, between, inPlane, how.order), isHalf);
  return byValue(slices, how.orderZ, share => along(share, between, to, [separate], how.orderZ), isMore);
}

const isHalf = (share: number): boolean => share >= 0.5;
const isMore = (share: number): boolean => share > 0.5;

function byValue<L extends Labels>(
  labels: L,
  order: SplineOrder,
  resample: (share: Float32Array<ArrayBuffer>) => Float32Array<ArrayBuffer>,
  wins: (share: number) => boolean,
): L {
  const Kind = labels.constructor as new (from: number | ArrayLike<number>) => L;
  if (order === 0) return new Kind(resample(Float32Array.from(labels)));
  let result: L | undefined;
  for (const value of [...new Set(labels)].sort((a, b) => a - b)) {
    const share = resample(Float32Array.from(labels, label => (label === value ? 1 : 0)));
    result ??= new Kind(share.length);
    for (let i = 0; i < share.length; i++) if (wins(share[i])) result[i] = value;
  }
  return result!;
}
