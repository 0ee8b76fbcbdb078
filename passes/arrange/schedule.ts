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
  const candidates = [graph, ...[false, true].map(greedy => graph.with({ nodes: listed(graph, binding, greedy) }))];
  const peaks = candidates.map(c => peakBytes(c, binding));
  return candidates[peaks.indexOf(Math.min(...peaks))];
}

function listed(graph: Graph, binding: Binding, greedy: boolean): AnyNode[] {
  const run = new Run(graph, binding);
  const order: AnyNode[] = [];
  while (order.length < graph.nodes.length) {
    let [best, least] = [-1, Number.POSITIVE_INFINITY];
    let first = -1;
    for (const i of run.ready) {
      if (first < 0 || i < first) first = i;
      const growth = run.growth(i);
      if (growth < least || (growth === least && i < best)) [best, least] = [i, growth];
    }
    const next = least <= 0 || greedy ? best : first;
    run.execute(next);
    order.push(graph.nodes[next]);
  }
  return order;
}

/** A run of the nodes in some order: which could be next, and what that would do to memory. */
class Run {
  readonly #nodes: readonly AnyNode[];
  readonly #storage: Storage;
  /** Indices of nodes whose operands are all there. */
  readonly ready = new Set<number>();
  readonly #missing: number[];
  readonly #readers = new Map<Value, number[]>();
  /** For each memory how many nodes are still to read it; infinite for graph outputs. */
  readonly #uses = new Map<Value, number>();
  readonly #operands: readonly (readonly Value[])[];

  constructor(graph: Graph, binding: Binding) {
    this.#nodes = graph.nodes;
    this.#storage = new Storage(graph, binding);
    const computed = new Set(graph.nodes.flatMap(n => n.outputs));
    this.#operands = graph.nodes.map(n => [...new Set(n.inputs.flatMap(v => (v ? [this.#storage.rootOf(v)] : [])))]);
    this.#missing = graph.nodes.map((node, i) => {
      const inputs = new Set(node.inputs.filter(v => v !== undefined && computed.has(v)) as Value[]);
      for (const input of inputs) this.#readers.set(input, [...(this.#readers.get(input) ?? []), i]);
      return inputs.size;
    });
    for (const roots of this.#operands) for (const root of roots) this.#uses.set(root, (this.#uses.get(root) ?? 0) + 1);
    for (const { value } of graph.outputs) this.#uses.set(this.#storage.rootOf(value), Number.POSITIVE_INFINITY);
    for (const [i, count] of this.#missing.entries()) if (count === 0) this.ready.add(i);
  }

  /** The bytes that running the node adds to what is alive after it. */
  growth(i: number): number {
    let bytes = 0;
    for (const output of this.#nodes[i].outputs) if (this.#uses.has(output)) bytes += this.#storage.bytes(output);
    for (const root of this.#operands[i]) if (this.#uses.get(root) === 1) bytes -= this.#storage.bytes(root);
    return bytes;
  }

  execute(i: number): void {
    this.ready.delete(i);
    for (const root of this.#operands[i]) this.#uses.set(root, this.#uses.get(root)! - 1);
    for (const output of this.#nodes[i].outputs) {
      for (const reader of this.#readers.get(output) ?? []) {
        this.#missing[reader] -= 1;
        if (this.#missing[reader] === 0) this.ready.add(reader);
      }
    }
  }
}
