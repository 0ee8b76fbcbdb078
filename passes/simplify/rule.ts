import type { AnyNode, Graph, GraphBuilder, Replacement, Value } from '../../ir/index.ts';

/**
 * A rewrite of one node, given what it reads: undefined to leave the node, or a value for each of its outputs. `to` knows the
 * producers of what it reads. A rule that fires must not fire again on what it made.
 */
export type Rule = (node: AnyNode, to: GraphBuilder, graph: Graph) => Replacement;

/** The same node with other operands, attributes or operator, under its old names: features keep what they are called. */
export const inPlace = (to: GraphBuilder, node: AnyNode): readonly Value[] => to.reinfer(node);

/** The producer of an operand when it is of the given operator. */
export function producedBy<K extends AnyNode['op']>(
  to: GraphBuilder,
  value: Value | undefined,
  op: K,
): Extract<AnyNode, { op: K }> | undefined {
  const node = value && to.producer(value);
  return node?.op === op ? (node as Extract<AnyNode, { op: K }>) : undefined;
}

/** Is the value in `graph` read once, by one node, and no output? */
export function readOnce(graph: Graph, value: Value): boolean {
  const readers = graph.consumers(value);
  return (
    readers.length === 1 &&
    readers[0].inputs.filter(v => v === value).length === 1 &&
    graph.outputs.every(o => o.value !== value)
  );
}

const nodeIndexes = new WeakMap<Graph, ReadonlyMap<string, AnyNode>>();

/** The node of that name. A rule finds by it what a node that it is shown was before the rewrite. */
export function nodeNamed(graph: Graph, name: string): AnyNode | undefined {
  let index = nodeIndexes.get(graph);
  if (!index) {
    index = new Map(graph.nodes.map(node => [node.name, node]));
    nodeIndexes.set(graph, index);
  }
  return index.get(name);
}
