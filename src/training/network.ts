/** Whole networks trained on labels: what may be said of it. */
import * as v from 'valibot';
import { SutureError } from '../../ir/errors.ts';
import { diceOvers } from '../../passes/index.ts';
import { choice, count, positive, strength } from '../options/kinds.ts';
import { flag, type GivenOf, optional, standing, unlessDenied } from '../options/option.ts';
import { optimizerHelp, optimizers, rates, shiftHelp, usualClip, wholeEntries, wholeOptions } from './whole.ts';

const { batch, weightDecay, turn, seed, memory } = wholeOptions;

/** Steps where nothing is said: of an untrained network, and of one that is trained already. */
const usualSteps = { fresh: 1500, tuned: 500 };
/** The rate at which a trained network goes on, as a share of that of an untrained one. */
const tuning = 0.1;
const usualRounds = 30;
const usualLocal = 25;

/** What may be said of a training on labels. */
export const networkOptions = {
  fresh: flag('begin with fresh weights, not with those of the file'),
  steps: optional(count, 'n', 'training steps', {
    otherwise: `${usualSteps.tuned}, with --fresh ${usualSteps.fresh}`,
    conflicts: ['federate'],
  }),
  batch,
  optimizer: standing(choice(optimizers), 'name', optimizerHelp, 'sgd'),
  learningRate: optional(positive, 'x', 'learning rate at the start', {
    otherwise: `with --fresh sgd ${rates.sgd.learningRate}, adamw ${rates.adamw.learningRate}; else a tenth`,
    long: 'lr',
  }),
  weightDecay,
  clip: standing(positive, 'norm', 'the norm that gradients are shortened to', usualClip),
  dice: standing(
    choice(diceOvers),
    'over',
    'what the Dice of the loss is a ratio over: the batch, or each image',
    'batch',
  ),
  deepSupervision: unlessDenied('of several outputs train the one that is used alone, and none of the coarser ones'),
  shift: standing(strength, 'x', shiftHelp, 0),
  turn,
  federate: flag("average the sites' weights after each round, each trained on its own data alone: FedAvg"),
  rounds: optional(count, 'r', 'with --federate: rounds', { otherwise: String(usualRounds) }),
  localSteps: optional(count, 'k', 'with --federate: steps of each site in a round', {
    otherwise: String(usualLocal),
  }),
  seed: { ...seed, help: 'of fresh weights, the batches and the changes' },
  memory,
};

/** All of it, with the defaults filled in, as a configuration keeps it. */
export const networkTrainingSchema = v.object({
  ...wholeEntries,
  fresh: v.boolean(),
  clip: positive.schema,
  dice: choice(diceOvers).schema,
  rounds: v.optional(count.schema),
});

export type NetworkTraining = v.InferOutput<typeof networkTrainingSchema>;

/**
 * @param size images in a step, as the network and what was said come to: see `stepBatch`.
 * @throws SutureError `option-invalid` where rounds are named and nothing is federated.
 */
export function networkTraining(given: GivenOf<typeof networkOptions>, size: number): NetworkTraining {
  const { optimizer: by, clip, dice, shift } = networkOptions;
  const { fresh = false, federate = false, rounds, localSteps } = given;
  if (!federate && (rounds ?? localSteps) !== undefined) {
    throw new SutureError('option-invalid', '--rounds and --local-steps are said with --federate.');
  }
  const optimizer = given.optimizer ?? by.standard;
  const { learningRate, weightDecay: decay } = rates[optimizer];
  const sum = (rounds ?? usualRounds) * (localSteps ?? usualLocal);
  return {
    fresh,
    steps: federate ? sum : (given.steps ?? (fresh ? usualSteps.fresh : usualSteps.tuned)),
    ...(federate && { rounds: rounds ?? usualRounds }),
    batch: size,
    optimizer,
    learningRate: given.learningRate ?? (fresh ? learningRate : learningRate * tuning),
    weightDecay: given.weightDecay ?? decay,
    clip: given.clip ?? clip.standard,
    dice: given.dice ?? dice.standard,
    shift: given.shift ?? shift.standard,
    turn: given.turn ?? turn.standard,
    labelShare: 1,
    seed: given.seed ?? seed.standard,
    ...(given.memory !== undefined && { memory: given.memory }),
  };
}
