import { type AnyNode, type Graph, isFloat, numbersOf, type Value } from '../../ir/index.ts';

/**
 * The values of a graph that some reader takes only from a part of all numbers: a variance under a root, a norm that is divided by.
 * What replaces them by any affine map of other features (a stitch) makes the network give NaN and infinities, if not on the data at
 * hand then on others. A decomposed layer normalisation has four: the squares, their mean, that plus ε, and its root.
 */
export function restrictedValues(graph: Graph): ReadonlySet<Value> {
  const restricted = new Set<Value>();
  for (const node of graph.nodes.toReversed()) {
    const passes = handsOn(node) && node.outputs.some(o => restricted.has(o));
    for (const [i, input] of node.inputs.entries()) {
      if (input === undefined || input.constant || !isFloat(input.type.dtype)) continue;
      if (passes || takesOnlySome(node, i)) restricted.add(input);
    }
  }
  return restricted;
}

/** Whether an operator is defined, and bounded near every number, only for some values of an operand. */
function takesOnlySome(node: AnyNode, operand: number): boolean {
  switch (node.op) {
    case 'Sqrt':
    case 'Log':
    case 'Reciprocal':
    case 'Acos':
    case 'Acosh':
    case 'Asin':
    case 'Atanh':
    case 'ReduceLogSum':
      return operand === 0;
    case 'Div':
      return operand === 1;
    case 'Pow': {
      const exponent = node.inputs[1]?.constant;
      // A whole power of at least 0 is a polynomial.
      return operand === 0 && !(exponent && Array.from(numbersOf(exponent)).every(e => Number.isInteger(e) && e >= 0));
    }
    case 'BatchNormalization':
      return operand === 4;
    default:
      return false;
  }
}

/** Whether an operator's result leaves a part of all numbers where its operands do: sums of positive numbers are positive. */
function handsOn(node: AnyNode): boolean {
  switch (node.op) {
    case 'Identity':
    case 'Reshape':
    case 'Flatten':
    case 'Squeeze':
    case 'Unsqueeze':
    case 'Transpose':
    case 'Expand':
    case 'Tile':
    case 'Cast':
    case 'Concat':
    case 'Split':
    case 'Slice':
    case 'Gather':
    case 'ReduceMean':
    case 'ReduceSum':
    case 'ReduceProd':
    case 'ReduceMax':
    case 'ReduceMin':
    case 'Add':
    case 'Div':
    case 'Sqrt':
    case 'Sum':
    case 'Mean':
    case 'AveragePool':
    case 'GlobalAveragePool':
      return true;
    case 'Mul':
      // A square is positive whatever is squared.
      return node.inputs[0] !== node.inputs[1];
    default:
      return false;
  }
}
