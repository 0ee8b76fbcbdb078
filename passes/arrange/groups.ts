import { type AnyNode, type Graph, isElementwise, staticShape, type Value } from '../../ir/index.ts';
import { Storage } from './memory.ts';

/** Nodes that one kernel is to compute. */
export interface Group {
  /** In the graph's order. */
  readonly nodes: readonly AnyNode[];
  /** Values from outside that the nodes read, each once; constants of one element are not counted, they are part of the code. */
  readonly inputs: readonly Value[];
  /** Values that are read outside, or by nobody, or are outputs of the graph. */
  readonly outputs: readonly Value[];
  /** Nodes outside that read the outputs; more than once where they read several. */
  readonly readers: readonly AnyNode[];
}

/** A constant that kernels write into their code. */
export const isInline = (value: Value): boolean => value.constant !== undefined && value.constant.data.length === 1;

/**
 * A partition of a graph's nodes into groups, at first one for each node, that are merged as long as the groups' own graph stays
 * acyclic.
 */
export class Partition {
  readonly #graph: Graph;
  readonly #group = new Map<AnyNode, Group>();
  readonly #position = new Map<AnyNode, number>();
  readonly #returned: ReadonlySet<Value>;
  readonly #storage: Storage;

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#returned = new Set(graph.outputs.map(o => o.value));
    this.#storage = new Storage(graph);
    for (const [i, node] of graph.nodes.entries()) this.#position.set(node, i);
    for (const node of graph.nodes) this.#group.set(node, this.#of([node]));
  }

  groupOf(node: AnyNode): Group {
    return this.#group.get(node)!;
  }

  /** The groups in an order in which they can run: each as late as its last node was. */
  ordered(): Group[] {
    const groups = [...new Set(this.#graph.nodes.map(n => this.groupOf(n)))];
    const waiting = new Map(groups.map(g => [g, new Set(this.#before(g)).size]));
    const ready = groups.filter(g => waiting.get(g) === 0);
    const order: Group[] = [];
    while (ready.length > 0) {
      let next = 0;
      for (let i = 1; i < ready.length; i++) if (this.#last(ready[i]) < this.#last(ready[next])) next = i;
      const [group] = ready.splice(next, 1);
      order.push(group);
      for (const after of new Set(this.#after(group))) {
        const left = waiting.get(after)! - 1;
        waiting.set(after, left);
        if (left === 0) ready.push(after);
      }
    }
    return order;
  }

  /** The union of two groups as one, not yet carried out. */
  union(a: Group, b: Group): Group {
    const nodes = [...a.nodes, ...b.nodes].sort((x, y) => this.#position.get(x)! - this.#position.get(y)!);
    return this.#of(nodes);
  }

  /** Whether a way leads from the producer to the consumer through another group: merging them would close a cycle. */
  separated(producer: Group, consumer: Group): boolean {
    const seen = new Set<Group>([producer]);
    const stack = this.#after(producer).filter(g => g !== consumer);
    for (let group = stack.pop(); group; group = stack.pop()) {
      if (group === consumer) return true;
      if (seen.has(group)) continue;
      seen.add(group);
      stack.push(...this.#after(group));
    }
    return false;
  }

  /**
   * Whether running the producer where the consumer runs keeps much alive that would be gone by then: more bytes than the producer's
   * own outputs, over more than a few nodes.
   */
  lengthens(producer: Group, consumer: Group): boolean {
    const at = Math.min(...consumer.nodes.map(n => this.#position.get(n)!));
    if (at - this.#last(producer) <= nearby) return false;
    let bytes = 0;
    for (const input of new Set(producer.inputs.map(v => this.#storage.rootOf(v)))) {
      if (this.#lastUse(input) < at) bytes += this.#storage.bytes(input);
    }
    // What must be stored anyway is not saved by computing it later.
    const inside = new Set(consumer.nodes);
    for (const output of producer.outputs) {
      const only = !this.#returned.has(output) && this.#graph.consumers(output).every(n => inside.has(n));
      if (only) bytes -= this.#storage.bytes(output);
      else return true;
    }
    return bytes > 0;
  }

  merge(merged: Group): void {
    for (const node of merged.nodes) this.#group.set(node, merged);
  }

  #of(nodes: readonly AnyNode[]): Group {
    const inside = new Set<Value>(nodes.flatMap(n => n.outputs));
    const members = new Set(nodes);
    const inputs = new Set<Value>();
    for (const node of nodes) {
      for (const input of node.inputs) {
        if (input && !inside.has(input) && !(isInline(input) && isElementwise(node.op))) inputs.add(input);
      }
    }
    const readers: AnyNode[] = [];
    const outputs = [...inside].filter(v => {
      const all = this.#graph.consumers(v);
      const outside = all.filter(n => !members.has(n));
      readers.push(...outside);
      return this.#returned.has(v) || all.length === 0 || outside.length > 0;
    });
    return { nodes, inputs: [...inputs], outputs, readers };
  }

  #after(group: Group): Group[] {
    return group.readers.map(n => this.groupOf(n));
  }

  #before(group: Group): Group[] {
    return group.inputs.flatMap(v => {
      const producer = this.#graph.producer(v);
      return producer ? [this.groupOf(producer)] : [];
    });
  }

  #last(group: Group): number {
    return this.#position.get(group.nodes[group.nodes.length - 1])!;
  }

  #lastUse(root: Value): number {
    if (this.#returned.has(root)) return this.#graph.nodes.length;
    return Math.max(-1, ...this.#graph.consumers(root).map(n => this.#position.get(n)!));
  }
}

/** Nodes between a producer and a consumer that count as no delay. */
const nearby = 8;

/** The shape that all outputs of a node have, where it is known. */
export function domainOf(node: AnyNode): string | undefined {
  const shape = staticShape(node.outputs[0].type.shape);
  return shape?.join(',');
}
