import { type Dim, equalDims, isOp, isStatic, nodeWith, type Shape } from '../../ir/index.ts';
import { elementsOf } from '../../ir/operator.ts';
import { inPlace, type Rule } from './rule.ts';

/**
 * A shape that was computed, with at most one dim in it that is not a number, becomes a constant; the batch stays symbolic:
 *
 *     Reshape(%x: [N, 8, 4], Concat(Gather(Shape(%x), 0), [-1]))   →  Reshape(%x, [0, -1])
 *     Expand(%x: [N, 1], Concat(Gather(Shape(%x), 0), [8]))        →  Expand(%x, [1, 8])
 */
export const constantShapes: Rule = (node, to) => {
  if (!isOp(node, 'Reshape') && !isOp(node, 'Expand')) return undefined;
  const [x, shape] = node.inputs;
  const elements = shape?.constant ? undefined : elementsOf(shape);
  if (!x || !elements) return undefined;
  const target = isOp(node, 'Expand')
    ? expandTarget(x.type.shape, elements)
    : reshapeTarget(x.type.shape, node.outputs[0].type.shape);
  if (!target) return undefined;
  const attributes = isOp(node, 'Expand') ? {} : { allowzero: 0 };
  return inPlace(to, nodeWith(node, { inputs: [x, to.ints(target)], attributes }));
};

/**
 * The constant operand with which a Reshape makes `to` of `from`: 0 where a dim is copied, -1 for one that is known in the run
 * only; undefined when two are.
 */
export function reshapeTarget(from: Shape, to: Shape): readonly number[] | undefined {
  const target = to.map((dim, i) => (isStatic(dim) ? dim : i < from.length && equalDims(dim, from[i]) ? 0 : -1));
  // A dim of extent 0 would read as a copy.
  if (to.includes(0) || target.filter(d => d === -1).length > 1) return undefined;
  return target;
}

/** In an Expand, 1 keeps a dim as it is. */
function expandTarget(from: Shape, to: readonly Dim[]): readonly number[] | undefined {
  const target = to.map((dim, i) => {
    if (isStatic(dim)) return dim;
    const own = from[i - to.length + from.length];
    return own !== undefined && equalDims(dim, own) ? 1 : undefined;
  });
  return target.every(d => d !== undefined) ? (target as readonly number[]) : undefined;
}
