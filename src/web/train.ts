/** Training in a page: what `suture stitch` does, without a run directory. */
import { type Execution, workOptions } from '../execution/progress.ts';
import type { TrainedNetwork } from '../network/network.ts';
import { fitToOutputs } from '../training/closing.ts';
import { initialise } from '../training/initialise.ts';
import { trainingJob } from '../training/job.ts';
import { stitchParameters, stitchTrainer } from '../training/stitches.ts';
import type { TrainOptions } from '../training/train.ts';
import type { JoinedNetworks } from './network.ts';

/** Networks whose stitches are trained. */
export interface TrainedNetworks extends JoinedNetworks, TrainedNetwork {}

/**
 * Gives every stitch its first values, trains them all, and fits the last ones to the outputs: the same numbers as on the command line for
 * the same seed, but for rounding.
 *
 * @throws SutureError `kernel-missing`, `device-memory`, `device-lost`, `loss-not-finite`, `interrupted`.
 */
export async function trainStitches(
  execution: Execution,
  joined: JoinedNetworks,
  options: Pick<TrainOptions, 'onMetrics' | 'metricsEvery'> = {},
): Promise<TrainedNetworks> {
  const { network, dataset, training, task } = joined;
  const job = trainingJob({ executor: execution.executor, ...workOptions(execution) }, network, dataset);
  const initial = await initialise(job, training);
  const trainer = await stitchTrainer(job, training, { task }, initial);
  // Stitches that are not trained stay as they began.
  const parameters = stitchParameters(network, initial);
  try {
    const trained = (await trainer?.run(options)) ?? [];
    for (const [name, value] of trained) parameters.set(name, value);
  } finally {
    trainer?.dispose();
  }
  const closed = training.closingImages > 0 ? await fitToOutputs(job, training, parameters) : parameters;
  return { ...joined, parameters: closed };
}
