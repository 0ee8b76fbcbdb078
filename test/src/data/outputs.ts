/** Outputs that labels are read for, as tests name them. */
import type { Dataset } from '../../../src/data/dataset.ts';
import { type ClassLabels, type LabelledOutput, labelsFor } from '../../../src/data/labels.ts';

/** Logits [N, channels, spatial...] under a softmax. */
export const softmaxOver = (channels: number, ...spatial: number[]): LabelledOutput => ({
  meaning: { kind: 'logits', activation: 'softmax', channelAxis: 1, channels },
  spatial,
  name: 'net.onnx',
});

/** Logits [N, channels, spatial...], each under a sigmoid. */
export const sigmoidOver = (channels: number, ...spatial: number[]): LabelledOutput => ({
  meaning: { kind: 'logits', activation: 'sigmoid', channelAxis: 1, channels },
  spatial,
  name: 'net.onnx',
});

/** Real values [N, channels, spatial...]. */
export const valuesOver = (channels: number, ...spatial: number[]): LabelledOutput => ({
  meaning: { kind: 'values', activation: undefined, channelAxis: 1, channels },
  spatial,
  name: 'net.onnx',
});

/** The labels of a data set as classes of each pixel of its images. */
export const classesOf = (dataset: Dataset, classes: number): ClassLabels =>
  labelsFor(dataset, softmaxOver(classes, ...dataset.imageShape.slice(1))) as ClassLabels;
