import { evaluate } from '../../ir/evaluate/index.ts';
import {
  type AnyNode,
  bytesPerElement,
  type Graph,
  isStatic,
  staticShape,
  type Tensor,
  tensorFromNumbers,
  type Value,
} from '../../ir/index.ts';
import { activeBudget, Budget, limitsFrom } from '../../ir/limits.ts';
import { product } from '../../ir/numbers.ts';
import type { Rule } from './rule.ts';

/**
 * A node on constants becomes constants, and so does an integer value whose elements are known.
 *
 *     %y = Mul(2, 3)                              →  6
 *     %n = Gather(Shape(%x: [N, 8, 4, 4]), 1)     →  8
 *
 * What would grow by much (an Expand to an image, say) stays a node, and so does what the budget has no room for: see
 * {@link foldingBudget}.
 */
export const foldConstants: Rule = (node, to) => {
  const known = node.outputs.map(knownTensor);
  const tensors = known.every(t => t !== undefined) ? known : evaluated(node);
  return tensors?.map((t, i) => to.constant(t, node.outputs[i].name));
};

/** Elements that a folded constant may have whatever it was made of. */
const smallEnough = 4096;

/** How often the constants of a graph may be made anew before what limits allow on top is spent. */
const TIMES_OWN = 16;

/**
 * What may be folded in a graph, in bytes and operations: some times what its constants are, and what the limits allow on top. A few
 * nodes can double a constant as often as there are nodes.
 */
export function foldingBudget(graph: Graph): Budget {
  const limits = limitsFrom();
  let [bytes, elements] = [0, 0];
  for (const { constant } of graph.constants()) {
    bytes += constant.data.byteLength;
    elements += constant.data.length;
  }
  return new Budget({
    ...limits,
    bytes: limits.bytes + TIMES_OWN * bytes,
    work: limits.work + TIMES_OWN * elements,
    // What was read is within it, and no pass makes a formula longer.
    formula: Number.POSITIVE_INFINITY,
  });
}

function evaluated(node: AnyNode): readonly Tensor[] | undefined {
  const inputs = node.inputs.map(v => v?.constant);
  if (node.inputs.some((v, i) => v && !inputs[i])) return undefined;
  const given = inputs.reduce((sum, t) => sum + (t?.data.length ?? 0), 0);
  let [made, bytes] = [0, 0];
  for (const { type } of node.outputs) {
    const shape = staticShape(type.shape);
    // Its operands have only just become constants: next time its size is known.
    if (!shape) return undefined;
    const elements = product(shape);
    made += elements;
    bytes += elements * bytesPerElement[type.dtype];
  }
  if (made > Math.max(smallEnough, given)) return undefined;
  const budget = activeBudget();
  if (budget && !(budget.hasWork(given + made * reach(node)) && budget.hasBytes(bytes))) return undefined;
  return evaluate(node, inputs);
}

/** About how many elements one element of the result is made of. */
function reach(node: AnyNode): number {
  const [x, weight] = node.inputs.map(v => (v ? (staticShape(v.type.shape) ?? []) : []));
  switch (node.op) {
    case 'MatMul':
      return x.at(-1) ?? 1;
    case 'Gemm':
      return node.attributes.transA ? x[0] : x[1];
    case 'Conv':
      return product(weight.slice(1));
    case 'ConvTranspose':
      return product([weight[0], ...weight.slice(2)]);
    case 'MaxPool':
    case 'AveragePool':
    case 'LpPool':
      return product(node.attributes.kernel_shape);
    case 'LRN':
      return node.attributes.size;
    case 'Resize':
      // Up to four taps along each axis, each looked up on its own.
      return 16 * x.length;
    default:
      return 1;
  }
}

/** The value as a tensor, when every element is known before the run. */
function knownTensor(value: Value): Tensor | undefined {
  const { elements, type } = value;
  const shape = staticShape(type.shape);
  if (!elements || !shape || !elements.every(isStatic)) return undefined;
  return tensorFromNumbers(type.dtype, shape, elements as readonly number[]);
}
