/** What the steps of a training are fed. */
import type { Tensor } from '../../ir/index.ts';
import { labelsInput, type TrainingStep } from '../../passes/index.ts';
import { requireBatch } from '../data/batches.ts';
import type { RandomState } from '../data/random.ts';
import { bindingFor } from '../execution/execute.ts';
import type { DiscreteSetting } from '../network/discrete.ts';
import { FoundSampler } from './found.ts';
import { batchShape, imageFeed, type TrainingJob } from './job.ts';
import { LabelFeed } from './labels.ts';
import type { Training } from './options.ts';
import { type SettingDraws, SettingSampler, settingFeeds } from './setting-sampler.ts';

export interface StepFeed {
  /** How many images there are to draw from. */
  readonly images: number;
  /** The shapes of a batch, by the names of the inputs that take it. */
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  /** From the first step on, or from where the generator of a training that goes on was. */
  begin(from?: RandomState): Drawing;
}

/** Batches as they come. */
export interface Drawing {
  /** What the step is fed of the images with these numbers. Called once for each step, in order. */
  take(numbers: ArrayLike<number>, step: number): Promise<Readonly<Record<string, Tensor>>>;
  /** Where its generator is, where it goes on from step to step. */
  state(): RandomState | undefined;
}

/** What decides which settings are drawn: of those that were found one, or of all positions some. */
interface Drawn {
  readonly averaged?: number;
  readonly found?: readonly DiscreteSetting[];
}

/**
 * Images of the data, with their labels and drawn settings where the step takes such.
 *
 * @throws SutureError `data-invalid`, `option-invalid` for a batch that is too large.
 */
export function stitchFeed(
  job: TrainingJob,
  step: TrainingStep,
  { batch, seed, averaged = 0, found }: Pick<Training, 'batch' | 'seed'> & Drawn,
): StepFeed {
  requireBatch(batch, job.dataset);
  const labels = LabelFeed.of(step, job, batch);
  const shapes = { ...batchShape(job, batch), ...(labels && { [labelsInput]: labels.shape }) };
  return {
    images: job.dataset.count,
    shapes,
    begin(from) {
      const binding = bindingFor(step.graph, shapes);
      const settings: SettingDraws = found
        ? FoundSampler.forTraining(job.network, { seed, found }, from)
        : SettingSampler.forTraining(job.network, { seed, averaged }, from);
      const taken = step.data.filter(name => settings.inputs.has(name)).map(name => step.graph.input(name));
      const draws = taken.length > 0;
      return {
        take: async numbers => ({
          ...imageFeed(job, numbers),
          ...labels?.take(numbers),
          ...(draws && settingFeeds(taken, settings.next(batch), binding)),
        }),
        state: () => (draws ? settings.state() : undefined),
      };
    },
  };
}
