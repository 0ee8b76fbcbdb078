import { type Binding, type Graph, rewrite, substitute, Value } from '../../ir/index.ts';
import type { SuperNetwork } from './network.ts';

/** The graph with symbols of its inputs bound to numbers and every type inferred anew. The same object where none of them occurs. */
export function bindSymbols(graph: Graph, binding: Binding): Graph {
  const inputs = new Map<string, Value>();
  for (const input of graph.inputs) {
    const shape = input.type.shape.map(dim => substitute(dim, binding));
    if (shape.every((dim, i) => dim.toString() === input.type.shape[i].toString())) continue;
    inputs.set(input.name, new Value(input.name, { ...input.type, shape }));
  }
  return inputs.size === 0 ? graph : rewrite(graph, () => undefined, { inputs });
}

/**
 * A super-network for inputs of one size: gradients need to know it. Symbols that are not bound, such as that of the batch, stay.
 *
 * @throws SutureError `type-mismatch` where layers do not fit each other at this size.
 */
export function bindNetwork(network: SuperNetwork, binding: Binding): SuperNetwork {
  const graph = bindSymbols(network.graph, binding);
  if (graph === network.graph) return network;
  const named = new Map([...graph.values()].map(value => [value.name, value]));
  const found = (value: Value): Value => named.get(value.name) ?? value;
  return {
    ...network,
    graph,
    stitches: network.stitches.map(s => ({ ...s, source: found(s.source), output: found(s.output) })),
    switches: network.switches.map(s => ({
      ...s,
      original: found(s.original),
      features: s.features.map(found),
      output: found(s.output),
    })),
    outputs: network.outputs.map(o => ({ ...o, features: o.features.map(found), output: found(o.output) })),
  };
}
