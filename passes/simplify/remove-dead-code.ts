import { ancestors, type Graph } from '../../ir/index.ts';

/** Leaves out nodes that no output depends on. Inputs stay, read or not: they are the graph's interface. */
export function removeDeadCode(graph: Graph): Graph {
  const kept = ancestors(
    graph.nodes,
    graph.outputs.map(o => o.value),
  );
  return kept.length === graph.nodes.length ? graph : graph.with({ nodes: kept });
}
