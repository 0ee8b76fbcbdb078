/** What operators do, computed in JavaScript: for folding constants, and a reference that needs no executor. */
import { bodyOf } from '../bodies.ts';
import { inferTypes } from '../builder.ts';
import { symbol } from '../dim.ts';
import { printable, SutureError } from '../errors.ts';
import type { AnyNode, Graph, Node, Value } from '../graph.ts';
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

function evaluateBody(node: Node<SutureOp>, inputs: readonly Tensor[]): readonly Tensor[] | undefined {
  const body = bodyOf(node);
  return run(body, new Map(body.inputs.map((input, i) => [input, inputs[i]])));
}

/** The outputs of a graph for the given inputs, or undefined when a node can't be computed. */
function run(
  graph: Graph,
  values: Map<Value, Tensor>,
  failed?: (node: AnyNode) => void,
): readonly Tensor[] | undefined {
  const read = (value: Value): Tensor => value.constant ?? values.get(value)!;
  for (const node of graph.nodes) {
    const results = evaluate(
      node,
      node.inputs.map(v => v && read(v)),
    );
    if (!results) {
      failed?.(node);
      return undefined;
    }
    for (const [i, output] of node.outputs.entries()) values.set(output, results[i]);
  }
  return graph.outputs.map(o => read(o.value));
}

/**
 * Runs a whole graph in JavaScript: slow, exact to the rounding of each operator, and in need of no executor. Returns the
 * outputs by name. Throws `kernel-missing` when a node can't be computed on what it is given.
 */
export function evaluateGraph(graph: Graph, inputs: Readonly<Record<string, Tensor>>): Map<string, Tensor> {
  const values = new Map<Value, Tensor>();
  for (const input of graph.inputs) {
    const given = inputs[input.name];
    if (!given) throw new SutureError('data-invalid', `The input '${printable(input.name)}' was not given.`);
    values.set(input, given);
  }
  const results = run(graph, values, node => {
    throw new SutureError('kernel-missing', `${node.op} '${printable(node.name)}' can't be computed by reference.`);
  })!;
  return new Map(graph.outputs.map((o, i) => [o.name, results[i]]));
}
