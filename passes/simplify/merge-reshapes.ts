import { inputAt, nodeWith, specOf } from '../../ir/index.ts';
import { reshapeTarget } from './constant-shapes.ts';
import { inPlace, type Rule } from './rule.ts';

/**
 * Of two changes of shape in a row the first is left out:
 *
 *     Reshape(Flatten(%x: [N, 8, 1, 1]), [0, 2, 4])   →  Reshape(%x, [0, 2, 4])
 */
export const mergeReshapes: Rule = (node, to) => {
  const inner = specOf(node.op).view && node.inputs[0] && to.producer(node.inputs[0]);
  if (!inner || !specOf(inner.op).view) return undefined;
  const x = inputAt(inner, 0);
  const target = reshapeTarget(x.type.shape, node.outputs[0].type.shape);
  if (!target) return undefined;
  return inPlace(to, nodeWith(node, { op: 'Reshape', inputs: [x, to.ints(target)], attributes: { allowzero: 0 } }));
};
