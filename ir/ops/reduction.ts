import { isStatic } from '../dim.ts';
import {
  attr,
  elementsOf,
  type Inferred,
  integersOf,
  normalizeAxis,
  type Operand,
  operator,
  reject,
  requireFloat,
  wide,
} from '../operator.ts';
import { isFloat, type Shape, typeText } from '../type.ts';

/** The axes that a reduction runs over; undefined when they are not known before the run. */
export function reducedAxes(
  rank: number,
  axes: Operand | undefined,
  noopWithEmptyAxes: number,
): readonly number[] | undefined {
  const given = axes === undefined ? [] : integersOf(axes);
  if (given === undefined) return undefined;
  if (given.length > 0) return given.map(a => normalizeAxis(a, rank)).sort((a, b) => a - b);
  return noopWithEmptyAxes ? [] : Array.from({ length: rank }, (_, i) => i);
}

const reducedShape = (shape: Shape, axes: readonly number[], keep: boolean): Shape =>
  keep ? shape.map((d, i) => (axes.includes(i) ? 1 : d)) : shape.filter((_, i) => !axes.includes(i));

const reduce = (versions: readonly number[]) =>
  operator({
    inputs: ['data', 'axes?'],
    outputs: ['reduced'],
    attributes: { keepdims: attr.int.default(1), noop_with_empty_axes: attr.int.default(0) },
    versions,
    infer([data, axes], { keepdims, noop_with_empty_axes }, { fresh }): readonly Inferred[] {
      const { dtype, shape } = data.type;
      const over = reducedAxes(shape.length, axes, noop_with_empty_axes);
      if (over) return [{ dtype, shape: reducedShape(shape, over, keepdims !== 0) }];
      const [count] = axes?.type.shape ?? [];
      if (!keepdims && (typeof count !== 'number' || count === 0)) reject('the axes must be known when keepdims is 0');
      const rank = keepdims ? shape.length : shape.length - (count as number);
      return [{ dtype, shape: Array.from({ length: rank }, fresh) }];
    },
  });

const argument = () =>
  operator({
    inputs: ['data'],
    outputs: ['reduced'],
    attributes: {
      axis: attr.int.default(0),
      keepdims: attr.int.default(1),
      select_last_index: attr.int.default(0),
    },
    versions: [1, 11, 12, 13],
    infer([data], { axis, keepdims }): readonly Inferred[] {
      const { shape } = data.type;
      return [{ dtype: 'int64', shape: reducedShape(shape, [normalizeAxis(axis, shape.length)], keepdims !== 0) }];
    },
  });

const alongAxis = operator({
  inputs: ['input'],
  attributes: { axis: attr.int.default(-1) },
  versions: [1, 11, 13],
  infer([x], { axis }): readonly Inferred[] {
    requireFloat(x);
    normalizeAxis(axis, x.type.shape.length);
    return [x.type];
  },
});

const cumulative = (versions: readonly number[]) =>
  operator({
    inputs: ['x', 'axis'],
    attributes: { exclusive: attr.int.default(0), reverse: attr.int.default(0) },
    versions,
    infer([x, axis]): readonly Inferred[] {
      if (isFloat(axis.type.dtype)) reject(`the axis must be an integer, not ${typeText(axis.type)}`);
      const [at] = integersOf(axis) ?? [];
      if (at !== undefined) normalizeAxis(at, x.type.shape.length);
      return [x.type];
    },
  });

/** Those that are named after what they reduce by, with the axes as an operand. */
const reductions = {
  ReduceL1: wide(reduce([1, 11, 13, 18])),
  ReduceL2: wide(reduce([1, 11, 13, 18])),
  ReduceLogSum: wide(reduce([1, 11, 13, 18])),
  ReduceLogSumExp: wide(reduce([1, 11, 13, 18])),
  ReduceMax: reduce([1, 11, 12, 13, 18, 20]),
  ReduceMean: wide(reduce([1, 11, 13, 18])),
  ReduceMin: reduce([1, 11, 12, 13, 18, 20]),
  ReduceProd: wide(reduce([1, 11, 13, 18])),
  ReduceSum: wide(reduce([1, 11, 13])),
  ReduceSumSquare: wide(reduce([1, 11, 13, 18])),
};

/** The operators that {@link reductions} holds. */
export type ReductionOp = keyof typeof reductions;

export const isReduction = (op: string): op is ReductionOp => Object.hasOwn(reductions, op);

export const reduction = {
  ...reductions,
  ArgMax: argument(),
  ArgMin: argument(),
  Softmax: wide({ ...alongAxis, epilogue: true as const }),
  LogSoftmax: wide({ ...alongAxis, epilogue: true as const }),
  Hardmax: alongAxis,
  CumSum: wide(cumulative([11, 14])),
  CumProd: { ...cumulative([26]), noHalf: true as const },
  TopK: operator({
    inputs: ['X', 'K'],
    outputs: ['Values', 'Indices'],
    attributes: { axis: attr.int.default(-1), largest: attr.int.default(1), sorted: attr.int.default(1) },
    versions: [1, 10, 11, 24],
    infer([x, k], { axis }, { fresh }): readonly Inferred[] {
      const { dtype, shape } = x.type;
      const at = normalizeAxis(axis, shape.length);
      const count = elementsOf(k)?.[0] ?? fresh();
      const extent = shape[at];
      if (isStatic(count) && isStatic(extent) && (count < 0 || count > extent)) {
        reject(`K is ${count}, and axis ${at} has ${extent} elements`);
      }
      const kept = shape.map((d, i) => (i === at ? count : d));
      return [
        { dtype, shape: kept },
        { dtype: 'int64', shape: kept },
      ];
    },
  }),
};
