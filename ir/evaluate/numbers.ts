import { numbersOf, type Tensor, tensorFromNumbers } from '../tensor.ts';
import { type DType, isFloat } from '../type.ts';

/** The elements as numbers; undefined when a 64-bit integer is none. */
export function exactNumbers(t: Tensor): ArrayLike<number> | undefined {
  if (t.dtype === 'int64' || t.dtype === 'uint64') {
    for (const v of t.data as BigInt64Array)
      if (v > Number.MAX_SAFE_INTEGER || v < Number.MIN_SAFE_INTEGER) return undefined;
  }
  return numbersOf(t);
}

/** A tensor of computed numbers; undefined when one of them is no value of the dtype. Integers are truncated. */
export function computed(dtype: DType, shape: readonly number[], values: Float64Array): Tensor | undefined {
  if (!isFloat(dtype)) {
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
