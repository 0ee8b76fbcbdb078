import { type AnyNode, type Graph, isFloat, numbersOf, type OpName, specOf, type Value } from '../../ir/index.ts';

/**
 * The values of a graph that some reader takes only from a part of all numbers: a variance under a root, a norm that is divided by.
 * What replaces them by any affine map of other features (a stitch) makes the network give NaN and infinities, if not on the data at
 * hand then on others. A decomposed layer normalisation has four: the squares, their mean, that plus ε, and its root.
 */
export function restrictedValues(graph: Graph): ReadonlySet<Value> {
  const restricted = new Set<Value>();
  for (const node of graph.nodes.toReversed()) {
    const hands = specOf(node.op).view || handsOn[node.op]?.(node);
    const passes = hands && node.outputs.some(o => restricted.has(o));
    for (const [i, input] of node.inputs.entries()) {
      if (input === undefined || input.constant || !isFloat(input.type.dtype)) continue;
      if (passes || takesOnlySome[node.op]?.(node, i)) restricted.add(input);
    }
  }
  return restricted;
}

/**
 * The values of a graph whose channels and places lie in one axis: what a group normalisation is written with where the operator is
 * missing (before version 18), features reshaped to [N, groups, channels / groups · places] for an InstanceNormalization. A stitch
 * there would be a matrix over all places, and a network for one size only.
 */
export function regroupedValues(graph: Graph): ReadonlySet<Value> {
  const regrouped = new Set<Value>();
  for (const node of graph.nodes) {
    if (node.op !== 'InstanceNormalization') continue;
    const [x] = node.inputs;
    if (graph.producer(x!)?.op !== 'Reshape') continue;
    regrouped.add(x!);
    regrouped.add(node.outputs[0]);
  }
  return regrouped;
}

const first = (_node: AnyNode, operand: number): boolean => operand === 0;

/** Whether an operator is defined, and bounded near every number, only for some values of an operand; those not named are for all. */
const takesOnlySome: { readonly [op in OpName]?: (node: AnyNode, operand: number) => boolean } = {
  Sqrt: first,
  Log: first,
  Reciprocal: first,
  Acos: first,
  Acosh: first,
  Asin: first,
  Atanh: first,
  ReduceLogSum: first,
  Div: (_node, operand) => operand === 1,
  /** A whole power of at least 0 is a polynomial. */
  Pow({ inputs: [, { constant: exponent } = {}] }, operand) {
    return operand === 0 && !(exponent && Array.from(numbersOf(exponent)).every(e => Number.isInteger(e) && e >= 0));
  },
  BatchNormalization: (_node, operand) => operand === 4,
};

const always = (): boolean => true;

/** Whether the result of an operator that is no view leaves a part of all numbers where its operands do: sums of positive numbers are positive. */
const handsOn: { readonly [op in OpName]?: (node: AnyNode) => boolean } = {
  Transpose: always,
  Expand: always,
  Tile: always,
  Cast: always,
  Concat: always,
  Split: always,
  Slice: always,
  Gather: always,
  ReduceMean: always,
  ReduceSum: always,
  ReduceProd: always,
  ReduceMax: always,
  ReduceMin: always,
  Add: always,
  Div: always,
  Sqrt: always,
  Sum: always,
  Mean: always,
  AveragePool: always,
  GlobalAveragePool: always,
  /** A square is positive whatever is squared. */
  Mul: ({ inputs: [a, b] }) => a !== b,
};
