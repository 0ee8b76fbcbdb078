/** What a training works on, and with what. */
import type { Binding, Tensor } from '../../ir/index.ts';
import type { SuperNetwork } from '../../passes/index.ts';
import { imagesOf } from '../data/batches.ts';
import type { Dataset } from '../data/dataset.ts';
import { bindingFor } from '../execution/execute.ts';
import type { Execution } from '../execution/progress.ts';
import { networkForImages } from '../network/sizes.ts';

export interface TrainingJob extends Execution {
  /** For the images of the data: every size but the batch is a number. */
  readonly network: SuperNetwork;
  readonly dataset: Dataset;
}

export const trainingJob = (execution: Execution, network: SuperNetwork, dataset: Dataset): TrainingJob => ({
  ...execution,
  network: networkForImages(network, dataset),
  dataset,
});

/** Images on their way into a network. */
type Inputs = Pick<TrainingJob, 'network' | 'dataset'>;

const inputOf = ({ parents }: SuperNetwork): string => parents[0]!.inputs[0]!;

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
