import { type Dim, equalDims, type Graph, rewrite, substitute, Value } from '../../ir/index.ts';

/**
 * The graph with symbols of its inputs replaced, by numbers or by multiples of themselves, and every type inferred anew. The same object
 * where none of them occurs.
 *
 * @throws SutureError `type-mismatch` where layers do not fit each other at these sizes.
 */
export function bindSymbols(graph: Graph, sizes: Readonly<Record<string, Dim>>): Graph {
  const inputs = new Map<string, Value>();
  for (const input of graph.inputs) {
    const shape = input.type.shape.map(dim => substitute(dim, sizes));
    if (shape.every((dim, i) => equalDims(dim, input.type.shape[i]))) continue;
    inputs.set(input.name, new Value(input.name, { ...input.type, shape }));
  }
  return inputs.size === 0 ? graph : rewrite(graph, () => undefined, { inputs });
}
