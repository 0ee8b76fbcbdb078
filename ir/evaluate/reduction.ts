import { normalizeAxis } from '../operator.ts';
import { reducedAxes, type reduction } from '../ops/reduction.ts';
import { type Tensor, tensorType } from '../tensor.ts';
import { countOf, offsets, stridesOf } from './layout.ts';
import { computed, exactNumbers, result } from './numbers.ts';
import type { EvaluationRule, EvaluationRules, StaticType } from './rule.ts';

/** A function of the elements that are reduced to one. There may be none. */
type Reducer = (x: Float64Array) => number;

const sum: Reducer = x => x.reduce((a, b) => a + b, 0);

function logSumExp(x: Float64Array): number {
  const high = x.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  return Number.isFinite(high) ? high + Math.log(x.reduce((a, b) => a + Math.exp(b - high), 0)) : high;
}

type ReduceOp = Extract<keyof typeof reducers, string>;

const reducers = {
  ReduceL1: (x: Float64Array) => x.reduce((a, b) => a + Math.abs(b), 0),
  ReduceL2: (x: Float64Array) => Math.sqrt(x.reduce((a, b) => a + b * b, 0)),
  ReduceLogSum: (x: Float64Array) => Math.log(sum(x)),
  ReduceLogSumExp: logSumExp,
  ReduceMax: (x: Float64Array) => x.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY),
  ReduceMean: (x: Float64Array) => sum(x) / x.length,
  ReduceMin: (x: Float64Array) => x.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY),
  ReduceProd: (x: Float64Array) => x.reduce((a, b) => a * b, 1),
  ReduceSum: sum,
  ReduceSumSquare: (x: Float64Array) => x.reduce((a, b) => a + b * b, 0),
};

/** Applies `f` to what lies along `axes`, for every index of the other axes in order. */
function reduceOver(x: Tensor, axes: readonly number[], output: StaticType, f: Reducer): readonly Tensor[] | undefined {
  const values = exactNumbers(x);
  if (!values) return undefined;
  const strides = stridesOf(x.shape);
  const kept = x.shape.flatMap((_, i) => (axes.includes(i) ? [] : [i]));
  const along = (list: readonly number[], base = 0) =>
    offsets(
      list.map(i => x.shape[i]),
      list.map(i => strides[i]),
      base,
    );
  const inner = along(axes);
  const group = new Float64Array(inner.length);
  const reduced = Float64Array.from(along(kept), base => {
    for (let k = 0; k < inner.length; k++) group[k] = values[base + inner[k]];
    return f(group);
  });
  return result(output, reduced);
}

const reduce =
  (f: Reducer): EvaluationRule<ReduceOp> =>
  ([x, axes], { noop_with_empty_axes }, [output]) => {
    const operand = axes && { type: tensorType(axes), constant: axes };
    const over = reducedAxes(x!.shape.length, operand, noop_with_empty_axes);
    return over && reduceOver(x!, over, output, f);
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
export function mapLines(
  x: Tensor,
  axis: number,
  shape: readonly number[],
  f: (line: Float64Array) => ArrayLike<number>,
): Float64Array | undefined {
  const values = exactNumbers(x);
  if (!values) return undefined;
  const at = normalizeAxis(axis, x.shape.length);
  const starts = (of: readonly number[]) =>
    offsets(
      of.map((d, i) => (i === at ? 1 : d)),
      stridesOf(of),
    );
  const [from, to] = [starts(x.shape), starts(shape)];
  const [step, stride] = [stridesOf(x.shape)[at], stridesOf(shape)[at]];
  const done = new Float64Array(countOf(shape));
  for (const [i, start] of from.entries()) {
    const line = Float64Array.from({ length: x.shape[at] }, (_, k) => values[start + k * step]);
    const mapped = f(line);
    for (let k = 0; k < mapped.length; k++) done[to[i] + k * stride] = mapped[k];
  }
  return done;
}

/** As `mapLines`, for operators of one output. */
export function alongLines(
  x: Tensor,
  axis: number,
  output: StaticType,
  f: (line: Float64Array) => ArrayLike<number>,
): readonly Tensor[] | undefined {
  const done = mapLines(x, axis, output.shape, f);
  return done && result(output, done);
}

const cumulative =
  (f: (a: number, b: number) => number, start: number): EvaluationRule<'CumSum' | 'CumProd'> =>
  ([x, axis], { exclusive, reverse }, [output]) => {
    const along = exactNumbers(axis!)?.[0];
    if (along === undefined) return undefined;
    return alongLines(x!, along, output, line => {
      const ordered = reverse ? line.reverse() : line;
      let total = start;
      const sums = ordered.map(v => {
        const before = total;
        total = f(total, v);
        return exclusive ? before : total;
      });
      return reverse ? sums.reverse() : sums;
    });
  };

const softmax = (x: Float64Array): Float64Array => {
  const high = x.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const exps = x.map(v => Math.exp(v - high));
  const total = sum(exps);
  return exps.map(v => v / total);
};

/** The order of the elements of a line from the first on; equal ones stay in order. */
function ranked(line: Float64Array, largest: boolean): number[] {
  const order = Array.from(line, (_, i) => i);
  return order.sort((i, j) => (largest ? line[j] - line[i] : line[i] - line[j]) || i - j);
}

export const reductionRules: EvaluationRules<keyof typeof reduction> = {
  ReduceL1: reduce(reducers.ReduceL1),
  ReduceL2: reduce(reducers.ReduceL2),
  ReduceLogSum: reduce(reducers.ReduceLogSum),
  ReduceLogSumExp: reduce(reducers.ReduceLogSumExp),
  ReduceMax: reduce(reducers.ReduceMax),
  ReduceMean: reduce(reducers.ReduceMean),
  ReduceMin: reduce(reducers.ReduceMin),
  ReduceProd: reduce(reducers.ReduceProd),
  ReduceSum: reduce(reducers.ReduceSum),
  ReduceSumSquare: reduce(reducers.ReduceSumSquare),
  ArgMax: argument((a, b) => a > b),
  ArgMin: argument((a, b) => a < b),
  Softmax: ([x], { axis }, [output]) => alongLines(x!, axis, output, softmax),
  LogSoftmax: ([x], { axis }, [output]) =>
    alongLines(x!, axis, output, line => {
      const all = logSumExp(line);
      return line.map(v => v - all);
    }),
  Hardmax: ([x], { axis }, [output]) =>
    alongLines(x!, axis, output, line => {
      const first = line.indexOf(line.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY));
      return line.map((_, i) => (i === first ? 1 : 0));
    }),
  TopK([x], { axis, largest }, [values, indices]) {
    const chosen = (line: Float64Array): number[] =>
      ranked(line, largest !== 0).slice(0, values.shape[normalizeAxis(axis, x!.shape.length)]);
    const first = mapLines(x!, axis, values.shape, line => chosen(line).map(i => line[i]));
    const places = first && mapLines(x!, axis, indices.shape, chosen);
    const tensors = places && [
      computed(values.dtype, values.shape, first),
      computed(indices.dtype, indices.shape, places),
    ];
    return tensors?.every(t => t !== undefined) ? tensors : undefined;
  },
  CumSum: cumulative((a, b) => a + b, 0),
  CumProd: cumulative((a, b) => a * b, 1),
};
