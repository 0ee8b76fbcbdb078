/** What a training works on, and with what. */
import type { Binding, Tensor } from '../../ir/index.ts';
import type { SuperNetwork } from '../../passes/index.ts';
import { batchSizes, imagesOf } from '../data/batches.ts';
import type { Dataset } from '../data/dataset.ts';
import { bindingFor } from '../execution/execute.ts';
import { fixedBatch } from '../execution/fixed-batch.ts';
import type { TrainingExecution } from '../execution/progress.ts';
import { networkForImages } from '../network/sizes.ts';

export interface TrainingJob extends TrainingExecution {
  /** For the images of the data: every size but the batch is a number. */
  readonly network: SuperNetwork;
  readonly dataset: Dataset;
}

export const trainingJob = (execution: TrainingExecution, network: SuperNetwork, dataset: Dataset): TrainingJob => ({
  ...execution,
  network: networkForImages(network, dataset),
  dataset,
});

/** Images on their way into a network. */
type Inputs = Pick<TrainingJob, 'network' | 'dataset'>;

const inputOf = ({ parents }: SuperNetwork): string => parents[0].inputs[0];

/** Some images by their numbers, under the name of the input that takes them. */
export const imageFeed = ({ network, dataset }: Inputs, numbers: ArrayLike<number>): Record<string, Tensor> => ({
  [inputOf(network)]: imagesOf(dataset, numbers),
});

/** What the symbols of the network are for so many images at a time. */
export const bindingOfBatch = ({ network, dataset }: Inputs, count: number): Binding =>
  bindingFor(network.graph, { [inputOf(network)]: [count, ...dataset.imageShape] });

/** The shape of a batch of images, by the name of the input that takes them. */
export const batchShape = ({ network, dataset }: Inputs, count: number): Record<string, readonly number[]> => ({
  [inputOf(network)]: [count, ...dataset.imageShape],
});

/** How many images the first of {@link imageBatches} has at most. */
export const batchLimit = ({ network }: Pick<Inputs, 'network'>, count: number, limit: number): number =>
  fixedBatch(network.graph) ?? Math.min(limit, count);

/**
 * Numbers of images in batches for statistics. Where the network takes a fixed number these are whole: what is left over is left out,
 * and of fewer than one batch some come again.
 */
export function imageBatches(
  { network }: Pick<Inputs, 'network'>,
  images: Uint32Array,
  limit: number,
): readonly Uint32Array[] {
  const fixed = fixedBatch(network.graph);
  if (fixed !== undefined && images.length < fixed) {
    return [Uint32Array.from({ length: fixed }, (_, i) => images[i % images.length])];
  }
  const sizes =
    fixed === undefined
      ? batchSizes(images.length, { limit, whole: 1 })
      : Array<number>(Math.floor(images.length / fixed)).fill(fixed);
  const batches: Uint32Array[] = [];
  let first = 0;
  for (const size of sizes) {
    batches.push(images.subarray(first, first + size));
    first += size;
  }
  return batches;
}
