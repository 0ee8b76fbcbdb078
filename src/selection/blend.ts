/** Several parents' outputs blended on the host: what a setting's outputs are at any weights, computed from one run of it. */
import { numbersOf, type Tensor } from '../../ir/index.ts';
import type { OutputMean, OutputMeaning } from '../../passes/index.ts';
import type { Metric } from '../metrics/metric.ts';
import { channelsFirst, thresholdOf, toProbabilities } from '../network/outputs.ts';

/** A parent's output of a batch, in the space that outputs are averaged in. */
export interface Blendable {
  readonly data: ArrayLike<number>;
  /** [N, C, spatial...] */
  readonly shape: readonly number[];
  /** What a blend with others of its kind means. */
  readonly meaning: OutputMeaning;
}

/** Brings an output into the space of the mean; `given` says what the network returns. */
export function blendable(value: Tensor, mean: OutputMean, given: OutputMeaning): Blendable {
  const output = channelsFirst(value, given);
  const { shape } = output;
  const meaning: OutputMeaning = { ...given, channelAxis: 1 };
  return mean === 'plain'
    ? { data: numbersOf(output), shape, meaning }
    : { data: toProbabilities(output, meaning), shape, meaning: { ...meaning, kind: 'probabilities' } };
}

/** A way of weighing outputs, and what it is scored by. */
export interface WeighedScore {
  readonly metric: Metric;
  /** A parent's weight on an image of the batch; of all parents, they sum to 1. */
  readonly share: (parent: number, image: number) => number;
}

/**
 * Adds weighted means of outputs to metrics.
 *
 * @param outputs one for each parent.
 * @param first the number of the batch's first image.
 */
export function scoreBlends(outputs: readonly Blendable[], ways: readonly WeighedScore[], first: number): void {
  const [{ data, shape, meaning }] = outputs as readonly [Blendable, ...Blendable[]];
  const threshold = thresholdOf(meaning);
  // Metrics keep nothing of what they are given, so that all ways share the memory.
  const sums = new Float64Array(data.length);
  const blended = new Float32Array(data.length);
  const size = data.length / shape[0];
  for (const { metric, share } of ways) {
    sums.fill(0);
    for (const [parent, { data: output }] of outputs.entries()) {
      for (let image = 0; image < shape[0]; image++) {
        const weight = share(parent, image);
        for (let i = image * size; i < (image + 1) * size; i++) sums[i] += weight * output[i];
      }
    }
    blended.set(sums);
    metric.add({ data: blended, shape, threshold }, first);
  }
}
