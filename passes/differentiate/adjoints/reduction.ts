import type { Value } from '../../../ir/graph.ts';
import { type reduction as operators, reducedAxes } from '../../../ir/ops/reduction.ts';
import type { Emit } from '../emit.ts';
import type { Adjoint, AdjointArguments, AdjointTable } from '../rule.ts';
import { axisOf } from './movement.ts';

type Reduction = Extract<keyof typeof operators, `Reduce${string}`>;

/** A rule `dX = f(dy, x, y)`, where dy and y have kept the reduced axes with extent 1, or are scalars. */
const reduce =
  <K extends Reduction>(
    f: (e: Emit, dy: Value, x: Value, y: () => Value, axes: readonly number[]) => Value,
  ): Adjoint<K> =>
  given => {
    const { e, y, dy, node } = given as unknown as AdjointArguments<'ReduceSum'>;
    const [x, over] = (given as unknown as AdjointArguments<'ReduceSum'>).x;
    const axes = reducedAxes(x.type.shape.length, over, node.attributes.noop_with_empty_axes);
    if (!axes) return [];
    const kept = (v: Value): Value =>
      node.attributes.keepdims || v.type.shape.length === 0 ? v : e.b.op('Unsqueeze', [v, e.b.ints(axes)]);
    return [() => f(e, kept(dy), x, () => kept(y), axes)];
  };

/** The extremum's gradient goes to the elements that attain it, in equal parts. */
const extremum = reduce((e, dy, x, y, axes) => {
  const mask = e.indicator(e.b.op('Equal', [x, y()]), dy);
  return e.mul(mask, e.div(dy, e.sum(mask, axes)));
});

/** The product of the other elements. What is divided by is never zero: zeros are counted, and left out of the product. */
const product = reduce((e, dy, x, _y, axes) => {
  const zero = e.b.op('Equal', [x, e.number(0, x)]);
  const zeros = e.sum(e.indicator(zero, x), axes);
  const rest = e.where(zero, 1, x);
  const others = e.b.op('ReduceProd', [rest, e.b.ints(axes)]);
  const ifNone = e.where(e.b.op('Equal', [zeros, e.number(0, x)]), others, 0);
  const ifOne = e.where(e.b.op('Equal', [zeros, e.number(1, x)]), others, 0);
  return e.mul(dy, e.where(zero, ifOne, e.div(ifNone, rest)));
});

export const reduction: AdjointTable<keyof typeof operators> = {
  ReduceL1: reduce((e, dy, x) => e.mul(dy, e.b.op('Sign', [x]))),
  ReduceL2: reduce((e, dy, x, y) => e.mul(x, e.divOrZero(dy, y()))),
  ReduceLogSum: reduce((e, dy, x, y) => e.expandLike(e.div(dy, e.b.op('Exp', [y()])), x)),
  ReduceLogSumExp: reduce((e, dy, x, y) => e.mul(dy, e.b.op('Exp', [e.sub(x, y())]))),
  ReduceMax: extremum,
  ReduceMean: reduce((e, dy, x, _y, axes) => e.expandLike(e.div(dy, e.count(x, axes)), x)),
  ReduceMin: extremum,
  ReduceProd: product,
  ReduceSum: reduce((e, dy, x) => e.expandLike(dy, x)),
  ReduceSumSquare: reduce((e, dy, x) => e.mul(e.mul(dy, 2), x)),
  Softmax: ({ e, node, x: [x], y, dy }) => [
    () => {
      const product = e.mul(dy, y);
      return e.sub(product, e.mul(y, e.sum(product, [axisOf(node.attributes.axis, x)])));
    },
  ],
  LogSoftmax: ({ e, node, x: [x], y, dy }) => [
    () => e.sub(dy, e.mul(e.b.op('Exp', [y]), e.sum(dy, [axisOf(node.attributes.axis, x)]))),
  ],
  /** Sums run the other way in the adjoint. */
  CumSum: ({ e, node, x: [, axis], dy }) => [
    () =>
      e.b.op('CumSum', [dy, axis], {
        exclusive: node.attributes.exclusive,
        reverse: node.attributes.reverse ? 0 : 1,
      }),
  ],
  /** The gradients of the chosen elements, put back where they came from. */
  TopK: ({ e, node, x: [x], dy }) => {
    const axis = axisOf(node.attributes.axis, x);
    return [() => e.b.op('ScatterElements', [e.filled(0, x), node.outputs[1], dy], { axis, reduction: 'add' })];
  },
  ArgMax: 'zero',
  ArgMin: 'zero',
  Hardmax: 'zero',
  CumProd: null,
};
