import { product, stridesOf } from '../numbers.ts';
import { arrayFor, type Tensor, type TensorData, tensor } from '../tensor.ts';
import type { DType } from '../type.ts';

/** Strides with which a tensor of `shape` is read as one of `out`, as numpy broadcasts. */
export function broadcastStrides(shape: readonly number[], out: readonly number[]): number[] {
  const own = stridesOf(shape);
  const missing = out.length - shape.length;
  return out.map((_, i) => (i < missing || shape[i - missing] === 1 ? 0 : own[i - missing]));
}

/** `base + Σ index[i] · strides[i]` for every index into `shape`, in row-major order. */
export function offsets(shape: readonly number[], strides: readonly number[], base = 0): Int32Array {
  const result = new Int32Array(product(shape));
  if (result.length === 0) return result;
  const index = shape.map(() => 0);
  let offset = base;
  for (let k = 0; k < result.length; k++) {
    result[k] = offset;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      offset += strides[axis];
      if (++index[axis] < shape[axis]) break;
      offset -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return result;
}

/** Offsets into a tensor of `from`, where the index on each axis is given by a table; -1 where a table says so. */
export function tabled(from: readonly number[], tables: readonly (readonly number[])[]): Int32Array {
  const strides = stridesOf(from);
  let result = Int32Array.of(0);
  for (const [axis, table] of tables.entries()) {
    const next = new Int32Array(result.length * table.length);
    for (let i = 0; i < result.length; i++) {
      for (let k = 0; k < table.length; k++) {
        next[i * table.length + k] = result[i] < 0 || table[k] < 0 ? -1 : result[i] + table[k] * strides[axis];
      }
    }
    result = next;
  }
  return result;
}

/** The elements of `source` at the given offsets, in their order: bits are kept. A negative offset leaves the fill. */
export function pick<D extends DType>(
  source: Tensor<D>,
  shape: readonly number[],
  from: ArrayLike<number>,
  fill?: Tensor,
): Tensor<D> {
  const data = indexed(arrayFor(source.dtype, from.length));
  const given = indexed(source.data);
  if (fill) data.fill(indexed(fill.data)[0]);
  for (let i = 0; i < from.length; i++) if (from[i] >= 0) data[i] = given[from[i]];
  return tensor(source.dtype, shape, data as unknown as TensorData<D>);
}

/** A typed array whose elements are copied without a look at what they are. */
interface Indexed {
  readonly length: number;
  [index: number]: never;
  fill(value: never): unknown;
}

export const indexed = (data: TensorData): Indexed => data as unknown as Indexed;

/** The same elements in another shape. */
export const reshaped = <D extends DType>(t: Tensor<D>, shape: readonly number[]): Tensor<D> => ({ ...t, shape });
