import type { Dim, Value } from '../../ir/index.ts';
import { bindSymbols } from '../sizes.ts';
import type { SuperNetwork } from './network.ts';

/**
 * A super-network for inputs of one size: gradients need to know it. Symbols that are not bound, such as that of the batch, stay.
 *
 * @throws SutureError `type-mismatch` where layers do not fit each other at this size.
 */
export function bindNetwork(network: SuperNetwork, sizes: Readonly<Record<string, Dim>>): SuperNetwork {
  const graph = bindSymbols(network.graph, sizes);
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
