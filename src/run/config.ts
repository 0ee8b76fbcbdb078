/** `config.json` of a run directory: everything that decides a run's numbers. See `docs/files.md`. */
import * as v from 'valibot';

const count = v.pipe(v.number(), v.integer(), v.minValue(1));
const hash = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, 'a SHA-256 in hexadecimal is expected'));

const parent = v.object({
  /** The copy in the run directory. */
  file: v.string(),
  /** Where it was copied from, as it was given. */
  source: v.string(),
  sha256: hash,
});

export const methods = ['double-batched', 'direct'] as const;
export const initialisations = ['ridge', 'kaiming', 'identity'] as const;
export const tasks = ['segmentation', 'classification', 'regression'] as const;
export const outputMeans = ['probabilities', 'logits'] as const;

/** How stitches are trained. */
export const trainingSchema = v.object({
  method: v.picklist(methods),
  init: v.picklist(initialisations),
  steps: v.pipe(v.number(), v.integer(), v.minValue(0)),
  batch: count,
  learningRate: v.pipe(v.number(), v.gtValue(0)),
  seed: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  /** Whether each term of the loss is divided by the variance of its reference feature. */
  normalize: v.boolean(),
  /** How many images the closed-form initialisation looks at. */
  initImages: count,
  /**
   * What a step's activations may take on WebGPU: bytes, or up to 1 a fraction of what they take without a limit. What is over is
   * computed again instead of kept.
   */
  memory: v.optional(v.pipe(v.number(), v.gtValue(0))),
});

export const configSchema = v.object({
  format: v.literal('suture-run'),
  version: v.literal(1),
  parents: v.object({ a: parent, b: parent }),
  task: v.picklist(tasks),
  outputMean: v.picklist(outputMeans),
  training: trainingSchema,
  data: v.object({ source: v.string(), sha256: hash, images: count }),
  /** What computed, and with which versions: the same seed gives the same bytes on the same of all these. */
  executor: v.object({ name: v.picklist(['webgpu', 'ort']), description: v.string() }),
  versions: v.record(v.string(), v.optional(v.string())),
});

export type Method = (typeof methods)[number];
export type Initialisation = (typeof initialisations)[number];
export type TrainingSettings = v.InferOutput<typeof trainingSchema>;
export type RunConfig = v.InferOutput<typeof configSchema>;

/** The reference's settings (arXiv 2512.17592), with the closed-form initialisation. */
export const trainingDefaults: TrainingSettings = {
  method: 'double-batched',
  init: 'ridge',
  steps: 300,
  batch: 8,
  learningRate: 1e-2,
  seed: 0,
  normalize: true,
  initImages: 40,
};
