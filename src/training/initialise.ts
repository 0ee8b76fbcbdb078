/** How stitches start. */
import { type Tensor, tensor } from '../../ir/index.ts';
import {
  FeatureMoments,
  featureStatistics,
  identityStitches,
  kaimingStitches,
  type StitchParameters,
  type SuperNetwork,
} from '../../passes/index.ts';
import type { Executor } from '../../runtime/executor.ts';
import { batchSizes } from '../batches.ts';
import { type Dataset, gatherImages } from '../data/dataset.ts';
import { Random } from '../data/random.ts';
import { Runnable } from '../execute.ts';
import { throwIfInterrupted, type WorkOptions } from '../progress.ts';
import type { TrainingSettings } from '../run/config.ts';
import { fitInSequence } from './sequential.ts';

/**
 * The first values of every stitch's parameters, by input name. The same seed gives the same values.
 *
 * `ridge` and `sequential` look at `initImages` images of the data, drawn without repetition.
 */
export async function initialise(
  executor: Executor,
  network: SuperNetwork,
  dataset: Dataset,
  settings: TrainingSettings,
  work: WorkOptions = {},
): Promise<StitchParameters> {
  const { init, seed } = settings;
  const random = Random.seeded(seed, 'initialisation');
  switch (init) {
    case 'kaiming':
      return kaimingStitches(network, () => random.float());
    case 'identity':
      return identityStitches(network, () => random.float());
    case 'ridge':
      return leastSquares(executor, network, dataset, settings, random, work);
    case 'sequential': {
      const drawn = random.permutation(dataset.count).subarray(0, settings.initImages);
      return fitInSequence(executor, network, dataset, drawn, settings, random, work);
    }
    default:
      return init satisfies never;
  }
}

async function leastSquares(
  executor: Executor,
  network: SuperNetwork,
  dataset: Dataset,
  { initImages, batch }: TrainingSettings,
  random: Random,
  { onProgress, signal }: WorkOptions,
): Promise<StitchParameters> {
  const drawn = random.permutation(dataset.count).subarray(0, initImages);
  const moments = new FeatureMoments(network);
  const runnable = new Runnable(executor, featureStatistics(network));
  const input = network.parents[0]!.inputs[0]!;
  const stage = 'initialising the stitches';
  onProgress?.({ stage, done: 0, total: drawn.length });
  try {
    let first = 0;
    for (const count of batchSizes(drawn.length, batch)) {
      throwIfInterrupted(signal, 'The initialisation');
      const images: Tensor = tensor(
        'float32',
        [count, ...dataset.imageShape],
        gatherImages(dataset, drawn.subarray(first, first + count)),
      );
      moments.add(new Map(Object.entries(await runnable.run({ [input]: images }))), count);
      first += count;
      onProgress?.({ stage, done: first, total: drawn.length });
    }
  } finally {
    runnable.dispose();
  }
  return moments.ridge();
}
