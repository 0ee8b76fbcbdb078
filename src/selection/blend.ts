/** Several parents' outputs blended on the host: what a setting's outputs are at any weights, computed from one run of it. */
import { numbersOf, type Tensor } from '../../ir/index.ts';
import type { OutputMean, OutputMeaning } from '../../passes/index.ts';
import type { Metric } from '../metrics/metric.ts';
import { channelsFirst, thresholdOf, toProbabilities } from '../network/outputs.ts';

/** The parents' outputs of a batch, in the space that they are averaged in. */
export interface BlendedBatch {
  /** One for each parent. */
  readonly outputs: readonly ArrayLike<number>[];
  /** [N, C, spatial...] */
  readonly shape: readonly number[];
  /** What a blend of them means. */
  readonly meaning: OutputMeaning;
}

/** Brings outputs into the space of their mean; `given` says what the networks return. */
export function blendable(values: readonly Tensor[], mean: OutputMean, given: OutputMeaning): BlendedBatch {
  const outputs = values.map(output => channelsFirst(output, given));
  const { shape } = outputs[0];
  const meaning: OutputMeaning = { ...given, channelAxis: 1 };
  return mean === 'plain'
    ? { outputs: outputs.map(numbersOf), shape, meaning }
    : {
        outputs: outputs.map(output => toProbabilities(output, meaning)),
        shape,
        meaning: { ...meaning, kind: 'probabilities' },
      };
}

/**
 * Adds the outputs' weighted mean to a metric.
 *
 * @param share a parent's weight on an image of the batch; of all parents, they sum to 1.
 */
export function scoreBlend(
  metric: Metric,
  { outputs, shape, meaning }: BlendedBatch,
  share: (parent: number, image: number) => number,
  first: number,
): void {
  const sums = new Float64Array(outputs[0].length);
  const size = sums.length / shape[0];
  for (const [parent, output] of outputs.entries()) {
    for (let image = 0; image < shape[0]; image++) {
      const weight = share(parent, image);
      for (let i = image * size; i < (image + 1) * size; i++) sums[i] += weight * output[i];
    }
  }
  metric.add({ data: new Float32Array(sums), shape, threshold: thresholdOf(meaning) }, first);
}
