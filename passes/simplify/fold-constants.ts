import { evaluate } from '../../ir/evaluate/index.ts';
import { isStatic, staticShape, type Tensor, tensorFromNumbers, type Value } from '../../ir/index.ts';
import type { Rule } from './rule.ts';

/**
 * A node on constants becomes constants, and so does an integer value whose elements are known.
 *
 *     %y = Mul(2, 3)                              →  6
 *     %n = Gather(Shape(%x: [N, 8, 4, 4]), 1)     →  8
 *
 * What would grow by much (an Expand to an image, say) stays a node.
 */
export const foldConstants: Rule = (node, to) => {
  const known = node.outputs.map(knownTensor);
  const tensors = known.every(t => t !== undefined) ? known : evaluated(node);
  return tensors?.map((t, i) => to.constant(t, node.outputs[i].name));
};

/** Elements that a folded constant may have whatever it was made of. */
const smallEnough = 4096;

function evaluated(node: Parameters<Rule>[0]): readonly Tensor[] | undefined {
  const inputs = node.inputs.map(v => v?.constant);
  if (node.inputs.some((v, i) => v && !inputs[i])) return undefined;
  const given = inputs.reduce((sum, t) => sum + (t?.data.length ?? 0), 0);
  const made = node.outputs.reduce((sum, v) => sum + (staticShape(v.type.shape) ?? []).reduce((a, b) => a * b, 1), 0);
  return made <= Math.max(smallEnough, given) ? evaluate(node, inputs) : undefined;
}

/** The value as a tensor, when every element is known before the run. */
export function knownTensor(value: Value): Tensor | undefined {
  const { elements, type } = value;
  const shape = staticShape(type.shape);
  if (!elements || !shape || !elements.every(isStatic)) return undefined;
  return tensorFromNumbers(type.dtype, shape, elements as readonly number[]);
}
