import {
  type AnyNode,
  type Graph,
  GraphBuilder,
  isElementwise,
  numbersOf,
  specOf,
  type Tensor,
  type Value,
} from '../ir/index.ts';
import { largestHalf } from './float-width.ts';
import { removeDeadCode } from './simplify/remove-dead-code.ts';

/** The largest magnitudes of a graph's values. */
export type Peaks = ReadonlyMap<Value, number>;

/** What features may reach in float16 on known images, a quarter of its range: on others they may reach further. */
export const halfRange = largestHalf / 4;

const isFloat32 = (value: Value | undefined): value is Value => value?.type.dtype === 'float32';

/**
 * The nodes that stay in float32 when a graph is written in float16: what brings the outputs of several networks together, operators that
 * are `wide`, elementwise operators between such, what changes the images before the first layer, and what has an
 * operand or a result near or beyond float16's range.
 *
 * @param peaks what values reach; without it, only constants are looked at.
 */
export function wideNodes(graph: Graph, peaks: Peaks = new Map()): ReadonlySet<AnyNode> {
  const kept = new Set<AnyNode>();
  const tooLarge = (value: Value): boolean =>
    value.constant ? peakOf(value.constant) > largestHalf : (peaks.get(value) ?? 0) > halfRange;
  const images = new Set<Value>(graph.inputs);
  for (const node of graph.nodes) {
    const operands = node.inputs.filter(isFloat32);
    const prepares = isElementwise(node.op) && operands.every(value => value.constant || images.has(value));
    if (prepares) for (const made of node.outputs) images.add(made);
    if (
      prepares ||
      node.origin?.combines === true ||
      specOf(node.op).wide ||
      [...operands, ...node.outputs.filter(isFloat32)].some(tooLarge)
    )
      kept.add(node);
  }
  for (const node of between(graph, kept)) kept.add(node);
  return kept;
}

/** Elementwise nodes on all whose paths, to and fro, nodes that are kept come before any other that is not elementwise. */
function between(graph: Graph, kept: ReadonlySet<AnyNode>): readonly AnyNode[] {
  const [after, before] = [new Set(kept), new Set(kept)];
  const eligible = (node: AnyNode): boolean => isElementwise(node.op) && node.outputs.every(isFloat32);
  for (const node of graph.nodes) {
    const makers = node.inputs.flatMap(value => (isFloat32(value) && !value.constant ? [graph.producer(value)] : []));
    if (eligible(node) && makers.length > 0 && makers.every(maker => maker && after.has(maker))) after.add(node);
  }
  const given = new Set(graph.outputs.map(({ value }) => value));
  for (const node of graph.nodes.toReversed()) {
    const readers = node.outputs.flatMap(value => graph.consumers(value));
    const isGiven = node.outputs.some(value => given.has(value));
    if (eligible(node) && !isGiven && readers.length > 0 && readers.every(reader => before.has(reader))) {
      before.add(node);
    }
  }
  return graph.nodes.filter(node => after.has(node) && before.has(node));
}

function peakOf(tensor: Tensor): number {
  let peak = 0;
  for (const number of numbersOf(tensor)) if (Number.isFinite(number)) peak = Math.max(peak, Math.abs(number));
  return peak;
}

/** A graph that gives the largest magnitudes of its float32 values, and the values in the order of the numbers. */
export interface Peaking {
  readonly graph: Graph;
  readonly output: string;
  readonly values: readonly Value[];
}

/** A graph that gives nothing but what its values reach: `peaks` [V], on all images that it is given. */
export function withPeaks(graph: Graph): Peaking {
  const to = new GraphBuilder(graph.name, graph.info);
  for (const input of graph.inputs) to.adoptInput(input);
  for (const node of graph.nodes) to.adopt(node);
  const values = [...graph.inputs, ...graph.nodes.flatMap(node => node.outputs)].filter(isFloat32);
  const peaks = values.map(value => {
    const flat = to.op('Reshape', [to.op('Abs', [value]), to.ints([-1])]);
    return to.op('ReduceMax', [flat], { keepdims: 1 });
  });
  const output = to.unique('peaks');
  to.output(output, to.op('Concat', peaks, { axis: 0 }));
  return { graph: removeDeadCode(to.build()), output, values };
}

/** What values reach on all of several runs of {@link withPeaks}. */
export function peaksOf({ values }: Pick<Peaking, 'values'>, runs: readonly ArrayLike<number>[]): Peaks {
  return new Map(values.map((value, i) => [value, runs.reduce((peak, numbers) => Math.max(peak, numbers[i]), 0)]));
}
