/** Several graphs over the same inputs as one, in which equal computations are done once. */
import { TensorKeys } from '../../ir/content.ts';
import { type AnyNode, type Graph, GraphBuilder, type Tensor, type Value } from '../../ir/index.ts';
import { specOf } from '../../ir/ops/index.ts';

export interface MergedPart {
  /** Its outputs are `name/output` in the merged graph. */
  readonly name: string;
  readonly graph: Graph;
}

/**
 * Merges graphs that have the same inputs. Nodes with the same operator, attributes and operands are taken over once,
 * whichever graph they come from.
 */
export function mergeGraphs(title: string, parts: readonly MergedPart[]): Graph {
  const to = new GraphBuilder(title);
  const tensors = new TensorKeys();
  const constants = new Map<string, Value>();
  const shared = new Map<string, readonly Value[]>();
  const numbers = new Map<Value, number>();
  const numberOf = (value: Value): number => {
    const known = numbers.get(value);
    if (known !== undefined) return known;
    numbers.set(value, numbers.size);
    return numbers.size - 1;
  };
  const attributeKey = (value: unknown): unknown =>
    typeof value === 'object' && value !== null && 'dtype' in value ? tensors.of(value as Tensor) : value;
  const inputs = new Map<string, Value>();

  for (const { name, graph } of parts) {
    const map = new Map<Value, Value>();
    for (const input of graph.inputs) {
      let common = inputs.get(input.name);
      if (common === undefined) {
        common = to.input(input.name, input.type);
        inputs.set(input.name, common);
      }
      map.set(input, common);
    }
    const mapped = (value: Value): Value => {
      const known = map.get(value);
      if (known) return known;
      const key = tensors.of(value.constant!);
      const constant = constants.get(key) ?? to.constant(value.constant!, value.name);
      constants.set(key, constant);
      map.set(value, constant);
      return constant;
    };
    const adopt = (node: AnyNode): readonly Value[] => {
      const operands = node.inputs.map(v => v && mapped(v));
      const attributes = Object.entries(node.attributes).map(([k, v]) => [k, attributeKey(v)]);
      const key = JSON.stringify([node.op, attributes, operands.map(v => v && numberOf(v)), node.outputs.length]);
      const found = specOf(node.op).impure ? undefined : shared.get(key);
      if (found) return found;
      const outputs = to.copy(node, operands);
      shared.set(key, outputs);
      return outputs;
    };
    for (const node of graph.nodes) {
      const outputs = adopt(node);
      for (const [i, old] of node.outputs.entries()) map.set(old, outputs[i]);
    }
    for (const { name: output, value } of graph.outputs) to.output(`${name}/${output}`, mapped(value));
  }
  return to.build();
}
