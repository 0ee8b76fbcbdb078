import { type AnyNode, ancestors, type Binding, type Graph, type Value } from '../../ir/index.ts';
import { Storage } from './memory.ts';

/** How much smaller than what it reads a statistic of the forward pass is, at least. */
const reduction = 16;

/**
 * The nodes of the forward pass of a training step: those that the loss depends on, and those that reduce their results to something
 * small for the backward pass, the deviations of a normalisation say, which are best run with it.
 */
export function forwardPass(graph: Graph, loss: Value, binding: Binding = {}): Set<AnyNode> {
  const nodes = new Set(ancestors(graph.nodes, [loss]));
  const storage = new Storage(graph, binding);
  const bytes = (values: readonly (Value | undefined)[]): number =>
    values.reduce((sum, v) => sum + (v ? storage.bytes(storage.rootOf(v)) : 0), 0);
  for (const node of graph.nodes) {
    const producers = node.inputs.flatMap(v => (v && graph.producer(v)) || []);
    if (nodes.has(node) || producers.length === 0 || !producers.every(p => nodes.has(p))) continue;
    if (bytes(node.outputs) * reduction <= bytes(node.inputs)) nodes.add(node);
  }
  return nodes;
}
