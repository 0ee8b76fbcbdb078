/** Whole networks trained to give a teacher's answers: what may be said of it. */
import * as v from 'valibot';
import { choice, count, positive, share, strength } from '../options/kinds.ts';
import { type GivenOf, optional, standing } from '../options/option.ts';
import { optimizerHelp, optimizers, rates, shiftHelp, wholeEntries, wholeOptions } from './whole.ts';

const { batch, weightDecay, turn, seed, memory } = wholeOptions;

/** Where nothing else is said. */
const usualSteps = 400;

/** Where nothing else is said of branches that learn side by side: see `docs/experiments/distill.md`. */
const usualBranches = { steps: 1500, learningRate: 2e-3, labelShare: 0.3 };

/** What may be said of a distillation. */
export const distillationOptions = {
  steps: optional(count, 'n', 'training steps', { otherwise: `${usualSteps}, of branches ${usualBranches.steps}` }),
  batch,
  optimizer: standing(choice(optimizers), 'name', optimizerHelp, 'adamw'),
  learningRate: optional(positive, 'x', 'learning rate at the start', {
    otherwise: `adamw ${rates.adamw.learningRate}, of branches ${usualBranches.learningRate}; sgd ${rates.sgd.learningRate}`,
    long: 'lr',
  }),
  weightDecay,
  shift: standing(strength, 'x', shiftHelp, 1),
  turn,
  labelShare: optional(share, 'share', 'of the loss, how much is that of labels; of branches, of that of the own one', {
    otherwise: `0; of branches ${usualBranches.labelShare} where there are labels`,
  }),
  seed,
  memory,
};

/** All of it, with the defaults filled in, as a configuration keeps it. */
export const distillationSchema = v.object(wholeEntries);

type Distillation = v.InferOutput<typeof distillationSchema>;

/** What is trained on what. */
export interface Distilled {
  /** Images in a step, as the networks and what was said come to: see `stepBatch`. */
  readonly batch: number;
  /** Whether branches learn side by side, each from its own parent. Default false. */
  readonly branches?: boolean;
  /** Whether the data have labels. Default false. */
  readonly labelled?: boolean;
}

export function distillationWithDefaults(
  given: GivenOf<typeof distillationOptions>,
  { batch, branches = false, labelled = false }: Distilled,
): Distillation {
  const { optimizer: by, shift } = distillationOptions;
  const optimizer = given.optimizer ?? by.standard;
  const { learningRate, weightDecay } = rates[optimizer];
  return {
    steps: given.steps ?? (branches ? usualBranches.steps : usualSteps),
    batch,
    optimizer,
    learningRate: given.learningRate ?? (branches && optimizer === 'adamw' ? usualBranches.learningRate : learningRate),
    weightDecay: given.weightDecay ?? weightDecay,
    shift: given.shift ?? shift.standard,
    turn: given.turn ?? turn.standard,
    labelShare: given.labelShare ?? (branches && labelled ? usualBranches.labelShare : 0),
    seed: given.seed ?? seed.standard,
    ...(given.memory !== undefined && { memory: given.memory }),
  };
}
