/**
 * Resize, and what it draws from, of ONNX 19: every mode is linear in the input and separable over the axes, so along each axis an output
 * position is a few input positions with weights.
 */
import { type Dim, floorDivide, isStatic, multiplyDims } from '../dim.ts';
import {
  attr,
  elementsOf,
  type Inferred,
  integersOf,
  normalizeAxis,
  type Operand,
  operator,
  reject,
} from '../operator.ts';
import { numbersOf } from '../tensor.ts';
import type { Shape } from '../type.ts';

export interface Tap {
  /** In [0, size). */
  readonly position: number;
  readonly weight: number;
}

export interface ResizedAxis {
  readonly axis: number;
  readonly size: number;
  /** For each output position its taps; undefined where it lies outside of the input (`tf_crop_and_resize`). */
  readonly taps: readonly (readonly Tap[] | undefined)[];
}

interface ResizeAttributes {
  readonly antialias: number;
  readonly axes?: readonly number[] | undefined;
  readonly coordinate_transformation_mode: string;
  readonly cubic_coeff_a: number;
  readonly exclude_outside: number;
  readonly keep_aspect_ratio_policy: string;
  readonly mode: string;
  readonly nearest_mode: string;
}

/** The operands apart from the tensor, as far as they are given: an empty one counts as absent. */
interface ResizeOperands {
  readonly roi?: ArrayLike<number> | undefined;
  readonly scales?: ArrayLike<number> | undefined;
  readonly sizes?: ArrayLike<number> | undefined;
}

const coordinateModes = [
  'half_pixel',
  'half_pixel_symmetric',
  'pytorch_half_pixel',
  'align_corners',
  'asymmetric',
  'tf_crop_and_resize',
] as const;
const nearestModes = ['round_prefer_floor', 'round_prefer_ceil', 'floor', 'ceil'] as const;
const interpolationModes = ['nearest', 'linear', 'cubic'] as const;

type CoordinateMode = (typeof coordinateModes)[number];
type NearestMode = (typeof nearestModes)[number];

const includes = <T extends string>(list: readonly T[], name: string): name is T =>
  (list as readonly string[]).includes(name);

/** The first of the modes that ONNX does not know; undefined when all are known. */
function unknownMode(attributes: ResizeAttributes): string | undefined {
  const { mode, nearest_mode, coordinate_transformation_mode } = attributes;
  if (!includes(interpolationModes, mode)) return mode;
  if (!includes(coordinateModes, coordinate_transformation_mode)) return coordinate_transformation_mode;
  return mode === 'nearest' && !includes(nearestModes, nearest_mode) ? nearest_mode : undefined;
}

/** Scales are float32, and so is what runtimes compute with them: 10 · 0.7 is 7 there, and 6.99999988 in double precision. */
export const scaledExtent = (extent: number, scale: number): number => Math.floor(f32(extent * f32(scale)));

/** The scale of all axes under a policy that keeps the aspect ratio, and the extents that follow. */
function keptAspect(
  policy: string,
  extents: readonly number[],
  sizes: ArrayLike<number>,
): { readonly scale: number; readonly extents: readonly number[] } {
  const scales = extents.map((extent, i) => sizes[i] / extent);
  const scale = policy === 'not_larger' ? Math.min(...scales) : Math.max(...scales);
  return { scale, extents: extents.map(extent => Math.floor(scale * extent + 0.5)) };
}

/** The axes that change, with their taps. `from` and `to` are the whole shapes. */
export function resizedAxes(
  attributes: ResizeAttributes,
  from: readonly number[],
  to: readonly number[],
  { roi, scales, sizes }: ResizeOperands,
): readonly ResizedAxis[] {
  const axes = attributes.axes?.map(a => normalizeAxis(a, from.length)) ?? from.map((_, i) => i);
  const crop = attributes.coordinate_transformation_mode === 'tf_crop_and_resize';
  const region = roi && roi.length > 0 ? roi : undefined;
  const given = scales && scales.length > 0 ? scales : undefined;
  const kept =
    !given && sizes && attributes.keep_aspect_ratio_policy !== 'stretch'
      ? keptAspect(
          attributes.keep_aspect_ratio_policy,
          axes.map(a => from[a]),
          sizes,
        ).scale
      : undefined;
  return axes.flatMap((axis, i) => {
    const scale = given ? given[i] : (kept ?? to[axis] / from[axis]);
    const cut = crop && region ? ([region[i], region[axes.length + i]] as const) : undefined;
    if (from[axis] === to[axis] && scale === 1 && !cut) return [];
    return [resizedAxis(attributes, axis, { size: from[axis], out: to[axis], scale, region: cut ?? [0, 1] })];
  });
}

/** How an axis of `size` becomes one of `out`. */
interface Resizing {
  readonly size: number;
  readonly out: number;
  readonly scale: number;
  /** The part that is taken, as shares of the axis. */
  readonly region: readonly [number, number];
}

function resizedAxis(attributes: ResizeAttributes, axis: number, resizing: Resizing): ResizedAxis {
  const { size, out, scale } = resizing;
  const mode = attributes.coordinate_transformation_mode as CoordinateMode;
  const inside = (p: number) => p >= 0 && p < size;
  const taps = Array.from({ length: out }, (_, at): readonly Tap[] | undefined => {
    const x = coordinate(mode, at, resizing);
    if (mode === 'tf_crop_and_resize' && (x < 0 || x > size - 1)) return undefined;
    let found = tapsAt(attributes, x, scale);
    if (attributes.exclude_outside) found = unit(found.map(t => (inside(t.position) ? t : { ...t, weight: 0 })));
    return found.map(({ position, weight }) => ({ position: Math.min(Math.max(position, 0), size - 1), weight }));
  });
  return { axis, size, taps };
}

const f32 = Math.fround;

/** The input coordinate of an output position, in single precision: what is nearest at a tie depends on it. */
function coordinate(mode: CoordinateMode, at: number, { size, out, scale, region: [start, end] }: Resizing): number {
  const by = f32(scale);
  const half = () => f32(f32((at + 0.5) / by) - 0.5);
  switch (mode) {
    case 'half_pixel':
      return half();
    case 'half_pixel_symmetric': {
      const adjusted = f32(out / f32(by * size));
      return f32(f32((size / 2) * (1 - adjusted)) + half());
    }
    case 'pytorch_half_pixel':
      return out > 1 ? half() : 0;
    case 'align_corners':
      return out === 1 ? 0 : f32((at * (size - 1)) / (out - 1));
    case 'asymmetric':
      return f32(at / by);
    case 'tf_crop_and_resize':
      return out > 1
        ? f32(start * (size - 1) + (at * (end - start) * (size - 1)) / (out - 1))
        : f32(0.5 * (start + end) * (size - 1));
    default:
      return mode satisfies never;
  }
}

function nearest(mode: NearestMode, x: number): number {
  switch (mode) {
    case 'round_prefer_floor':
      return Math.ceil(x - 0.5);
    case 'round_prefer_ceil':
      return Math.floor(x + 0.5);
    case 'floor':
      return Math.floor(x);
    case 'ceil':
      return Math.ceil(x);
    default:
      return mode satisfies never;
  }
}

/** Keys' cubic convolution kernel at a distance. */
function cubic(distance: number, a: number): number {
  const t = Math.abs(distance);
  if (t >= 2) return 0;
  return t <= 1 ? ((a + 2) * t - (a + 3)) * t * t + 1 : ((a * t - 5 * a) * t + 8 * a) * t - 4 * a;
}

/** Weights that add up to 1. */
function unit(taps: readonly Tap[]): readonly Tap[] {
  const sum = taps.reduce((s, tap) => s + tap.weight, 0);
  return taps.map(tap => ({ ...tap, weight: tap.weight / sum }));
}

/** The taps of one output position, before positions outside are dealt with. */
function tapsAt(attributes: ResizeAttributes, x: number, scale: number): readonly Tap[] {
  const { mode, nearest_mode, cubic_coeff_a, antialias } = attributes;
  if (mode === 'nearest') return [{ position: nearest(nearest_mode as NearestMode, x), weight: 1 }];
  const [support, kernel] =
    mode === 'linear' ? [1, (t: number) => Math.max(0, 1 - Math.abs(t))] : [2, (t: number) => cubic(t, cubic_coeff_a)];
  // An antialiasing kernel is stretched by the inverse scale.
  const stretch = antialias ? Math.min(scale, 1) : 1;
  const first = stretch < 1 ? Math.ceil(x - support / stretch) : Math.floor(x) - support + 1;
  const last = stretch < 1 ? Math.floor(x + support / stretch) : Math.floor(x) + support;
  const taps: Tap[] = [];
  for (let position = first; position <= last; position++) {
    taps.push({ position, weight: kernel((position - x) * stretch) });
  }
  return stretch < 1 ? unit(taps) : taps;
}

/** The extents that the operand `sizes` of a Resize asks for; undefined where they depend on data. */
function extentsWanted(
  shape: Shape,
  axes: readonly number[],
  sizes: Operand,
  policy: string,
): readonly Dim[] | undefined {
  if (policy === 'stretch') return elementsOf(sizes);
  const wanted = integersOf(sizes);
  const extents = axes.map(axis => shape[axis]);
  return wanted && extents.every(isStatic) ? keptAspect(policy, extents as number[], wanted).extents : undefined;
}

function scaled(extent: Dim, by: number): Dim {
  if (typeof extent === 'number') return scaledExtent(extent, by);
  const inverse = 1 / by;
  if (Number.isInteger(inverse)) return floorDivide(extent, inverse);
  // Halves, quarters, ...: the products are as exact as they are of numbers.
  const parts = [1, 2, 4, 8, 16].find(count => Number.isInteger(by * count));
  return parts === undefined
    ? reject(`a symbolic extent ${extent} can't be scaled by ${by}`)
    : floorDivide(multiplyDims(extent, by * parts), parts);
}

export const interpolation = {
  /** Interpolation. `roi` counts for `tf_crop_and_resize` only. */
  Resize: operator({
    inputs: ['X', 'roi?', 'scales?', 'sizes?'],
    noHalf: [2],
    attributes: {
      antialias: attr.int.default(0),
      axes: attr.ints.optional,
      coordinate_transformation_mode: attr.string.default('half_pixel'),
      cubic_coeff_a: attr.float.default(-0.75),
      exclude_outside: attr.int.default(0),
      extrapolation_value: attr.float.default(0),
      keep_aspect_ratio_policy: attr.string.default('stretch'),
      mode: attr.string.default('nearest'),
      nearest_mode: attr.string.default('round_prefer_floor'),
    },
    versions: [10, 11, 13, 18, 19],
    infer([x, , scales, sizes], attributes, { fresh }): readonly Inferred[] {
      const { dtype, shape } = x.type;
      const unknown = unknownMode(attributes);
      if (unknown !== undefined) reject(`the mode '${unknown}' is unknown`);
      const along = attributes.axes?.map(a => normalizeAxis(a, shape.length)) ?? shape.map((_d, i) => i);
      const by = scales?.constant && Array.from(numbersOf(scales.constant));
      const given = by?.length ? along.map((axis, i) => scaled(shape[axis], by[i])) : undefined;
      const extents = given ?? (sizes && extentsWanted(shape, along, sizes, attributes.keep_aspect_ratio_policy));
      const to = [...shape];
      along.forEach((axis, i) => {
        to[axis] = extents?.[i] ?? fresh();
      });
      return [{ dtype, shape: to }];
    },
  }),
};
