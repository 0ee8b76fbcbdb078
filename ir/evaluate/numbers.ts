import { numbersOf, type Tensor, tensorFromNumbers } from '../tensor.ts';
import type { DType } from '../type.ts';
import { isInteger } from './integers.ts';

/** The elements as numbers; undefined when a 64-bit integer is none. */
export function exactNumbers(t: Tensor): ArrayLike<number> | undefined {
  if (t.dtype === 'int64' || t.dtype === 'uint64') {
    for (const v of t.data as BigInt64Array)
      if (v > Number.MAX_SAFE_INTEGER || v < Number.MIN_SAFE_INTEGER) return undefined;
  }
  return numbersOf(t);
}

/** The elements as the nearest numbers: what becomes of 64-bit integers that are read as floats. */
export const nearestNumbers = (t: Tensor): ArrayLike<number> =>
  t.dtype === 'int64' || t.dtype === 'uint64' ? Array.from(t.data as BigInt64Array, Number) : numbersOf(t);

/** Numbers in the order of the elements: integers beyond 2^53 are replaced by their ranks. */
export function comparableNumbers(t: Tensor): ArrayLike<number> {
  const exact = exactNumbers(t);
  if (exact) return exact;
  const values = t.data as BigInt64Array;
  const ranks = new Map([...new Set(values)].sort((a, b) => (a < b ? -1 : 1)).map((v, rank) => [v, rank]));
  return Array.from(values, v => ranks.get(v)!);
}

/** A tensor of computed numbers; undefined when one of them is no value of the dtype. Integers are truncated. */
export function computed(dtype: DType, shape: readonly number[], values: Float64Array): Tensor | undefined {
  if (isInteger(dtype)) {
    for (const v of values) if (!Number.isFinite(v)) return undefined;
  }
  return tensorFromNumbers(dtype, shape, values);
}

/** A one-element list of what was computed. */
export function result(
  { dtype, shape }: { dtype: DType; shape: readonly number[] },
  values: Float64Array,
): readonly Tensor[] | undefined {
  const t = computed(dtype, shape, values);
  return t && [t];
}
