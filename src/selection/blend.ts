/** Two parents' outputs blended on the host: what a setting's outputs are at any weight, computed from one run of it. */
import { numbersOf, type Tensor } from '../../ir/index.ts';
import { gateSmoothing, leastError, type OutputMean, type OutputMeaning } from '../../passes/index.ts';
import type { Metric } from '../metrics/metric.ts';
import { channelsFirst, thresholdOf, toProbabilities } from '../network/outputs.ts';

/** Both parents' outputs of a batch, in the space that they are averaged in. */
export interface BlendedBatch {
  readonly a: ArrayLike<number>;
  readonly b: ArrayLike<number>;
  /** [N, C, spatial...] */
  readonly shape: readonly number[];
  /** What a blend of them means. */
  readonly meaning: OutputMeaning;
}

/** Brings outputs into the space of their mean; `given` says what the networks return. */
export function blendable(a: Tensor, b: Tensor, mean: OutputMean, given: OutputMeaning): BlendedBatch {
  const [first, second] = [a, b].map(output => channelsFirst(output, given)) as [Tensor, Tensor];
  const { shape } = first;
  const meaning: OutputMeaning = { ...given, channelAxis: 1 };
  return mean === 'plain'
    ? { a: numbersOf(first), b: numbersOf(second), shape, meaning }
    : {
        a: toProbabilities(first, meaning),
        b: toProbabilities(second, meaning),
        shape,
        meaning: { ...meaning, kind: 'probabilities' },
      };
}

/** Adds `share · a + (1 - share) · b` to a metric, with a share for each image of the batch. */
export function scoreBlend(metric: Metric, batch: BlendedBatch, shares: readonly number[], first: number): void {
  const { a, b, shape, meaning } = batch;
  const data = new Float32Array(a.length);
  const size = data.length / shares.length;
  for (const [image, share] of shares.entries()) {
    for (let i = image * size; i < (image + 1) * size; i++) data[i] = share * a[i]! + (1 - share) * b[i]!;
  }
  metric.add({ data, shape, threshold: thresholdOf(meaning) }, first);
}

/** The error that each parent expects on each image of a batch: what the gate of `settleGated` computes in the graph. */
export interface ExpectedErrors {
  readonly a: readonly number[];
  readonly b: readonly number[];
}

export const expectedErrors = ({ a, b, shape, meaning }: BlendedBatch): ExpectedErrors => ({
  a: errorsOf(a, shape, meaning),
  b: errorsOf(b, shape, meaning),
});

function errorsOf(p: ArrayLike<number>, shape: readonly number[], { activation }: OutputMeaning): readonly number[] {
  const [count, channels] = shape as [number, number, ...number[]];
  const size = p.length / count;
  const background = activation === 'softmax' ? size / channels : 0;
  return Array.from({ length: count }, (_, image) => {
    let [shared, sizes] = [0, 0];
    for (let i = image * size + background; i < (image + 1) * size; i++) {
      const yes = p[i]! > 0.5;
      sizes += p[i]! + (yes ? 1 : 0);
      if (yes) shared += p[i]!;
    }
    return 1 + leastError - (2 * shared + gateSmoothing) / (sizes + gateSmoothing);
  });
}

/** The first parent's share on each image, where it is `share` if both are as sure. */
export const gatedShares = ({ a, b }: ExpectedErrors, share: number): readonly number[] =>
  a.map((error, image) => share / (share + (1 - share) * (error / b[image]!) ** 2));
