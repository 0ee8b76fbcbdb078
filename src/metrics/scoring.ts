/** Outputs scored, and put together. */
import { numbersOf, type Tensor, tensor } from '../../ir/index.ts';
import type { OutputMeaning } from '../../passes/index.ts';
import { channelsFirst, thresholdOf, toProbabilities } from '../network/outputs.ts';
import type { Metric } from './metric.ts';

/** Adds a batch's outputs to what counts them. */
export function score(metric: Pick<Metric, 'add'>, output: Tensor, meaning: OutputMeaning, first: number): void {
  const { shape, ...rest } = channelsFirst(output, meaning);
  metric.add({ data: numbersOf({ shape, ...rest }), shape, threshold: thresholdOf(meaning) }, first);
}

/** Outputs of a network, and what they mean. */
export interface MeantOutput {
  readonly output: Tensor;
  readonly meaning: OutputMeaning;
}

/** The mean of several networks' outputs, on probabilities where they have some: [N, C, spatial...]. */
export function ensembleOutput(outputs: readonly MeantOutput[]): MeantOutput {
  const { output: first, meaning } = outputs[0];
  const sum = new Float64Array(first.data.length);
  for (const { output, meaning: own } of outputs) {
    const values = toProbabilities(output, own);
    for (let i = 0; i < sum.length; i++) sum[i] += values[i] / outputs.length;
  }
  return {
    output: tensor('float32', channelsFirst(first, meaning).shape, Float32Array.from(sum)),
    meaning: { ...meaning, kind: meaning.kind === 'values' ? 'values' : 'probabilities', channelAxis: 1 },
  };
}
