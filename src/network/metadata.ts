/** What a network's file says of itself, by its keys. */
import type { Graph } from '../../ir/index.ts';

/** A network that says more of itself, or something else under keys that it has. */
export const withMetadata = (graph: Graph, more: Readonly<Record<string, string>>): Graph =>
  graph.with({ info: { ...graph.info, metadata: { ...graph.info.metadata, ...more } } });
