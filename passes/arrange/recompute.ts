import {
  type AnyNode,
  type Binding,
  type Graph,
  GraphBuilder,
  isElementwise,
  macsOf,
  nodeWith,
  SutureError,
  sizeOf,
  substitute,
  type Value,
} from '../../ir/index.ts';
import { forwardPass } from './forward.ts';
import { peakBytes, Storage } from './memory.ts';
import { schedule } from './schedule.ts';

/**
 * Gradient checkpointing: what the backward pass reads of the forward pass is computed again, where that is cheap, instead of kept.
 *
 *     y = LeakyRelu(x)                              y = LeakyRelu(x)
 *     ...                                 →         ...
 *     dx = Where(Greater(y, 0), dy, ...)            y' = LeakyRelu(x)
 *                                                   dx = Where(Greater(y', 0), dy, ...)
 *
 * Values are given up in the order of what it costs to have them back, per byte: elementwise results and concatenations first,
 * normalisations, stitches, convolutions last; as few as bring the peak under the budget. What is recomputed reads what is kept, or
 * what is recomputed in its turn; a value of the forward pass that nothing else keeps is not kept for it either.
 *
 * Requires: the loss is an output; extents are known, or bound. Guarantees: the same outputs and the same arithmetic; the peak is at
 * most the budget, or else the lowest that was found; no higher than that of the graph given.
 */
export interface RecomputeOptions {
  /** The peak of the activations to reach, in bytes. */
  readonly budget: number;
  /** The output that the forward pass computes. */
  readonly loss: string;
  readonly binding?: Binding;
  /**
   * Makes of a graph what is run, and what the budget is held against: an order, kernels. `forward` are the nodes of the forward pass,
   * which copies are to be kept apart from; none where nothing is copied. Default: `schedule`.
   */
  readonly finish?: (graph: Graph, forward: ReadonlySet<AnyNode>) => Graph;
}

export function recompute(graph: Graph, options: RecomputeOptions): Graph {
  const { budget, loss, binding = {}, finish = (g: Graph) => schedule(g, binding) } = options;
  if (!(budget > 0))
    throw new SutureError('option-invalid', `The memory budget must be positive, not ${budget} bytes.`);
  const pass = new ForwardPass(graph, graph.output(loss), binding);
  const candidates = pass.candidates();
  const attempt = (count: number) => {
    const again = new Set(candidates.slice(0, count));
    const finished = count === 0 ? finish(graph, again) : finish(recomputing(graph, pass, again), pass.nodes);
    return { graph: finished, bytes: peakBytes(finished, binding) };
  };

  // The peak falls with the number of values given up until what is recomputed together outweighs what is not kept. So go up by
  // strides to the first number that fits, then halve the last stride.
  let best = attempt(0);
  if (best.bytes <= budget) return best.graph;
  const stride = Math.max(1, Math.ceil(candidates.length / strides));
  for (let high = stride; high < candidates.length + stride; high += stride) {
    const tried = attempt(high);
    if (tried.bytes < best.bytes) best = tried;
    if (tried.bytes > budget) continue;
    let [low, fits, graph] = [high - stride, high, tried.graph];
    while (fits - low > 1 + stride / 8) {
      const middle = (low + fits) >> 1;
      const found = attempt(middle);
      if (found.bytes <= budget) [fits, graph] = [middle, found.graph];
      else low = middle;
    }
    return graph;
  }
  return best.graph;
}

/** Parts that the values are divided into for a first search. */
const strides = 10;

/** Whether a node, or a fused region, computes again what was computed before. */
export const isRecomputed = (node: AnyNode): boolean => node.origin?.recomputed === true;

/** How many nodes of the backward pass a recomputed value may be kept for; past them it is computed once more. */
const patience = 80;

/** The nodes of the forward pass, and what of their results outlives them. */
class ForwardPass {
  readonly nodes: ReadonlySet<AnyNode>;
  readonly #graph: Graph;
  readonly #binding: Binding;
  readonly #storage: Storage;

  constructor(graph: Graph, loss: Value, binding: Binding) {
    this.#graph = graph;
    this.#binding = binding;
    this.#storage = new Storage(graph, binding);
    this.nodes = forwardPass(graph, loss, binding);
  }

  /** Nodes whose results the backward pass reads, the cheapest to run again per byte first. */
  candidates(): AnyNode[] {
    const rated = this.#graph.nodes
      .filter(node => this.nodes.has(node) && !this.isView(node) && this.#isReadLate(node))
      .map((node, i) => {
        const bytes = this.#bytes(node);
        return { node, i, bytes, rate: this.#cost(node) / Math.max(1, bytes) };
      });
    return rated
      .filter(r => r.bytes >= worthwhile)
      .sort((a, b) => a.rate - b.rate || a.i - b.i)
      .map(r => r.node);
  }

  /** Whether the node's results would not be there any more when the backward pass runs. */
  isPassing(node: AnyNode): boolean {
    return this.nodes.has(node) && !this.isView(node) && this.#bytes(node) >= worthwhile && !this.#isReadLate(node);
  }

  isView(node: AnyNode): boolean {
    return this.#storage.isView(node);
  }

  #isReadLate(node: AnyNode): boolean {
    return node.outputs.some(o =>
      this.#graph.consumers(o).some(n => !this.nodes.has(n) || (this.isView(n) && this.#isReadLate(n))),
    );
  }

  #bytes(node: AnyNode): number {
    return node.outputs.reduce((sum, o) => sum + this.#storage.bytes(o), 0);
  }

  /** What it takes to run the node again, with what of its operands is not kept. */
  #cost(node: AnyNode): number {
    const nodes = new Set([node]);
    for (const each of nodes) {
      for (const input of each.inputs) {
        const producer = input && this.#graph.producer(input);
        if (producer && (this.isPassing(producer) || this.isView(producer))) nodes.add(producer);
      }
    }
    return [...nodes].reduce((sum, n) => sum + (this.isView(n) ? 0 : costOf(n, this.#binding)), 0);
  }
}

/** Bytes below which a value is kept: scalars, statistics. */
const worthwhile = 4096;

const elements = (value: Value, binding: Binding): number => {
  const size = substitute(sizeOf(value.type.shape), binding);
  return typeof size === 'number' ? size : 0;
};

/** Multiplications, roughly. */
function costOf(node: AnyNode, binding: Binding): number {
  const macs = substitute(macsOf(node), binding);
  if (typeof macs === 'number' && macs > 0) return macs;
  const out = elements(node.outputs[0], binding);
  return isElementwise(node.op) || node.op === 'Concat' ? out : 4 * out;
}

/** The graph whose backward pass reads copies of these nodes, made where they are first read. */
function recomputing(graph: Graph, pass: ForwardPass, again: ReadonlySet<AnyNode>): Graph {
  const { nodes: forward } = pass;
  const to = new GraphBuilder(graph.name, graph.info);
  for (const value of graph.values()) to.reserve(value.name);
  for (const node of graph.nodes) to.reserve(node.name, 'node');
  for (const input of graph.inputs) to.adoptInput(input);
  for (const node of graph.nodes) if (forward.has(node)) to.adopt(node);

  const copies = new Map<Value, { readonly value: Value; last: number }>();
  const moved = new Map<Value, Value>();
  const late = (value: Value, at: number): Value => {
    const producer = graph.producer(value);
    if (!producer || !forward.has(producer)) return moved.get(value) ?? value;
    const view = pass.isView(producer);
    if (!view && !again.has(producer) && !pass.isPassing(producer)) return value;
    const known = copies.get(value);
    if (known && at - known.last <= patience) {
      known.last = at;
      return known.value;
    }
    const inputs = producer.inputs.map(v => v && late(v, at));
    if (view && inputs[0] === producer.inputs[0]) return value;
    const outputs = to.copy(producer, inputs, {
      name: `again/${producer.name}`,
      outputs: producer.outputs.map(o => `again/${o.name}`),
      origin: { ...(producer.origin ?? { name: producer.name }), recomputed: true },
    });
    for (const [i, output] of producer.outputs.entries()) copies.set(output, { value: outputs[i], last: at });
    return copies.get(value)!.value;
  };
  for (const [at, node] of graph.nodes.entries()) {
    if (forward.has(node)) continue;
    const inputs = node.inputs.map(v => v && late(v, at));
    if (inputs.every((v, i) => v === node.inputs[i])) {
      to.adopt(node);
      continue;
    }
    const outputs = to.reinfer(nodeWith(node, { inputs }));
    for (const [i, old] of node.outputs.entries()) moved.set(old, outputs[i]);
  }
  for (const { name, value } of graph.outputs) to.output(name, moved.get(value) ?? value);
  return to.build();
}
