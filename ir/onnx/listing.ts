/** Facts about a list of nodes of a file: their order, and who reads what. */
import { groupedBy } from '../grouped.ts';
import type { FunctionProto, GraphProto, NodeProto } from './proto/schema.ts';

/** What a node reads, in its subgraphs as well. */
function* readBy(node: NodeProto): Iterable<string> {
  yield* node.input;
  for (const { g, graphs } of node.attribute) {
    for (const graph of g === undefined ? graphs : [g, ...graphs]) {
      for (const inner of graph.node) yield* readBy(inner);
      for (const output of graph.output) yield output.name ?? '';
    }
  }
}

/** What the nodes of a graph or function are to each other, by name. */
export interface Listing {
  /** The names that are read there, in subgraphs as well, or leave. */
  readonly used: ReadonlySet<string>;
  /** The names that nodes give to their outputs. */
  readonly computed: ReadonlySet<string>;
  /** The nodes that have a value as their first input. */
  readonly readers: ReadonlyMap<string, readonly NodeProto[]>;
}

const listings = new WeakMap<GraphProto | FunctionProto, Listing>();

/** The listing of a graph or function; made once, however often it is unfolded. */
export function listingOf(of: GraphProto | FunctionProto): Listing {
  const known = listings.get(of);
  if (known !== undefined) return known;
  const outputs = of.output.map(output => (typeof output === 'string' ? output : (output.name ?? '')));
  const listing = {
    used: usedNames(of.node, outputs),
    computed: new Set(of.node.flatMap(node => node.output)),
    readers: readersOf(of.node),
  };
  listings.set(of, listing);
  return listing;
}

function usedNames(nodes: readonly NodeProto[], outputs: readonly string[]): ReadonlySet<string> {
  const used = new Set(outputs);
  for (const node of nodes) for (const input of readBy(node)) used.add(input);
  return used;
}

const readersOf = (nodes: readonly NodeProto[]): ReadonlyMap<string, readonly NodeProto[]> =>
  groupedBy(nodes, ({ input }) => input[0]);

/**
 * The nodes in an order in which every operand comes first. Files must be sorted, and some are not; the order is kept
 * where it can be. Nodes on a cycle stay where they are met.
 */
export function sorted(nodes: readonly NodeProto[], defined: { has(name: string): boolean }): readonly NodeProto[] {
  const producers = new Map<string, NodeProto>();
  for (const node of nodes) for (const output of node.output) if (output) producers.set(output, node);
  const result: NodeProto[] = [];
  const state = new Map<NodeProto, 'open' | 'done'>();
  const next = nodes.toReversed();
  while (next.length > 0) {
    const node = next.at(-1)!;
    const before = state.get(node) === undefined ? producersBefore(node, producers, defined, state) : [];
    state.set(node, state.get(node) ?? 'open');
    if (before.length > 0) {
      for (const producer of before) next.push(producer);
      continue;
    }
    next.pop();
    if (state.get(node) === 'open') result.push(node);
    state.set(node, 'done');
  }
  return result;
}

function producersBefore(
  node: NodeProto,
  producers: ReadonlyMap<string, NodeProto>,
  defined: { has(name: string): boolean },
  state: ReadonlyMap<NodeProto, 'open' | 'done'>,
): NodeProto[] {
  const before = new Set<NodeProto>();
  for (const input of [...readBy(node)].reverse()) {
    const producer = defined.has(input) ? undefined : producers.get(input);
    if (producer !== undefined && producer !== node && state.get(producer) === undefined) before.add(producer);
  }
  return [...before];
}
