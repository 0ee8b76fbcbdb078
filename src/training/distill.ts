/** Whole networks trained to give a teacher's answers: what may be said of it. */
import * as v from 'valibot';
import { choice, count, positive, share, strength } from '../options/kinds.ts';
import { type GivenOf, optional, standing } from '../options/option.ts';
import { optimizerHelp, optimizers, rates, shiftHelp, wholeEntries, wholeOptions } from './whole.ts';

const { batch, weightDecay, turn, seed, memory } = wholeOptions;

/** What may be said of a distillation. */
export const distillationOptions = {
  steps: standing(count, 'n', 'training steps', 400),
  batch,
  optimizer: standing(choice(optimizers), 'name', optimizerHelp, 'adamw'),
  learningRate: optional(positive, 'x', 'learning rate at the start', {
    otherwise: `adamw ${rates.adamw.learningRate}, sgd ${rates.sgd.learningRate}`,
    long: 'lr',
  }),
  weightDecay,
  shift: standing(strength, 'x', shiftHelp, 1),
  turn,
  labelShare: standing(share, 'share', 'of the loss, how much is that of labels', 0),
  seed,
  memory,
};

/** All of it, with the defaults filled in, as a configuration keeps it. */
export const distillationSchema = v.object(wholeEntries);

export type DistillationSettings = v.InferOutput<typeof distillationSchema>;

/** @param size images in a step, as the networks and what was said come to: see `stepBatch`. */
export function distillationSettings(given: GivenOf<typeof distillationOptions>, size: number): DistillationSettings {
  const { steps, optimizer: by, shift, labelShare } = distillationOptions;
  const optimizer = given.optimizer ?? by.standard;
  return {
    steps: given.steps ?? steps.standard,
    batch: size,
    optimizer,
    learningRate: given.learningRate ?? rates[optimizer].learningRate,
    weightDecay: given.weightDecay ?? rates[optimizer].weightDecay,
    shift: given.shift ?? shift.standard,
    turn: given.turn ?? turn.standard,
    labelShare: given.labelShare ?? labelShare.standard,
    seed: given.seed ?? seed.standard,
    ...(given.memory !== undefined && { memory: given.memory }),
  };
}
