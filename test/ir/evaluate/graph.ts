import { evaluate } from '../../../ir/evaluate/index.ts';
import type { Graph, Tensor, Value } from '../../../ir/index.ts';

/**
 * Runs a whole graph in JavaScript: a reference that is slow, exact to the rounding of each operator, and in need of no executor. Returns the
 * outputs by name.
 */
export function evaluateGraph(graph: Graph, inputs: Readonly<Record<string, Tensor>>): Map<string, Tensor> {
  const values = new Map<Value, Tensor>();
  for (const input of graph.inputs) {
    if (!inputs[input.name]) throw new Error(`The input '${input.name}' was not given.`);
    values.set(input, inputs[input.name]);
  }
  const read = (value: Value): Tensor => value.constant ?? values.get(value)!;
  for (const node of graph.nodes) {
    const results = evaluate(
      node,
      node.inputs.map(v => v && read(v)),
    );
    if (!results) throw new Error(`${node.op} '${node.name}' can't be computed by reference.`);
    for (const [i, output] of node.outputs.entries()) values.set(output, results[i]);
  }
  return new Map(graph.outputs.map(({ name, value }) => [name, read(value)]));
}
