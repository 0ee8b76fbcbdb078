import { equalDims } from '../../../ir/dim.ts';
import type { Value } from '../../../ir/graph.ts';
import { range } from '../../../ir/numbers.ts';
import { integersOf } from '../../../ir/operator.ts';
import { type ResizedAxis, resizedAxes } from '../../../ir/ops/interpolation.ts';
import { numbersOf } from '../../../ir/tensor.ts';
import { known } from '../emit.ts';
import type { AdjointArguments, Gradient } from '../rule.ts';

/**
 * The adjoint of an interpolation: each axis that changes times its transposed matrix, for every mode is linear in the input. Axes
 * that stay as they are may be symbolic.
 */
export function resize({ e, node, x: [x, roi, scales, sizes], y, dy }: AdjointArguments<'Resize'>): Gradient[] {
  const [regions, factors] = [roi, scales].map(v => v?.constant && numbersOf(v.constant));
  const { attributes } = node;
  const crop = attributes.coordinate_transformation_mode === 'tf_crop_and_resize';
  if ((crop && roi && !regions) || (scales && scales.type.shape[0] !== 0 && !factors)) return [];
  const [from, to] = [x.type.shape, y.type.shape];
  return [
    () => {
      const open = (axis: number): boolean => typeof from[axis] !== 'number' && equalDims(from[axis], to[axis]);
      // A symbolic extent that is kept stands for any number.
      const extents = (shape: typeof from) => range(0, from.length).map(i => (open(i) ? 1 : known(shape[i], x)));
      const operands = { roi: regions, scales: factors, sizes: sizes && integersOf(sizes) };
      return resizedAxes(attributes, extents(from), extents(to), operands)
        .filter(({ axis }) => !open(axis))
        .reduce<Value>((g, resized) => e.along(g, resized.axis, transposedMatrix(resized)), dy);
    },
  ];
}

/** Interpolation along an axis, the other way: [from, to]. */
function transposedMatrix({ size, taps }: ResizedAxis): Float64Array[] {
  const matrix = range(0, size).map(() => new Float64Array(taps.length));
  for (const [o, list] of taps.entries()) {
    for (const { position, weight } of list ?? []) matrix[position][o] += weight;
  }
  return matrix;
}
