/** Static shapes of values: kernels see no symbols. */
import { SutureError } from '../../ir/errors.ts';
import type { Value } from '../../ir/graph.ts';
import { product } from '../../ir/numbers.ts';
import { staticShape, typeText } from '../../ir/type.ts';

/** The extents of a value as numbers. @throws SutureError `kernel-missing` where one is symbolic. */
export function sizesOf(value: Value): readonly number[] {
  const shape = staticShape(value.type.shape);
  if (shape === undefined) {
    throw new SutureError(
      'kernel-missing',
      `'${value.name}' is ${typeText(value.type)}, with an extent that is not known before the run`,
    );
  }
  return shape;
}

export const elementCount = (value: Value): number => product(sizesOf(value));

/** `[N, C, H, W]` seen as `[outer, axis, inner]`. */
export function around(shape: readonly number[], axis: number): { outer: number; axis: number; inner: number } {
  const at = axis < 0 ? axis + shape.length : axis;
  return { outer: product(shape.slice(0, at)), axis: shape[at] ?? 1, inner: product(shape.slice(at + 1)) };
}
