import type { AnyNode, Binding, Graph, Value } from '../../ir/index.ts';
import { peakBytes, Storage } from './memory.ts';

/**
 * Orders the nodes so that the peak of the activations is low.
 *
 * Requires: every extent is known, or bound by `binding`. Guarantees: the same nodes, in a topological order whose peak is no higher
 * than that of the order given.
 *
 * A node that frees at least what it allocates runs as soon as it can; otherwise the given order is followed. In a training step this
 * moves the adjoint of a loss term forward to where the reference feature is at hand, so that one gradient is kept in place of the
 * feature and what it is compared with, and it moves `StitchGrad` to where the feature is read last; so direct matching keeps nothing
 * at all. Going by memory alone is tried too, and the best order is taken.
 */
export function schedule(graph: Graph, binding: Binding = {}): Graph {
  const storage = new Storage(graph, binding);
  const flow = flowOf(graph, storage);
  const candidates = [graph, ...[false, true].map(greedy => graph.with({ nodes: listed(flow, greedy) }))];
  const peaks = candidates.map(c => peakBytes(c, binding, storage));
  return candidates[peaks.indexOf(Math.min(...peaks))];
}

/** Who waits for whom, and what of memory: the same for every order of the nodes, which are numbered in the order given. */
interface Flow {
  readonly nodes: readonly AnyNode[];
  /** For each node how many of its operands other nodes compute. */
  readonly missing: readonly number[];
  /** The nodes that read what a node computes, once for each of their operands. */
  readonly readers: readonly (readonly number[])[];
  /** The memories that a node reads, numbered. */
  readonly operands: readonly (readonly number[])[];
  /** For each memory its bytes, the nodes that read it, and how many are to: infinitely many of one that is a graph output. */
  readonly memories: readonly { readonly bytes: number; readonly readers: readonly number[]; readonly uses: number }[];
  /** The bytes that a node allocates. */
  readonly allocated: readonly number[];
}

function flowOf({ nodes, outputs }: Graph, storage: Storage): Flow {
  const producers = new Map<Value, number>();
  for (const [i, node] of nodes.entries()) for (const output of node.outputs) producers.set(output, i);
  const readers = nodes.map((): number[] => []);
  const missing = nodes.map((node, i) => {
    const computed = [...new Set(node.inputs)].flatMap(v => (v && producers.has(v) ? [producers.get(v)!] : []));
    for (const producer of computed) readers[producer].push(i);
    return computed.length;
  });
  const numbers = new Map<Value, number>();
  const memories: { bytes: number; readers: number[]; uses: number }[] = [];
  const numberOf = (root: Value): number => {
    const known = numbers.get(root);
    if (known !== undefined) return known;
    numbers.set(root, memories.length);
    return memories.push({ bytes: storage.bytes(root), readers: [], uses: 0 }) - 1;
  };
  const operands = nodes.map((node, i) => {
    const read = [...new Set(node.inputs.flatMap(v => (v ? [numberOf(storage.rootOf(v))] : [])))];
    for (const memory of read) {
      memories[memory].readers.push(i);
      memories[memory].uses++;
    }
    return read;
  });
  for (const { value } of outputs) memories[numberOf(storage.rootOf(value))].uses = Number.POSITIVE_INFINITY;
  const allocated = nodes.map(node =>
    node.outputs.reduce((sum, output) => sum + (numbers.has(output) ? storage.bytes(output) : 0), 0),
  );
  return { nodes, missing, readers, operands, memories, allocated };
}

function listed(flow: Flow, greedy: boolean): AnyNode[] {
  const run = new Run(flow);
  const order: AnyNode[] = [];
  while (order.length < flow.nodes.length) {
    let [best, least] = [-1, Number.POSITIVE_INFINITY];
    let first = -1;
    for (const i of run.ready) {
      if (first < 0 || i < first) first = i;
      const growth = run.growth[i];
      if (growth < least || (growth === least && i < best)) [best, least] = [i, growth];
    }
    const next = least <= 0 || greedy ? best : first;
    run.execute(next);
    order.push(flow.nodes[next]);
  }
  return order;
}

/** A run of the nodes in some order: which could be next, and what that would do to memory. */
class Run {
  /** Indices of nodes whose operands are all there. */
  readonly ready = new Set<number>();
  /** The bytes that running a node adds to what is alive after it. */
  readonly growth: number[];
  readonly #flow: Flow;
  readonly #missing: number[];
  /** For each memory how many nodes are still to read it. */
  readonly #uses: number[];
  readonly #ran: boolean[];

  constructor(flow: Flow) {
    this.#flow = flow;
    this.#missing = [...flow.missing];
    this.#uses = flow.memories.map(({ uses }) => uses);
    this.#ran = flow.nodes.map(() => false);
    this.growth = [...flow.allocated];
    for (const { uses, bytes, readers } of flow.memories) if (uses === 1) this.growth[readers[0]] -= bytes;
    for (const [i, count] of this.#missing.entries()) if (count === 0) this.ready.add(i);
  }

  execute(i: number): void {
    const { operands, memories, readers } = this.#flow;
    this.ready.delete(i);
    this.#ran[i] = true;
    for (const memory of operands[i]) {
      this.#uses[memory] -= 1;
      if (this.#uses[memory] !== 1) continue;
      // Whoever reads it last frees it.
      const last = memories[memory].readers.find(reader => !this.#ran[reader])!;
      this.growth[last] -= memories[memory].bytes;
    }
    for (const reader of readers[i]) {
      this.#missing[reader] -= 1;
      if (this.#missing[reader] === 0) this.ready.add(reader);
    }
  }
}
