/** How stitches are trained: the settings, what they may be, and what they are where nobody says. */
import * as v from 'valibot';

const count = v.pipe(v.number(), v.integer(), v.minValue(1));

export const methods = ['double-batched', 'direct', 'task'] as const;
export const initialisations = ['sequential', 'ridge', 'kaiming', 'identity'] as const;
export const settingsOfTraining = ['sampled', 'all', 'fixed'] as const;

/** How stitches are trained. */
export const trainingSchema = v.object({
  method: v.picklist(methods),
  /**
   * Which positions are stitched while the training runs: all at once, a number and a choice drawn for each sample of each step, or
   * the setting that is deployed: `positions`, averaged by `weight`. Runs that say nothing of it are of the first kind.
   */
  settings: v.optional(v.picklist(settingsOfTraining), 'all'),
  /** Under a fixed setting: where features are averaged. Default: everywhere. Only stitches there are trained. */
  positions: v.optional(v.pipe(v.array(v.pipe(v.number(), v.integer(), v.minValue(0))), v.minLength(1))),
  /** Under a fixed setting: the share of the original feature, below 1. Default ½. */
  weight: v.optional(v.pipe(v.number(), v.minValue(0), v.ltValue(1))),
  /** Of the task loss: parent a's share of the output. Default ½. */
  output: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1))),
  init: v.picklist(initialisations),
  steps: v.pipe(v.number(), v.integer(), v.minValue(0)),
  batch: count,
  learningRate: v.pipe(v.number(), v.gtValue(0)),
  seed: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  /** Whether each term of the loss is divided by the variance of its reference feature. */
  normalize: v.boolean(),
  /** Under sampled settings: how likely a stitched position of a sample is averaged with the original instead. */
  averaged: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1)), 0),
  /** What the error of the output probabilities counts for in the loss of double-batched training. */
  probabilityWeight: v.optional(v.pipe(v.number(), v.minValue(0)), 0),
  /** How many images the closed-form initialisation looks at. */
  initImages: count,
  /** After training under sampled settings: on how many images the last stitches are fitted to the outputs. 0: they are not. */
  closingImages: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 0),
  /**
   * What a step's activations may take on WebGPU: bytes, or up to 1 a fraction of what they take without a limit. What is over is
   * computed again instead of kept.
   */
  memory: v.optional(v.pipe(v.number(), v.gtValue(0))),
});

export type Method = (typeof methods)[number];
export type Initialisation = (typeof initialisations)[number];
export type TrainingSettings = v.InferOutput<typeof trainingSchema>;

/** Images in a step, of networks that take any number. */
export const usualBatch = 8;

/**
 * Settings that are completed by the defaults of their kind. Training under sampled settings starts from stitches fitted in sequence.
 * Direct matching, and training with all positions stitched or those that are deployed, have the reference's settings (arXiv
 * 2512.17592) and start from least squares.
 *
 * @param dense whether the networks answer for every place, and not once for an image: there the gradient of a step is a mean over
 * many places, and the rate may be higher.
 */
export function withDefaults(given: Partial<TrainingSettings> = {}, { dense = true } = {}): TrainingSettings {
  const method = given.method ?? 'double-batched';
  const deployed = given.positions !== undefined || given.weight !== undefined;
  const settings = given.settings ?? (method === 'direct' ? 'all' : deployed ? 'fixed' : 'sampled');
  const sampled = settings === 'sampled';
  const init = given.init ?? (sampled ? 'sequential' : 'ridge');
  return {
    steps: 300,
    batch: usualBatch,
    learningRate: sampled && init === 'sequential' ? (dense ? 3e-3 : 3e-4) : 1e-2,
    seed: 0,
    normalize: true,
    probabilityWeight: sampled ? 20 : 0,
    averaged: 0,
    initImages: init === 'sequential' ? 80 : 40,
    closingImages: sampled && method === 'double-batched' ? 160 : 0,
    ...given,
    method,
    settings,
    init,
  };
}

export const trainingDefaults: TrainingSettings = withDefaults();
