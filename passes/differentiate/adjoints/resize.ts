import type { AttributesOf, Value } from '../../../ir/graph.ts';
import { numbersOf } from '../../../ir/tensor.ts';
import { known, range } from '../emit.ts';
import type { AdjointArguments, Gradient } from '../rule.ts';

type ResizeAttributes = AttributesOf<'Resize'>;

/** Where in the input an output position lies: ONNX Resize 19, `coordinate_transformation_mode`. */
function source(mode: string, o: number, scale: number, from: number, to: number): number {
  switch (mode) {
    case 'asymmetric':
      return o / scale;
    case 'align_corners':
      return to === 1 ? 0 : (o * (from - 1)) / (to - 1);
    case 'pytorch_half_pixel':
      return to > 1 ? (o + 0.5) / scale - 0.5 : 0;
    case 'half_pixel_symmetric': {
      const adjustment = to / (scale * from);
      const centre = from / 2;
      return centre * (1 - adjustment) + (o + 0.5) / scale - 0.5;
    }
    case 'half_pixel':
      return (o + 0.5) / scale - 0.5;
    default:
      return Number.NaN;
  }
}

function nearest(mode: string, at: number): number {
  switch (mode) {
    case 'floor':
      return Math.floor(at);
    case 'ceil':
      return Math.ceil(at);
    case 'round_prefer_ceil':
      return Math.floor(at + 0.5);
    default:
      return Math.ceil(at - 0.5);
  }
}

/** Weights of the elements around `at`, from element `first` on. */
function taps(attributes: ResizeAttributes, at: number): { first: number; weights: readonly number[] } {
  const floor = Math.floor(at);
  const t = at - floor;
  if (attributes.mode === 'nearest') return { first: nearest(attributes.nearest_mode, at), weights: [1] };
  if (attributes.mode === 'linear') return { first: floor, weights: [1 - t, t] };
  const a = attributes.cubic_coeff_a;
  const near = (d: number) => ((a + 2) * d - (a + 3)) * d * d + 1;
  const far = (d: number) => ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
  return { first: floor - 1, weights: [far(1 + t), near(t), near(1 - t), far(2 - t)] };
}

/** Interpolation along one axis as a matrix [to, from]: every mode is linear in the input. */
export function resizeMatrix(attributes: ResizeAttributes, from: number, to: number, scale: number): Float64Array[] {
  return range(0, to).map(o => {
    const row = new Float64Array(from);
    const { first, weights } = taps(attributes, source(attributes.coordinate_transformation_mode, o, scale, from, to));
    const inside = weights.map((w, i) => (first + i >= 0 && first + i < from ? w : 0));
    const excluded = attributes.exclude_outside !== 0 && attributes.mode === 'cubic';
    const total = excluded ? inside.reduce((a, b) => a + b, 0) : 1;
    for (const [i, weight] of (excluded ? inside : weights).entries()) {
      row[Math.min(Math.max(first + i, 0), from - 1)] += weight / total;
    }
    return row;
  });
}

/** The adjoint of an interpolation: each axis times its transposed matrix. Cropping and antialiasing are not covered. */
export function resize({ e, node, x: [x, , scales], y, dy }: AdjointArguments<'Resize'>): Gradient[] {
  const { attributes } = node;
  const covered =
    attributes.antialias === 0 &&
    attributes.coordinate_transformation_mode !== 'tf_crop_and_resize' &&
    attributes.keep_aspect_ratio_policy === 'stretch';
  if (!covered) return [];
  const { shape } = x.type;
  const axes = attributes.axes?.map(a => (a < 0 ? a + shape.length : a)) ?? range(0, shape.length);
  const given = scales?.constant && Array.from(numbersOf(scales.constant));
  return [
    () =>
      axes.reduce<Value>((g, axis, i) => {
        const by = given?.[i];
        // A batch of unknown size that is not resized stays as it is.
        if (by === 1 || y.type.shape[axis] === shape[axis]) return g;
        const [from, to] = [known(shape[axis], x), known(y.type.shape[axis], y)];
        const matrix = resizeMatrix(attributes, from, to, by ?? to / from);
        return e.along(g, axis, transposed(matrix, from));
      }, dy),
  ];
}

const transposed = (matrix: readonly Float64Array[], columns: number): Float64Array[] =>
  range(0, columns).map(j => Float64Array.from(matrix, row => row[j]));
