import { GraphBuilder } from './builder.ts';
import { type AnyNode, type Graph, nodeWith, Value } from './graph.ts';

/**
 * What to put in a node's place: nothing (`undefined`: keep it), or one value for each of its outputs. The node that is shown
 * reads values of the new graph already.
 */
export type Replacement = readonly Value[] | Value | undefined;

interface RewriteOptions {
  /** New types of inputs, by name: the whole graph is inferred anew from them. An input mapped to a constant goes away. */
  readonly inputs?: ReadonlyMap<string, Value>;
}

/**
 * Rebuilds a graph node by node in order. Nodes that are kept and whose inputs did not change are shared with the old graph;
 * nodes whose inputs changed are inferred anew under their old names, where the types of their inputs changed. Returns the same
 * object when nothing changed.
 *
 * @param visit is shown a node on values of the new graph, and what it was `before`.
 */
export function rewrite(
  graph: Graph,
  visit: (node: AnyNode, to: GraphBuilder, before: AnyNode) => Replacement,
  options: RewriteOptions = {},
): Graph {
  const to = new GraphBuilder(graph.name, graph.info, graph);
  /** What stands in another value's place. */
  const map = new Map<Value, Value>();
  let changed = false;
  for (const input of graph.inputs) {
    const replacement = options.inputs?.get(input.name) ?? input;
    if (replacement !== input) map.set(input, replacement);
    if (!replacement.constant) to.adoptInput(replacement);
    changed ||= replacement !== input;
  }
  const mapped = (value: Value): Value => map.get(value) ?? value;

  for (const node of graph.nodes) {
    const moved = map.size > 0 && node.inputs.some(v => v && map.has(v));
    const shown = moved ? nodeWith(node, { inputs: node.inputs.map(v => v && mapped(v)) }) : node;
    const replacement = visit(shown, to, node);
    if (replacement === undefined) {
      if (moved) {
        const outputs = to.reinfer(shown, node);
        for (const [i, old] of node.outputs.entries()) if (outputs[i] !== old) map.set(old, outputs[i]);
      } else to.keep(node);
      changed ||= moved;
      continue;
    }
    changed = true;
    const values = replacement instanceof Value ? [replacement] : replacement;
    for (const [i, old] of node.outputs.entries()) if (values[i] !== old) map.set(old, values[i]);
  }
  if (!changed) return graph;
  for (const { name, value } of graph.outputs) to.output(name, mapped(value));
  return to.build();
}

/** Copies the nodes of `graph` into `to`, with its inputs replaced; returns the values that its outputs have there. */
export function inline(
  graph: Graph,
  inputs: readonly Value[],
  to: GraphBuilder,
  each: (node: AnyNode) => AnyNode = node => node,
): Value[] {
  const map = new Map<Value, Value>(graph.inputs.map((input, i) => [input, inputs[i]]));
  const mapped = (value: Value): Value => map.get(value) ?? value;
  for (const original of graph.nodes) {
    const node = each(original);
    const outputs = to.copy(
      node,
      node.inputs.map(v => v && mapped(v)),
    );
    for (const [i, old] of original.outputs.entries()) map.set(old, outputs[i]);
  }
  return graph.outputs.map(o => mapped(o.value));
}
