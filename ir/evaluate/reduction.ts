import { product, stridesOf, sum } from '../numbers.ts';
import { normalizeAxis } from '../operator.ts';
import { reducedAxes, type reduction } from '../ops/reduction.ts';
import { type Tensor, tensorFromNumbers, tensorType } from '../tensor.ts';
import { bigintsOf, isInteger, tensorFromBigints, wrap } from './integers.ts';
import { offsets, pick } from './layout.ts';
import { comparableNumbers, exactNumbers, result } from './numbers.ts';
import type { EvaluationRule, EvaluationRules, StaticType } from './rule.ts';

/** A function of the elements that are reduced to one. There may be none. */
type Reducer = (x: readonly number[]) => number;

/** NaN if there is one. */
const largestOf: Reducer = x => x.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);

function logSumExp(x: readonly number[]): number {
  const high = largestOf(x);
  return Number.isFinite(high) ? high + Math.log(x.reduce((a, b) => a + Math.exp(b - high), 0)) : high;
}

type ReduceOp = Extract<keyof typeof reducers, string>;

const reducers = {
  ReduceL1: (x: readonly number[]) => x.reduce((a, b) => a + Math.abs(b), 0),
  ReduceL2: (x: readonly number[]) => Math.sqrt(x.reduce((a, b) => a + b * b, 0)),
  ReduceLogSum: (x: readonly number[]) => Math.log(sum(x)),
  ReduceLogSumExp: logSumExp,
  ReduceMax: largestOf,
  ReduceMean: (x: readonly number[]) => sum(x) / x.length,
  ReduceMin: (x: readonly number[]) => x.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY),
  ReduceProd: product,
  ReduceSum: sum,
  ReduceSumSquare: (x: readonly number[]) => x.reduce((a, b) => a + b * b, 0),
};

/** As `Reducer`, of integers; `wrap` brings a number into the range of their dtype. */
type IntegerReducer = (x: readonly bigint[], wrap: (v: bigint) => bigint) => bigint;

const integerSum = (x: readonly bigint[]): bigint => x.reduce((a, b) => a + b, 0n);

/** Those whose result is an integer by itself, of one element at least. The others go by way of floats. */
const integerReducers: Readonly<Partial<Record<ReduceOp, IntegerReducer>>> = {
  ReduceL1: x => integerSum(x.map(v => (v < 0n ? -v : v))),
  ReduceMax: x => x.reduce((a, b) => (b > a ? b : a)),
  ReduceMean: (x, wrap) => wrap(integerSum(x)) / BigInt(x.length),
  ReduceMin: x => x.reduce((a, b) => (b < a ? b : a)),
  ReduceProd: (x, wrap) => x.reduce((a, b) => wrap(a * b), 1n),
  ReduceSum: integerSum,
  ReduceSumSquare: x => integerSum(x.map(v => v * v)),
};

/** What lies along `axes` as offsets from a base, and the bases: one for every index of the other axes in order. */
export function groupsOf(
  x: Tensor,
  axes: readonly number[],
): { readonly inner: Int32Array; readonly bases: Int32Array } {
  const strides = stridesOf(x.shape);
  const kept = x.shape.flatMap((_, i) => (axes.includes(i) ? [] : [i]));
  const along = (list: readonly number[]) =>
    offsets(
      list.map(i => x.shape[i]),
      list.map(i => strides[i]),
    );
  const inner = along(axes);
  return { inner, bases: along(kept) };
}

/** Applies `f` to each group of elements along `axes`. */
function reduceOver(x: Tensor, axes: readonly number[], output: StaticType, f: Reducer): readonly Tensor[] | undefined {
  const values = comparableNumbers(x);
  const { inner, bases } = groupsOf(x, axes);
  const group = new Array<number>(inner.length);
  const reduced = Float64Array.from(bases, base => {
    for (let k = 0; k < inner.length; k++) group[k] = values[base + inner[k]];
    return f(group);
  });
  return result(output, reduced);
}

function reduceIntegers(
  x: Tensor,
  axes: readonly number[],
  { dtype, shape }: StaticType,
  f: IntegerReducer,
): readonly Tensor[] {
  const values = bigintsOf(x);
  const { inner, bases } = groupsOf(x, axes);
  const reduced = Array.from(bases, base =>
    f(
      Array.from(inner, k => values[base + k]),
      v => wrap(dtype, v),
    ),
  );
  return [tensorFromBigints(dtype, shape, reduced)];
}

const reduce =
  (op: ReduceOp): EvaluationRule<ReduceOp> =>
  ([x, axes], { noop_with_empty_axes }, [output]) => {
    const operand = axes && { type: tensorType(axes), constant: axes };
    const over = reducedAxes(x!.shape.length, operand, noop_with_empty_axes);
    if (!over) return undefined;
    const onIntegers = isInteger(output.dtype) && product(x!.shape) > 0 ? integerReducers[op] : undefined;
    return onIntegers ? reduceIntegers(x!, over, output, onIntegers) : reduceOver(x!, over, output, reducers[op]);
  };

const argument =
  (better: (a: number, b: number) => boolean): EvaluationRule<'ArgMax' | 'ArgMin'> =>
  ([x], { axis, select_last_index }, [output]) =>
    reduceOver(x!, [normalizeAxis(axis, x!.shape.length)], output, group => {
      let at = 0;
      for (let i = 1; i < group.length; i++) {
        if (better(group[i], group[at]) || (select_last_index && group[i] === group[at])) at = i;
      }
      return at;
    });

/** Replaces each line along an axis by a function of it, which gives as many elements as the output has there. */
function mapLines<T>(
  values: ArrayLike<T>,
  from: readonly number[],
  axis: number,
  to: readonly number[],
  f: (line: readonly T[]) => ArrayLike<T>,
): T[] {
  const at = normalizeAxis(axis, from.length);
  const starts = (of: readonly number[]) =>
    offsets(
      of.map((d, i) => (i === at ? 1 : d)),
      stridesOf(of),
    );
  const firsts = starts(to);
  const [step, stride] = [stridesOf(from)[at], stridesOf(to)[at]];
  const done = new Array<T>(product(to));
  for (const [i, start] of starts(from).entries()) {
    const line = Array.from({ length: from[at] }, (_, k) => values[start + k * step]);
    const mapped = f(line);
    for (let k = 0; k < mapped.length; k++) done[firsts[i] + k * stride] = mapped[k];
  }
  return done;
}

/** As `mapLines`, for operators of one output. */
export function alongLines(
  x: Tensor,
  axis: number,
  output: StaticType,
  f: (line: readonly number[]) => ArrayLike<number>,
): readonly Tensor[] | undefined {
  const values = exactNumbers(x);
  return values && result(output, Float64Array.from(mapLines(values, x.shape, axis, output.shape, f)));
}

const cumulative =
  (op: 'CumSum' | 'CumProd'): EvaluationRule<'CumSum' | 'CumProd'> =>
  ([x, axis], { exclusive, reverse }, [output]) => {
    const along = exactNumbers(axis!)?.[0];
    if (along === undefined) return undefined;
    const { dtype } = output;
    const sums = op === 'CumSum';
    if (isInteger(dtype)) {
      const step = (total: bigint, v: bigint) => wrap(dtype, sums ? total + v : total * v);
      const lines = mapLines(bigintsOf(x!), x!.shape, along, output.shape, line =>
        running(line, !!exclusive, !!reverse, sums ? 0n : 1n, step),
      );
      return [tensorFromBigints(dtype, output.shape, lines)];
    }
    const step = (total: number, v: number) => (sums ? total + v : total * v);
    return alongLines(x!, along, output, line => running(line, !!exclusive, !!reverse, sums ? 0 : 1, step));
  };

/** What has come together before each element of a line, itself included unless `exclusive`; from the end if `reverse`. */
function running<T>(
  line: readonly T[],
  exclusive: boolean,
  reverse: boolean,
  start: T,
  step: (total: T, v: T) => T,
): readonly T[] {
  let total = start;
  const totals = (reverse ? line.toReversed() : line).map(v => {
    const before = total;
    total = step(total, v);
    return exclusive ? before : total;
  });
  return reverse ? totals.reverse() : totals;
}

const softmax = (x: readonly number[]): readonly number[] => {
  const high = largestOf(x);
  const exps = x.map(v => Math.exp(v - high));
  const total = sum(exps);
  return exps.map(v => v / total);
};

/** The order of the elements of a line from the first on; equal ones stay in order. */
function ranked(line: readonly number[], largest: boolean): number[] {
  const order = Array.from(line, (_, i) => i);
  return order.sort((i, j) => (largest ? line[j] - line[i] : line[i] - line[j]) || i - j);
}

export const reductionRules: EvaluationRules<keyof typeof reduction> = {
  ReduceL1: reduce('ReduceL1'),
  ReduceL2: reduce('ReduceL2'),
  ReduceLogSum: reduce('ReduceLogSum'),
  ReduceLogSumExp: reduce('ReduceLogSumExp'),
  ReduceMax: reduce('ReduceMax'),
  ReduceMean: reduce('ReduceMean'),
  ReduceMin: reduce('ReduceMin'),
  ReduceProd: reduce('ReduceProd'),
  ReduceSum: reduce('ReduceSum'),
  ReduceSumSquare: reduce('ReduceSumSquare'),
  ArgMax: argument((a, b) => a > b),
  ArgMin: argument((a, b) => a < b),
  Softmax: ([x], { axis }, [output]) => alongLines(x!, axis, output, softmax),
  LogSoftmax: ([x], { axis }, [output]) =>
    alongLines(x!, axis, output, line => {
      const high = largestOf(line);
      const total = Math.log(sum(line.map(v => Math.exp(v - high))));
      return line.map(v => v - high - total);
    }),
  Hardmax: ([x], { axis }, [output]) =>
    alongLines(x!, axis, output, line => {
      const first = line.reduce((at, v, i) => (v > line[at] ? i : at), 0);
      return line.map((_, i) => (i === first ? 1 : 0));
    }),
  TopK([x], { axis, largest }, [values, indices]) {
    const count = values.shape[normalizeAxis(axis, x!.shape.length)];
    // The flat index of each element goes along with it: what is chosen is copied, not computed.
    const numbers = comparableNumbers(x!);
    const elements = Array.from(numbers, (value, flat) => ({ value, flat, place: 0 }));
    const chosen = mapLines(elements, x!.shape, axis, values.shape, line =>
      ranked(
        line.map(e => e.value),
        largest !== 0,
      )
        .slice(0, count)
        .map(place => ({ ...line[place], place })),
    );
    return [
      pick(
        x!,
        values.shape,
        chosen.map(e => e.flat),
      ),
      tensorFromNumbers(
        indices.dtype,
        indices.shape,
        chosen.map(e => e.place),
      ),
    ];
  },
  CumSum: cumulative('CumSum'),
  CumProd: cumulative('CumProd'),
};
