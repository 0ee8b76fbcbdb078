import { type Graph, type GraphBuilder, tensorFromNumbers, type Value } from '../ir/index.ts';
import { atOutput } from './ends.ts';
import type { OutputMeaning } from './stitch/meaning.ts';

/** For each channel of a network the class (or region) of another one that it is; null: none of them. */
export type ClassMap = readonly (number | null)[];

/** What makes no probability, in what is as good as minus infinity and stays finite in half precision. */
const never = -1e4;

/**
 * A network whose channels are put in another one's order, [N, K, ...] → [N, count, ...]:
 *
 * - several channels of one class become one: their probabilities are added; of regions the largest counts;
 * - a channel of no class is left out: softmax shares its probability out among the others;
 * - a class that no channel is of has no probability.
 *
 * The same object where that changes nothing.
 *
 * @param meaning what the network's output means; it has an axis for channels, and so many of them as `classes` has entries.
 * @param count how many classes the other network has.
 */
export function mapClasses(graph: Graph, meaning: OutputMeaning, classes: ClassMap, count: number): Graph {
  if (classes.length === count && classes.every((to, from) => to === from)) return graph;
  const axis = meaning.channelAxis as number;
  return atOutput(graph, 'classes', (to, value) => {
    const gathered = (channels: readonly number[]): Value =>
      to.op('Gather', [value, to.constant(tensorFromNumbers('int64', [channels.length], channels), 'channels')], {
        axis,
      });
    const sources = Array.from({ length: count }, (_, of) =>
      classes.flatMap((found, channel) => (found === of ? [channel] : [])),
    );
    if (sources.every(({ length }) => length === 1)) return gathered(sources.flat());
    const parts = sources.map(channels => {
      if (channels.length === 1) return gathered(channels);
      if (channels.length > 1) return together(to, meaning, gathered(channels), axis);
      return to.op('Min', [gathered([0]), to.scalar(meaning.kind === 'probabilities' ? 0 : never)]);
    });
    return to.op('Concat', parts, { axis });
  });
}

/** Channels of one class as one channel. */
function together(to: GraphBuilder, { kind, activation }: OutputMeaning, channels: Value, axis: number): Value {
  const axes = to.ints([axis]);
  if (activation === 'sigmoid') return to.op('ReduceMax', [channels, axes]);
  return kind === 'probabilities' ? to.op('ReduceSum', [channels, axes]) : to.op('ReduceLogSumExp', [channels, axes]);
}
