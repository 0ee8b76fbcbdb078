import {
  type AnyNode,
  type DType,
  type Graph,
  GraphBuilder,
  isElementwise,
  nodeWith,
  specOf,
  type Value,
} from '../../ir/index.ts';
import { domainOf, type Group, isInline, Partition } from './groups.ts';

/**
 * Groups nodes into `Fused` regions that one kernel computes, so that what lies between them is never stored.
 *
 *     %1 = Conv(%x, $w)                        %3 = Fused(%x, $w, %r)
 *     %2 = Add(%1, %r)                 →          graph fused(%x, $w, %r) {
 *     %3 = Relu(%2)                                 %1 = Conv(%x, $w); %2 = Add(%1, %r); return %3 = Relu(%2)
 *                                                 }
 *
 * Two forms, no others:
 * - elementwise: all nodes elementwise with outputs of one shape, any number of outputs;
 * - epilogue: an anchor, an operator with the trait `epilogue`, first, that reads only from outside, then elementwise nodes with outputs of the anchor's shape; one output,
 *   and the anchor's own is read by the others only.
 *
 * A region binds at most `buffers` buffers, constants of one element not counted: they become part of the code. A node is not drawn
 * to a distant consumer where that would keep its operands alive for longer than its result would have been.
 *
 * Requires: every extent is known. Guarantees: the same outputs, the same arithmetic; deterministic.
 */
export function fuse(graph: Graph, { buffers = 8, phase = () => 0 }: FuseOptions = {}): Graph {
  const partition = new Partition(graph);
  const fits = ({ nodes: [first, ...rest], inputs, outputs }: Group): boolean =>
    inputs.length + outputs.length <= buffers && rest.every(n => phase(n) === phase(first));
  joinElementwise(graph, partition, fits);
  joinAnchors(graph, partition, fits);
  return rebuilt(graph, partition);
}

export interface FuseOptions {
  /** Storage buffers that a kernel may bind. Default 8, what every WebGPU device has. */
  readonly buffers?: number;
  /** Nodes of different phases do not share a region. Default: all are of one. */
  readonly phase?: (node: AnyNode) => unknown;
}

/** Dtypes that a region may hold. */
const computed: ReadonlySet<DType> = new Set(['float32', 'bool', 'int32', 'uint32']);

const joins = (node: AnyNode): boolean =>
  isElementwise(node.op) && [...node.inputs, ...node.outputs].every(v => !v || computed.has(v.type.dtype));

/** Draws each elementwise node to its consumers, from the last node to the first. */
function joinElementwise(graph: Graph, partition: Partition, fits: (group: Group) => boolean): void {
  for (const node of graph.nodes.toReversed()) {
    if (!joins(node)) continue;
    for (const consumer of graph.consumers(node.outputs[0])) {
      const [from, to] = [partition.groupOf(node), partition.groupOf(consumer)];
      if (from === to || !joins(consumer) || domainOf(consumer) !== domainOf(node)) continue;
      const merged = partition.union(from, to);
      if (!fits(merged) || partition.separated(from, to) || partition.lengthens(from, to)) continue;
      partition.merge(merged);
    }
  }
}

/** Gives each anchor the elementwise group that reads it, from the last anchor to the first. */
function joinAnchors(graph: Graph, partition: Partition, fits: (group: Group) => boolean): void {
  for (const anchor of graph.nodes.toReversed()) {
    if (!specOf(anchor.op).epilogue || anchor.outputs.length > 1) continue;
    const from = partition.groupOf(anchor);
    const [consumer, ...others] = new Set(graph.consumers(anchor.outputs[0]).map(n => partition.groupOf(n)));
    if (!consumer || others.length > 0 || !consumer.nodes.every(joins)) continue;
    if (consumer.outputs.length > 1 || domainOf(consumer.nodes[0]) !== domainOf(anchor)) continue;
    const merged = partition.union(from, consumer);
    const hidden = !merged.outputs.includes(anchor.outputs[0]);
    if (!hidden || !fits(merged) || partition.separated(from, consumer) || partition.lengthens(from, consumer))
      continue;
    partition.merge(merged);
  }
}

function rebuilt(graph: Graph, partition: Partition): Graph {
  const to = new GraphBuilder(graph.name, graph.info);
  for (const value of graph.values()) to.reserve(value.name);
  for (const node of graph.nodes) to.reserve(node.name, 'node');
  for (const input of graph.inputs) to.adoptInput(input);
  const replaced = new Map<Value, Value>();
  const now = (value: Value): Value => replaced.get(value) ?? value;
  for (const group of partition.ordered()) {
    const [first] = group.nodes;
    if (group.nodes.length === 1) {
      const inputs = first.inputs.map(v => v && now(v));
      const moved = inputs.some((v, i) => v !== first.inputs[i]);
      if (!moved) {
        to.adopt(first);
        continue;
      }
      const outputs = to.reinfer(nodeWith(first, { inputs }));
      for (const [i, old] of first.outputs.entries()) replaced.set(old, outputs[i]);
      continue;
    }
    const anchor = group.nodes.find(n => !isElementwise(n.op));
    const body = bodyOf(group, anchor);
    const named = anchor ?? group.nodes[group.nodes.length - 1];
    const fused = to.node(
      'Fused',
      group.inputs.map(now),
      { body },
      { name: `fused/${named.name}`, origin: named.origin },
    );
    for (const [i, old] of group.outputs.entries()) replaced.set(old, fused.outputs[i]);
  }
  for (const { name, value } of graph.outputs) to.output(name, now(value));
  return to.build();
}

/** The region as a graph of its own: the anchor first, then the others in order. */
function bodyOf(group: Group, anchor: AnyNode | undefined): Graph {
  const b = new GraphBuilder('fused');
  const inner = new Map<Value, Value>(group.inputs.map(v => [v, b.input(v.name, v.type)]));
  const read = (value: Value): Value => inner.get(value) ?? value;
  for (const node of group.nodes) for (const v of node.inputs) if (v && isInline(v)) b.reserve(v.name);
  const order = anchor ? [anchor, ...group.nodes.filter(n => n !== anchor)] : group.nodes;
  for (const node of order) {
    const outputs = b.copy(
      node,
      node.inputs.map(v => v && read(v)),
    );
    for (const [i, output] of node.outputs.entries()) inner.set(output, outputs[i]);
  }
  for (const output of group.outputs) b.output(output.name, read(output));
  return b.build();
}
