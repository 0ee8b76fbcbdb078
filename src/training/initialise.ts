/** How stitches start. */
import {
  featureStatistics,
  identityStitches,
  kaimingStitches,
  StitchFit,
  type StitchParameters,
} from '../../passes/index.ts';
import { Random } from '../data/random.ts';
import { Runnable } from '../execution/execute.ts';
import { inTurns, throwIfInterrupted } from '../execution/progress.ts';
import { batchLimit, bindingOfBatch, imageBatches, imageFeed, type TrainingJob } from './job.ts';
import type { BegunTraining, Training } from './options.ts';
import { fitInSequence, fitNote, what } from './sequential.ts';

/**
 * The first values of every stitch's parameters, by input name. The same seed gives the same values.
 *
 * `ridge` and `sequential` look at `initImages` images of the data, drawn without repetition.
 */
export async function initialise(job: TrainingJob, training: BegunTraining): Promise<StitchParameters> {
  const { init, seed } = training;
  const { network, dataset } = job;
  const random = Random.seeded(seed, 'initialisation');
  switch (init) {
    case 'kaiming':
      return kaimingStitches(network, () => random.float());
    case 'identity':
      return identityStitches(network, () => random.float());
    case 'ridge':
      return leastSquares(job, training, random);
    case 'sequential': {
      const drawn = random.permutation(dataset.count).subarray(0, training.initImages);
      return fitInSequence(job, drawn, training, random);
    }
    default:
      return init satisfies never;
  }
}

async function leastSquares(
  job: TrainingJob,
  { initImages, batch }: Training,
  random: Random,
): Promise<StitchParameters> {
  const { executor, network, dataset, onProgress, signal } = job;
  const drawn = random.permutation(dataset.count).subarray(0, initImages);
  const fit = new StitchFit(network.stitches);
  const binding = bindingOfBatch(job, batchLimit(job, drawn.length, batch));
  const runnable = new Runnable(executor, featureStatistics(network, { binding, images: drawn.length }));
  const stage = 'initialising the stitches';
  onProgress?.({ stage, done: 0, total: drawn.length });
  let done = 0;
  try {
    for (const numbers of imageBatches(job, drawn, batch)) {
      throwIfInterrupted(signal, what);
      fit.add(await runnable.run(imageFeed(job, numbers)), numbers.length);
      done += numbers.length;
      // The last word is the fit's.
      onProgress?.({ stage, done: Math.min(done, drawn.length - 1), total: drawn.length });
    }
  } finally {
    runnable.dispose();
  }
  const parameters = await inTurns(fit.ridge(), signal, what, done =>
    onProgress?.({ stage, done: drawn.length - 1, total: drawn.length, note: fitNote(done, fit.work) }),
  );
  onProgress?.({ stage, done: drawn.length, total: drawn.length });
  return parameters;
}
