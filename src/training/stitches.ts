/** The stitches of joined networks, from their first values to their last. */
import type { Tensor, TensorType } from '../../ir/index.ts';
import type { SuperNetwork } from '../../passes/index.ts';
import { stitchFeed } from './feed.ts';
import type { TrainingJob } from './job.ts';
import type { Training } from './options.ts';
import { type Labelled, stepOf, Trainer } from './train.ts';

/** The trainer of stitches; undefined where it takes no steps. @param values as of `Trainer.create`. */
export async function stitchTrainer(
  job: TrainingJob,
  training: Training,
  how: Labelled,
  values: ReadonlyMap<string, Tensor>,
): Promise<Trainer | undefined> {
  if (training.steps === 0) return undefined;
  const step = stepOf(job.network, training, how);
  return Trainer.create(job, { step, schedule: training, feed: stitchFeed(job, step, training) }, values);
}

/** The parameters of all stitches, by name. */
export const stitchTypes = ({ stitches, graph }: SuperNetwork): Map<string, TensorType> =>
  new Map(stitches.flatMap(({ weight, bias }) => [weight, bias]).map(name => [name, graph.input(name).type]));

/** Of some values those that belong to the stitches. */
export const stitchParameters = (network: SuperNetwork, values: ReadonlyMap<string, Tensor>): Map<string, Tensor> =>
  new Map([...stitchTypes(network).keys()].map(name => [name, values.get(name)!]));
