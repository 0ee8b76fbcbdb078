import type { Graph, Value } from '../../ir/index.ts';

/** Leaves out nodes that no output depends on. Inputs stay, read or not: they are the graph's interface. */
export function removeDeadCode(graph: Graph): Graph {
  const live = new Set<Value>(graph.outputs.map(o => o.value));
  const kept = graph.nodes
    .toReversed()
    .filter(node => {
      if (!node.outputs.some(o => live.has(o))) return false;
      for (const input of node.inputs) if (input) live.add(input);
      return true;
    })
    .reverse();
  return kept.length === graph.nodes.length ? graph : graph.with({ nodes: kept });
}
