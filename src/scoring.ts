/** Scores of networks on labelled data: which metric suits, and what a network's output means to it. */
import { type Graph, isStatic, numbersOf, type Tensor, tensor } from '../ir/index.ts';
import type { OutputMeaning } from '../passes/index.ts';
import type { Dataset } from './data/dataset.ts';
import { areTargets, type Labels, labelsFor } from './data/labels.ts';
import type { Metric } from './metrics/metric.ts';
import { interfaceOf } from './network/interface.ts';

/** What the numbers of an output are. */
export type OutputKind = 'logits' | 'probabilities' | 'values';

/** What a network's output is: values for regression, probabilities where a Softmax or Sigmoid computes it. */
export function outputKind(graph: Graph, dataset: Dataset): OutputKind {
  const [output] = graph.outputs;
  const regression =
    dataset.labels?.task === 'regression' || (output?.value.type.shape[1] === 1 && areTargets(dataset));
  if (regression) return 'values';
  const op = output && graph.producer(output.value)?.op;
  return op === 'Softmax' || op === 'Sigmoid' ? 'probabilities' : 'logits';
}

/** The labels of a data set as a network's output needs them. @throws SutureError as `labelsFor`. */
export function labelsOf(dataset: Dataset, network: Graph, what: string): Labels {
  const { classes: channels, outputType } = interfaceOf(network, what);
  const kind = outputKind(network, dataset);
  const activation = kind === 'values' ? undefined : channels === 1 ? 'sigmoid' : 'softmax';
  const meaning: OutputMeaning = { kind, activation, channelAxis: 1, channels };
  const spatial = outputType.shape.slice(2).map(dim => (isStatic(dim) ? dim : undefined));
  return labelsFor(dataset, { meaning, spatial, name: what });
}

/** Adds a batch's outputs to a metric. */
export function score(metric: Metric, output: Tensor, kind: OutputKind, first: number): void {
  metric.add({ data: numbersOf(output), shape: output.shape, threshold: thresholdOf(kind) }, first);
}

/** Above it a channel says yes. */
export const thresholdOf = (kind: OutputKind): number => (kind === 'probabilities' ? 0.5 : 0);

/** Softmax over axis 1, or the sigmoid of a single channel, in double precision. */
export function toProbabilities(output: Tensor): Float64Array {
  const [n, channels, ...spatial] = output.shape as [number, number, ...number[]];
  const pixels = spatial.reduce((product, dim) => product * dim, 1);
  const values = numbersOf(output);
  const result = new Float64Array(values.length);
  for (let row = 0; row < n; row++) {
    for (let p = 0; p < pixels; p++) {
      const at = (k: number): number => (row * channels + k) * pixels + p;
      if (channels === 1) {
        result[at(0)] = 1 / (1 + Math.exp(-values[at(0)]!));
        continue;
      }
      let largest = -Infinity;
      for (let k = 0; k < channels; k++) largest = Math.max(largest, values[at(k)]!);
      let sum = 0;
      for (let k = 0; k < channels; k++) {
        result[at(k)] = Math.exp(values[at(k)]! - largest);
        sum += result[at(k)]!;
      }
      for (let k = 0; k < channels; k++) result[at(k)]! /= sum;
    }
  }
  return result;
}

/** The mean of several networks' outputs, on probabilities where they are classifiers. */
export function ensembleOutput(outputs: readonly { readonly output: Tensor; readonly kind: OutputKind }[]): Tensor {
  const [first] = outputs;
  const sum = new Float64Array(first!.output.data.length);
  for (const { output, kind } of outputs) {
    const values = kind === 'logits' ? toProbabilities(output) : numbersOf(output);
    for (let i = 0; i < sum.length; i++) sum[i]! += values[i]! / outputs.length;
  }
  return tensor('float32', first!.output.shape, Float32Array.from(sum));
}
