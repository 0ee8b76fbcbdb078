/** Facts about a list of nodes of a file: their order, and who reads what. */
import type { NodeProto } from './proto/schema.ts';

/** What a node reads, in its subgraphs as well. */
export function* readBy(node: NodeProto): Iterable<string> {
  yield* node.input;
  for (const { g, graphs } of node.attribute) {
    for (const graph of g === undefined ? graphs : [g, ...graphs]) {
      for (const inner of graph.node) yield* readBy(inner);
      for (const output of graph.output) yield output.name ?? '';
    }
  }
}

/** Names that some node reads, or that leave. */
export function usedNames(nodes: readonly NodeProto[], outputs: readonly string[]): ReadonlySet<string> {
  const used = new Set(outputs);
  for (const node of nodes) for (const input of readBy(node)) used.add(input);
  return used;
}

/** The nodes that have a value as their first input. */
export function readersOf(nodes: readonly NodeProto[]): ReadonlyMap<string, readonly NodeProto[]> {
  const readers = new Map<string, NodeProto[]>();
  for (const node of nodes) {
    const known = readers.get(node.input[0]);
    if (known) known.push(node);
    else readers.set(node.input[0], [node]);
  }
  return readers;
}

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
      next.push(...before);
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
