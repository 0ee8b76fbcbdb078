import { product, range, stridesOf } from '../numbers.ts';
import { normalizeAxis } from '../operator.ts';
import type { indexing } from '../ops/indexing.ts';
import { numbersOf, type Tensor } from '../tensor.ts';
import { isFloat } from '../type.ts';
import { bigintsOf, tensorFromBigints } from './integers.ts';
import { offsets, pick, tabled } from './layout.ts';
import { exactNumbers, result } from './numbers.ts';
import type { EvaluationRules, StaticType } from './rule.ts';

/** Indices along an axis of `size`, negative ones counted from the end; undefined when one is outside. */
function indicesIn(t: Tensor, size: number): number[] | undefined {
  const numbers = exactNumbers(t);
  if (!numbers) return undefined;
  const list = Array.from(numbers, i => (i < 0 ? i + size : i));
  return list.every(i => i >= 0 && i < size) ? list : undefined;
}

/** Offsets of the slices that tuples of indices point to; undefined where an index lies outside. */
function tupleOffsets(shape: readonly number[], indices: Tensor, batchDims: number): Int32Array | undefined {
  const numbers = exactNumbers(indices);
  if (!numbers) return undefined;
  const length = indices.shape[indices.shape.length - 1];
  const strides = stridesOf(shape);
  const tuples = product(indices.shape.slice(0, -1));
  const perBatch = product(indices.shape.slice(batchDims, -1));
  const batch = product(shape.slice(batchDims));
  const starts = new Int32Array(tuples);
  for (let t = 0; t < tuples; t++) {
    let base = Math.floor(t / perBatch) * batch;
    for (let k = 0; k < length; k++) {
      const size = shape[batchDims + k];
      const index = numbers[t * length + k];
      const at = index < 0 ? index + size : index;
      if (!(at >= 0 && at < size)) return undefined;
      base += at * strides[batchDims + k];
    }
    starts[t] = base;
  }
  return starts;
}

/** Each start followed by the `inner` elements from it on. */
const runsFrom = (starts: Int32Array, inner: number): Int32Array => {
  const all = new Int32Array(starts.length * inner);
  for (const [t, start] of starts.entries()) for (let k = 0; k < inner; k++) all[t * inner + k] = start + k;
  return all;
};

const reductions: Readonly<Record<string, (old: number, update: number) => number>> = {
  none: (_, update) => update,
  add: (old, update) => old + update,
  mul: (old, update) => old * update,
  max: Math.max,
  min: Math.min,
};

const integerReductions: Readonly<Record<string, (old: bigint, update: bigint) => bigint>> = {
  none: (_, update) => update,
  add: (old, update) => old + update,
  mul: (old, update) => old * update,
  max: (old, update) => (update > old ? update : old),
  min: (old, update) => (update < old ? update : old),
};

/** `data` with each update put where it belongs, in order. */
function scattered(
  data: Tensor,
  updates: Tensor,
  to: ArrayLike<number>,
  reduction: string,
  output: StaticType,
): readonly Tensor[] | undefined {
  if (!Object.hasOwn(reductions, reduction)) return undefined;
  const put = <T>(values: T[], given: ArrayLike<T>, combine: (old: T, update: T) => T): T[] => {
    for (let i = 0; i < to.length; i++) values[to[i]] = combine(values[to[i]], given[i]);
    return values;
  };
  if (!isFloat(output.dtype)) {
    const values = put([...bigintsOf(data)], bigintsOf(updates), integerReductions[reduction]);
    return [tensorFromBigints(output.dtype, output.shape, values)];
  }
  return result(output, Float64Array.from(put([...numbersOf(data)], numbersOf(updates), reductions[reduction])));
}

/** Where each element of `indices` points to, in a tensor of `shape`. */
function elementOffsets(shape: readonly number[], indices: Tensor, axis: number): Int32Array | undefined {
  const list = indicesIn(indices, shape[axis]);
  const strides = stridesOf(shape);
  const from = offsets(
    indices.shape,
    strides.map((s, i) => (i === axis ? 0 : s)),
  );
  return list && from.map((o, i) => o + list[i] * strides[axis]);
}

/** Operators that read or write where data says. An index outside of its axis is left to the executor to refuse. */
export const indexingRules: EvaluationRules<keyof typeof indexing> = {
  Gather([x, indices], { axis }, [{ shape }]) {
    const at = normalizeAxis(axis, x!.shape.length);
    const list = indicesIn(indices!, x!.shape[at]);
    if (!list) return undefined;
    const tables = x!.shape.map((d, i) => (i === at ? list : range(d)));
    return [pick(x!, shape, tabled(x!.shape, tables))];
  },

  GatherElements([x, indices], { axis }, [{ shape }]) {
    const from = elementOffsets(x!.shape, indices!, normalizeAxis(axis, x!.shape.length));
    return from && [pick(x!, shape, from)];
  },

  GatherND([x, indices], { batch_dims }, [{ shape }]) {
    const starts = tupleOffsets(x!.shape, indices!, batch_dims);
    const length = indices!.shape[indices!.shape.length - 1];
    return starts && [pick(x!, shape, runsFrom(starts, product(x!.shape.slice(batch_dims + length))))];
  },

  ScatterElements([data, indices, updates], { axis, reduction }, [output]) {
    const to = elementOffsets(data!.shape, indices!, normalizeAxis(axis, data!.shape.length));
    return to && scattered(data!, updates!, to, reduction, output);
  },

  ScatterND([data, indices, updates], { reduction }, [output]) {
    const starts = tupleOffsets(data!.shape, indices!, 0);
    const length = indices!.shape[indices!.shape.length - 1];
    const inner = product(data!.shape.slice(length));
    return starts && scattered(data!, updates!, runsFrom(starts, inner), reduction, output);
  },

  NonZero([x], _, [output]) {
    const values = exactNumbers(x!);
    if (!values) return undefined;
    const found = Array.from(values).flatMap((v, i) => (v !== 0 ? [i] : []));
    const strides = stridesOf(x!.shape);
    const rows = x!.shape.flatMap((size, axis) => found.map(i => Math.floor(i / strides[axis]) % size));
    return result(output, Float64Array.from(rows));
  },

  OneHot([indices, , values], { axis }, [{ shape }]) {
    const at = normalizeAxis(axis, shape.length);
    const size = shape[at];
    const list = exactNumbers(indices!);
    if (!list) return undefined;
    const inner = product(shape.slice(at + 1));
    const from = new Int32Array(product(shape));
    for (let i = 0; i < from.length; i++) {
      const [outer, hot] = [Math.floor(i / (inner * size)), Math.floor(i / inner) % size];
      const index = list[outer * inner + (i % inner)];
      from[i] = (index < 0 ? index + size : index) === hot ? 1 : 0;
    }
    return [pick(values!, shape, from)];
  },
};
