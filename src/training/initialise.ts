/** How stitches start. */
import { tensor } from '../../ir/index.ts';
import {
  featureStatistics,
  identityStitches,
  kaimingStitches,
  StitchFit,
  type StitchParameters,
  type SuperNetwork,
} from '../../passes/index.ts';
import type { Executor } from '../../runtime/executor.ts';
import { batchSizes } from '../data/batches.ts';
import { type Dataset, gatherImages } from '../data/dataset.ts';
import { Random } from '../data/random.ts';
import { bindingFor, Runnable } from '../execution/execute.ts';
import { inTurns, throwIfInterrupted, type WorkOptions } from '../execution/progress.ts';
import { fitInSequence, fitNote, what } from './sequential.ts';
import type { TrainingSettings } from './settings.ts';

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
  const fit = new StitchFit(network.stitches);
  const input = network.parents[0]!.inputs[0]!;
  const shapeOf = (count: number): readonly number[] => [count, ...dataset.imageShape];
  const binding = bindingFor(network.graph, { [input]: shapeOf(Math.min(batch, drawn.length)) });
  const runnable = new Runnable(executor, featureStatistics(network, { binding, images: drawn.length }));
  const stage = 'initialising the stitches';
  onProgress?.({ stage, done: 0, total: drawn.length });
  let first = 0;
  try {
    for (const count of batchSizes(drawn.length, batch)) {
      throwIfInterrupted(signal, what);
      const pixels = gatherImages(dataset, drawn.subarray(first, first + count));
      fit.add(await runnable.run({ [input]: tensor('float32', shapeOf(count), pixels) }), count);
      first += count;
      // The last word is the fit's.
      onProgress?.({ stage, done: Math.min(first, drawn.length - 1), total: drawn.length });
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
