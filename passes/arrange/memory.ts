import { groupedBy } from '../../ir/grouped.ts';
import {
  type AnyNode,
  type Binding,
  bytesPerElement,
  type Graph,
  SutureError,
  sizeOf,
  specOf,
  substitute,
  typeText,
  type Value,
} from '../../ir/index.ts';

/**
 * What a graph keeps in memory: the outputs of its nodes. Inputs and constants live outside; a view lives in its operand; a boolean
 * takes four bytes, as on a GPU.
 */
export class Storage {
  readonly #roots = new Map<Value, Value>();
  readonly #bytes = new Map<Value, number>();

  constructor(graph: Graph, binding: Binding = {}) {
    for (const node of graph.nodes) {
      const [first] = node.inputs;
      for (const output of node.outputs) {
        if (specOf(node.op).view && first) this.#roots.set(output, this.rootOf(first));
        else this.#bytes.set(output, bytesOf(output, binding));
      }
    }
  }

  /** The value whose memory this one is in. */
  rootOf(value: Value): Value {
    return this.#roots.get(value) ?? value;
  }

  isView({ outputs: [output] }: AnyNode): boolean {
    return this.#roots.has(output);
  }

  /** Zero for inputs and constants. */
  bytes(root: Value): number {
    return this.#bytes.get(root) ?? 0;
  }
}

function bytesOf(value: Value, binding: Binding): number {
  const { dtype, shape } = value.type;
  const size = substitute(sizeOf(shape), binding);
  if (typeof size !== 'number') {
    throw new SutureError(
      'option-invalid',
      `The size of '${value.name}' of ${typeText(value.type)} is not known: bind its symbols.`,
    );
  }
  return size * (dtype === 'bool' ? 4 : bytesPerElement[dtype]);
}

/** What is alive while memory use is at its highest. */
export interface Peak {
  readonly bytes: number;
  /** The node that runs then; undefined in a graph without nodes. */
  readonly node: AnyNode | undefined;
  /** Largest first. */
  readonly living: readonly { readonly value: Value; readonly bytes: number }[];
}

/** Bytes of the activations while each node runs, in the order given. A node's operands and outputs are alive together. */
export function occupancy(graph: Graph): readonly number[] {
  const bytes: number[] = [];
  walk(graph, new Storage(graph), (_, living) => bytes.push(living));
  return bytes;
}

/** The peak of the activations when the nodes run in the order given: the highest `occupancy`. */
export function peak(graph: Graph, binding: Binding = {}): Peak {
  let best: Peak = { bytes: 0, node: undefined, living: [] };
  walk(graph, new Storage(graph, binding), (node, bytes, living) => {
    if (bytes > best.bytes) best = { bytes, node, living: living() };
  });
  return { ...best, living: best.living.toSorted((a, b) => b.bytes - a.bytes) };
}

/** Visits the nodes in order, each with the bytes that are alive while it runs and a function that lists them. */
function walk(
  graph: Graph,
  storage: Storage,
  visit: (node: AnyNode, bytes: number, living: () => { value: Value; bytes: number }[]) => void,
): void {
  const last = lastUses(graph, storage);
  const ends = groupedBy(last.keys(), root => last.get(root)!);
  const living = new Set<Value>();
  const list = () => [...living].map(value => ({ value, bytes: storage.bytes(value) }));
  let bytes = 0;
  for (const [i, node] of graph.nodes.entries()) {
    for (const output of node.outputs) {
      if (storage.bytes(output) === 0) continue;
      living.add(output);
      bytes += storage.bytes(output);
    }
    visit(node, bytes, list);
    for (const root of ends.get(i) ?? []) if (living.delete(root)) bytes -= storage.bytes(root);
  }
}

/** The peak in bytes. @param storage of the same nodes, in any order, where it is known. */
export function peakBytes(graph: Graph, binding: Binding = {}, storage = new Storage(graph, binding)): number {
  let most = 0;
  walk(graph, storage, (_, bytes) => {
    most = Math.max(most, bytes);
  });
  return most;
}

/** For each memory the index of the node that touches it last; the number of nodes where it outlasts them. */
function lastUses(graph: Graph, storage: Storage): Map<Value, number> {
  const last = new Map<Value, number>();
  for (const [i, node] of graph.nodes.entries()) {
    for (const value of [...node.inputs, ...node.outputs]) if (value) last.set(storage.rootOf(value), i);
  }
  for (const { value } of graph.outputs) last.set(storage.rootOf(value), graph.nodes.length);
  return last;
}
