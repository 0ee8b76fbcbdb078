import { type Graph, tensor } from '../ir/index.ts';
import { atInput } from './ends.ts';

/** What becomes of the numbers of one channel: scaled, shifted, kept within bounds, in this order. */
export interface ChannelMap {
  readonly scale: number;
  readonly offset: number;
  /** Absent: unbounded. */
  readonly low?: number | undefined;
  readonly high?: number | undefined;
}

/**
 * A network whose images [N, C, ...] are changed first, channel by channel; where nothing changes, nothing is written:
 *
 *     %y = Conv(%x, ...)      →      %mul = Mul(%x, %scale)                      scale [1, C, 1, ...]
 *                                    %add = Add(%mul, %offset)
 *                                    %y = Conv(Min(Max(%add, %low), %high), ...)
 *
 * The same object where no channel changes.
 */
export function mapChannels(graph: Graph, channels: readonly ChannelMap[]): Graph {
  const [input] = graph.inputs;
  const shape = input.type.shape.map((_, axis) => (axis === 1 ? channels.length : 1));
  const unbounded = 3.4028234663852886e38;
  const steps = [
    { op: 'Mul', name: 'scale', idle: 1, values: channels.map(({ scale }) => scale) },
    { op: 'Add', name: 'offset', idle: 0, values: channels.map(({ offset }) => offset) },
    { op: 'Max', name: 'low', idle: -unbounded, values: channels.map(({ low = -unbounded }) => low) },
    { op: 'Min', name: 'high', idle: unbounded, values: channels.map(({ high = unbounded }) => high) },
  ] as const;
  const needed = steps.filter(({ values, idle }) => values.some(value => value !== idle));
  if (needed.length === 0) return graph;
  return atInput(graph, 'input', (to, input) =>
    needed.reduce((value, { op, name, values }) => {
      const constant = to.constant(tensor('float32', shape, Float32Array.from(values)), name);
      return op === 'Max' || op === 'Min' ? to.op(op, [value, constant]) : to.op(op, [value, constant]);
    }, input),
  );
}
