/** Scores of networks on labelled data: which metric suits, and what a network's output means to it. */
import {
  type Graph,
  isStatic,
  numbersOf,
  printable,
  SutureError,
  type Tensor,
  type TensorType,
  tensor,
  typeText,
} from '../ir/index.ts';
import { type Dataset, requireClasses, requireLabels } from './data/dataset.ts';
import { accuracyMetric, diceMetric, errorMetric, type Metric } from './metrics/metric.ts';
import { interfaceOf } from './network/interface.ts';

/** What the numbers of an output are. */
export type OutputKind = 'logits' | 'probabilities' | 'values';

/** What a network's output is: probabilities where a Softmax or Sigmoid computes it, values for regression. */
export function outputKind(graph: Graph, dataset: Dataset): OutputKind {
  if (dataset.labels?.kind === 'values') return 'values';
  const [output] = graph.outputs;
  const op = output && graph.producer(output.value)?.op;
  return op === 'Softmax' || op === 'Sigmoid' ? 'probabilities' : 'logits';
}

/** The number of classes that an output of `channels` channels tells apart: one channel tells yes from no. */
export const classCount = (channels: number): number => Math.max(2, channels);

/** One label for each pixel of the output, or for each image where the output is one answer. */
function requireFittingLabels(dataset: Dataset, labels: readonly number[], output: TensorType, what: string): void {
  const spatial = output.shape.slice(2);
  const fits = spatial.length === labels.length && spatial.every((dim, i) => !isStatic(dim) || dim === labels[i]);
  if (fits) return;
  throw new SutureError(
    'data-invalid',
    `${printable(dataset.source)}: "labels" has the shape [${[dataset.count, ...labels].join(', ')}], and ${printable(what)} ` +
      `gives ${typeText(output)}: there must be one label for each position of its output.`,
  );
}

/**
 * The metric for a network on a data set: Dice for dense class labels, accuracy for one class per image, the mean squared
 * error for real values.
 *
 * @throws SutureError `data-invalid` when there are no labels, or labels outside the classes.
 */
export function metricOf(dataset: Dataset, network: Graph, what: string): Metric {
  const { classes, outputType } = interfaceOf(network, what);
  if (requireLabels(dataset).kind === 'values') return errorMetric(requireLabels(dataset));
  const labels = requireClasses(dataset, classCount(classes));
  requireFittingLabels(dataset, labels.shape, outputType, what);
  return labels.shape.length > 0
    ? diceMetric(labels, classCount(classes))
    : accuracyMetric(labels, classCount(classes));
}

/** [n, 1, ...] as [n, 2, ...]: `zero` for no, the channel for yes, so that the larger of the two is the answer. */
function twoChannels(output: Tensor, zero: number): Tensor {
  const [n, , ...spatial] = output.shape as [number, ...number[]];
  const pixels = spatial.reduce((product, dim) => product * dim, 1);
  const values = numbersOf(output);
  const data = new Float32Array(2 * n * pixels).fill(zero);
  for (let row = 0; row < n; row++) {
    for (let p = 0; p < pixels; p++) data[(2 * row + 1) * pixels + p] = values[row * pixels + p]!;
  }
  return tensor('float32', [n, 2, ...spatial], data);
}

/** An output in the form that metrics over classes take: one channel for each class. */
export function classOutputs(output: Tensor, kind: OutputKind): Tensor {
  if (kind === 'values' || output.shape[1] !== 1) return output;
  return twoChannels(output, kind === 'probabilities' ? 0.5 : 0);
}

/** Adds a batch's outputs to a metric. */
export function score(metric: Metric, output: Tensor, kind: OutputKind, first: number): void {
  const { shape, ...rest } = classOutputs(output, kind);
  metric.add({ data: numbersOf({ shape, ...rest }), shape }, first);
}

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
