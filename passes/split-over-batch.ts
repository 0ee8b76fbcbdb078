/**
 * A network whose answers depend on the whole batch by sums and means alone, as two whose answers do not, so that a batch of any size can be
 * given to them in parts:
 *
 *     %s = ReduceSum(%p, axes=[0, 1, 2])         statistics: %x → %s             of a part; parts are added up
 *     %y = Mul(%p, f(%s))                   →    answers: %x, %s → %y            of a part
 *
 * Guarantees: the outputs of `answers` are those of the network on a batch, of each part by itself, where `%s` is what all parts together come
 * to (up to rounding, as it is summed in another order).
 */
import { type AnyNode, type Dim, type Graph, isFloat, type Shape, specOf, symbolsOf, type Value } from '../ir/index.ts';
import { removeDeadCode } from './simplify/remove-dead-code.ts';

export interface SplitOverBatch {
  /** From the network's inputs to the statistics. */
  readonly statistics: Graph;
  /** From the network's inputs, and the statistics under the same names, to its outputs. */
  readonly answers: Graph;
  /** How the statistics of parts come together: as their sum, or as their mean, where a part counts as often as it has images. */
  readonly kinds: ReadonlyMap<string, 'sum' | 'mean'>;
}

/** The reductions of which the parts of a batch tell what the whole comes to. */
const kindOf = ({ op }: AnyNode): 'sum' | 'mean' | undefined =>
  op === 'ReduceSum' ? 'sum' : op === 'ReduceMean' ? 'mean' : undefined;

/** @returns undefined where anything else is taken over the batch, a statistic of statistics, or the number of images as a real number. */
export function splitOverBatch(graph: Graph): SplitOverBatch | undefined {
  const batches = new Set(graph.inputs.flatMap(({ type: { shape } }) => [...symbolsOf(shape[0] ?? 0)]));
  const holds = ({ type: { shape } }: Value): boolean => axesOf(shape, batches).length > 0;
  const kinds = new Map<Value, 'sum' | 'mean'>();
  /** What is computed of statistics, and what is an extent that may be the number of images. */
  const [later, counted] = [new Set<Value>(), new Set<Value>()];
  for (const node of graph.nodes) {
    const given = node.inputs.filter(value => value !== undefined);
    const isLater = given.some(value => later.has(value) || kinds.has(value));
    if (given.some(holds) ? specOf(node.op).measures : given.some(value => counted.has(value))) {
      for (const output of node.outputs) {
        if (output.elements?.every(dim => !mentions(dim, batches))) continue;
        if (isFloat(output.type.dtype)) return undefined;
        counted.add(output);
      }
    } else if (given.some(holds) && !node.outputs.every(holds)) {
      const [data] = given;
      const kind = String(axesOf(data.type.shape, batches)) === '0' ? kindOf(node) : undefined;
      if (kind === undefined || isLater) return undefined;
      kinds.set(node.outputs[0], kind);
    }
    if (isLater) for (const output of node.outputs) later.add(output);
  }
  if (kinds.size === 0) return undefined;
  const found = [...kinds.keys()];
  const statistics = graph.with({ outputs: found.map(value => ({ name: value.name, value })) });
  const answers = graph.with({
    inputs: [...graph.inputs, ...found],
    nodes: graph.nodes.filter(({ outputs: [output] }) => !kinds.has(output)),
  });
  return {
    statistics: removeDeadCode(statistics),
    answers: removeDeadCode(answers),
    kinds: new Map(Array.from(kinds, ([{ name }, kind]) => [name, kind])),
  };
}

const mentions = (dim: Dim, batches: ReadonlySet<string>): boolean =>
  [...symbolsOf(dim)].some(name => batches.has(name));

/** The axes whose extents depend on the number of images. */
const axesOf = (shape: Shape, batches: ReadonlySet<string>): readonly number[] =>
  shape.flatMap((dim, axis) => (mentions(dim, batches) ? [axis] : []));
