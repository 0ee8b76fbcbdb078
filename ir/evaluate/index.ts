/** What operators do, computed in JavaScript: for folding constants. */
import { bodyOf } from '../bodies.ts';
import { inferTypes } from '../builder.ts';
import { symbol } from '../dim.ts';
import type { AnyNode, Node, Value } from '../graph.ts';
import { isElementwise, isSutureOp, type SutureOp, specOf } from '../ops/index.ts';
import { type Tensor, tensorType } from '../tensor.ts';
import { staticShape } from '../type.ts';
import { evaluateElementwise } from './elementwise.ts';
import { indexingRules } from './indexing.ts';
import { linearRules } from './linear.ts';
import { movementRules } from './movement.ts';
import { normalizationRules } from './normalization.ts';
import { poolingRules } from './pooling.ts';
import { reductionRules } from './reduction.ts';
import { resize } from './resize.ts';
import type { EvaluatedOp, EvaluationRule, EvaluationRules, StaticType } from './rule.ts';

const rules: EvaluationRules<EvaluatedOp> = {
  ...movementRules,
  ...indexingRules,
  Resize: resize,
  ...reductionRules,
  ...linearRules,
  ...normalizationRules,
  ...poolingRules,
};

/**
 * Computes a node on constants: a tensor for each output, or undefined when the result can't be computed exactly (integers beyond
 * 2^53, a division of integers by zero) or an index lies outside. Our own operators are computed by their bodies.
 */
export function evaluate(node: AnyNode, inputs: readonly (Tensor | undefined)[]): readonly Tensor[] | undefined {
  if (specOf(node.op).impure) return undefined;
  const operands = inputs.map(t => t && { type: tensorType(t), constant: t });
  const types = inferTypes({ ...node, inputs: operands }, () => symbol('?'));
  const outputs: StaticType[] = [];
  for (const { dtype, shape } of types) {
    const known = staticShape(shape);
    if (!known) return undefined;
    outputs.push({ dtype, shape: known });
  }
  if (isElementwise(node.op)) return evaluateElementwise(node.op, node.attributes, inputs, outputs[0]);
  if (isSutureOp(node.op)) return evaluateBody(node as Node<SutureOp>, inputs as readonly Tensor[]);
  const rule = rules[node.op] as EvaluationRule<never>;
  return rule(inputs, node.attributes as never, outputs);
}

/** Undefined when a node can't be computed. */
function evaluateBody(node: Node<SutureOp>, inputs: readonly Tensor[]): readonly Tensor[] | undefined {
  const body = bodyOf(node);
  const values = new Map<Value, Tensor>(body.inputs.map((input, i) => [input, inputs[i]]));
  const read = (value: Value): Tensor => value.constant ?? values.get(value)!;
  for (const inner of body.nodes) {
    const results = evaluate(
      inner,
      inner.inputs.map(v => v && read(v)),
    );
    if (!results) return undefined;
    for (const [i, output] of inner.outputs.entries()) values.set(output, results[i]);
  }
  return body.outputs.map(o => read(o.value));
}
