/**
 * How stitches are trained: what may be said, what holds where nothing is said, and what goes together. The command line and the docs are
 * made of this table.
 */
import * as v from 'valibot';
import { SutureError } from '../../ir/errors.ts';
import { discreteEntries } from '../network/discrete.ts';
import {
  choice,
  count,
  memory,
  natural,
  nonNegative,
  outputShares,
  positions,
  positive,
  share,
  shareBelowOne,
  usualWeight,
} from '../options/kinds.ts';
import { type GivenOf, optional, standing, unlessDenied } from '../options/option.ts';

const methods = ['double-batched', 'direct', 'task'] as const;
const initialisations = ['sequential', 'ridge', 'kaiming', 'identity'] as const;
/** Where the stitched half is compared with the reference: see `DoubleBatchOptions.terms`. */
const losses = ['all', 'last', 'outputs'] as const;
const settingsOfTraining = ['sampled', 'all', 'fixed'] as const;

/** What depends on the kind of training: `sampled` settings, or the reference's (arXiv 2512.17592). */
const standards = {
  sampled: { init: 'sequential', learningRate: 3e-3, probabilityWeight: 20, closingImages: 160 },
  /** Once for an image: networks that do not answer for every place, so that a gradient is a mean over few. */
  once: { learningRate: 3e-4 },
  reference: { init: 'ridge', learningRate: 1e-2, probabilityWeight: 0, closingImages: 0 },
  initImages: { sequential: 80, ridge: 40 },
} as const;

const { sampled: drawn, once, reference, initImages } = standards;

/** Seconds from one checkpoint to the next. */
export const checkpointInterval = 20;

/** Images in a step, of networks that take any number. */
export const usualBatch = 8;

/** What may be said of every training: to each kind an option of its own. */
export const batchOption = () =>
  optional(count, 'n', 'images in a step', { otherwise: `${usualBatch}, or what the networks take` });
export const memoryOption = () =>
  optional(memory, 'limit', 'what a step may keep on WebGPU, 800MB or 50%; the rest is computed again');

/** What may be said of a training. */
export const trainingOptions = {
  method: standing(
    choice(methods),
    'name',
    'learn from features as other stitches leave them, clean ones, or labels',
    'double-batched',
  ),
  settings: optional(
    choice(settingsOfTraining),
    'which',
    'stitched meanwhile: a choice drawn for each sample, all, or --positions',
    { otherwise: 'sampled; direct: all' },
  ),
  positions: optional(positions, 'list', 'train for the setting that is deployed: averaged at these, as in 38,41', {
    otherwise: 'everywhere',
  }),
  weight: optional(shareBelowOne, 'w', 'with --positions: the share of the original feature', {
    otherwise: `${usualWeight}`,
  }),
  output: optional(outputShares, 'v', "with --method task: the first network's share of the output", {
    otherwise: 'alike',
    long: 'output-weight',
  }),
  init: optional(choice(initialisations), 'how', 'fitted in order or to clean features, random, none', {
    otherwise: `sampled ${drawn.init}, else ${reference.init}`,
  }),
  steps: standing(natural, 'n', 'training steps; 0 keeps the initialisation', 300),
  batch: batchOption(),
  learningRate: optional(positive, 'x', 'learning rate at the start; it falls to 0 by half a cosine', {
    otherwise: `${drawn.learningRate}, without pixels ${once.learningRate}; other --init, all or direct: ${reference.learningRate}`,
    long: 'lr',
  }),
  seed: standing(natural, 's', 'of the batches, the drawn settings and the initialisation', 0),
  loss: optional(
    choice(losses),
    'where',
    'double-batched, compared at: all switches, each last one, none; and the outputs',
    {
      otherwise: 'all',
    },
  ),
  normalize: unlessDenied('weigh loss terms as they are, not by the variance of their features'),
  averaged: standing(share, 'share', 'of the stitched positions of a sample: averaged with the original', 0),
  probabilityWeight: optional(nonNegative, 'x', 'what errors of output probabilities count for in the loss', {
    otherwise: `sampled ${drawn.probabilityWeight}, else ${reference.probabilityWeight}`,
  }),
  initImages: optional(count, 'n', 'images that a closed form looks at', {
    otherwise: `sequential ${initImages.sequential}, ridge ${initImages.ridge}`,
  }),
  closingImages: optional(natural, 'n', 'images that the last stitches are fitted to the outputs on, at the end', {
    otherwise: `sampled ${drawn.closingImages}, else ${reference.closingImages}`,
  }),
  memory: memoryOption(),
};

/** What may be said of a training; `withDefaults` says whether it goes together. */
export type TrainingRequest = GivenOf<typeof trainingOptions>;

const schemaOf = <K extends keyof typeof trainingOptions>(key: K): (typeof trainingOptions)[K]['kind']['schema'] =>
  trainingOptions[key].kind.schema;

const begun = { init: schemaOf('init') };

/** What says nothing of how a training is done, or nothing that could be wrong. */
const common = {
  steps: schemaOf('steps'),
  batch: schemaOf('batch'),
  learningRate: schemaOf('learningRate'),
  seed: schemaOf('seed'),
  normalize: schemaOf('normalize'),
  averaged: v.optional(schemaOf('averaged'), 0),
  probabilityWeight: v.optional(schemaOf('probabilityWeight'), 0),
  initImages: schemaOf('initImages'),
};
const budget = { memory: v.optional(schemaOf('memory')) };

/** A value that makes no sense here: the message says what to leave out. */
const without = (problem: string) => v.optional(v.never(problem));

const settingOfItsOwn = (settings: string): string =>
  `Positions and a weight are a setting of their own: leave out --settings ${settings}.`;
const cleanFeatures =
  'Direct matching fits clean features, whatever is stitched later: leave out --settings, --positions and --weight, or train double-batched.';

const settingFound =
  'A setting that was found is trained double-batched from the stitches of its run: leave out --method, --settings, --positions, --weight and --init.';

/** Which positions are stitched while the training runs. */
const where = {
  /** A number and a choice of them, drawn for each sample of each step. */
  sampled: {
    settings: v.literal('sampled'),
    positions: without(settingOfItsOwn('sampled')),
    weight: without(settingOfItsOwn('sampled')),
  },
  /** All at once. Runs that say nothing of it are of this kind. */
  all: {
    settings: v.optional(v.literal('all'), 'all'),
    positions: without(settingOfItsOwn('all')),
    weight: without(settingOfItsOwn('all')),
  },
  /** The setting that is deployed: features averaged at `positions`, by `weight`. Only stitches there are trained. */
  fixed: {
    settings: v.literal('fixed'),
    positions: v.optional(schemaOf('positions')),
    weight: v.optional(schemaOf('weight')),
  },
  /** What a search found in a run, from that run's stitches; of several settings one is drawn for each sample. Only stitches that they use are trained. */
  found: {
    settings: v.literal('found'),
    found: v.pipe(v.array(v.object(discreteEntries)), v.minLength(1)),
    /** Where it starts: the run, and the seal of its parameters. */
    from: v.object({ run: v.string(), parameters: v.string() }),
    init: v.literal('run', settingFound),
    positions: without(settingFound),
    weight: without(settingFound),
  },
  /** No stitch sees another. */
  direct: {
    settings: v.optional(v.literal('all', cleanFeatures), 'all'),
    positions: without(cleanFeatures),
    weight: without(cleanFeatures),
  },
};

const unlabelled = {
  output: without('Outputs are weighed by --method task alone: without labels each network is held to its own output.'),
};
const labelled = { output: v.optional(schemaOf('output')) };

const closed = { closingImages: v.optional(schemaOf('closingImages'), 0) };
const open = {
  closingImages: v.optional(
    v.literal(
      0,
      'The last stitches are fitted to the outputs after double-batched training under sampled settings: leave out --closing-images.',
    ),
    0,
  ),
};

const doubleBatched = { method: v.literal('double-batched'), loss: v.optional(schemaOf('loss')) };
const ownLoss =
  'Direct matching compares each stitch with its clean feature, and a task loss outputs with labels: leave out --loss, or train double-batched.';
const direct = { method: v.literal('direct'), loss: without(ownLoss) };
const task = { method: v.literal('task'), loss: without(ownLoss) };

/**
 * A training as `config.json` keeps it. Nothing in it contradicts anything else. The order of the keys is the file's, and what it is sealed
 * with depends on it.
 */
export const trainingSchema = v.variant('method', [
  v.variant('settings', [
    v.object({ ...doubleBatched, ...where.sampled, ...unlabelled, ...begun, ...common, ...closed, ...budget }),
    v.object({ ...doubleBatched, ...where.all, ...unlabelled, ...begun, ...common, ...open, ...budget }),
    v.object({ ...doubleBatched, ...where.fixed, ...unlabelled, ...begun, ...common, ...open, ...budget }),
    v.object({ ...doubleBatched, ...where.found, ...unlabelled, ...common, ...open, ...budget }),
  ]),
  v.object({ ...direct, ...where.direct, ...unlabelled, ...begun, ...common, ...open, ...budget }),
  v.variant('settings', [
    v.object({ ...task, ...where.sampled, ...labelled, ...begun, ...common, ...open, ...budget }),
    v.object({ ...task, ...where.all, ...labelled, ...begun, ...common, ...open, ...budget }),
    v.object({ ...task, ...where.fixed, ...labelled, ...begun, ...common, ...open, ...budget }),
  ]),
]);

export type Method = (typeof methods)[number];
export type Training = v.InferOutput<typeof trainingSchema>;
/** Those that go on from a run's stitches. */
export type FoundTraining = Extract<Training, { readonly settings: 'found' }>;
/** Those that begin with stitches of their own. */
export type BegunTraining = Exclude<Training, FoundTraining>;

/**
 * Settings that are completed by the defaults of their kind. Training under sampled settings starts from stitches fitted in sequence;
 * direct matching, and training with all positions stitched or those that are deployed, is the reference's.
 *
 * @param dense whether the networks answer for every place, and not once for an image: there the gradient of a step is a mean over
 * many places, and the rate may be higher.
 * @throws SutureError `option-invalid` for what is no value of its kind, or does not go together.
 */
export function withDefaults(given: TrainingRequest = {}, { dense = true } = {}): BegunTraining {
  const method = given.method ?? trainingOptions.method.standard;
  const deployed = given.positions !== undefined || given.weight !== undefined;
  const settings = given.settings ?? (method === 'direct' ? 'all' : deployed ? 'fixed' : 'sampled');
  const sampled = settings === 'sampled';
  const standard = sampled ? drawn : reference;
  const init = given.init ?? standard.init;
  const rate = !sampled || init !== 'sequential' ? reference : dense ? drawn : once;
  const completed = complete(
    {
      learningRate: rate.learningRate,
      probabilityWeight: standard.probabilityWeight,
      initImages: initImages[init === 'sequential' ? init : 'ridge'],
      closingImages: method === 'double-batched' ? standard.closingImages : 0,
    },
    given,
    { method, settings, init },
  );
  if (completed.settings === 'found') throw new TypeError(`settings that are ${settings} stay so`);
  return completed;
}

/** What is trained further. */
export type Further = Pick<FoundTraining, 'found' | 'from'>;

/** What may be said of a training that goes on with found settings. */
export type FurtherRequest = Pick<
  TrainingRequest,
  'steps' | 'batch' | 'learningRate' | 'seed' | 'loss' | 'normalize' | 'probabilityWeight' | 'memory'
>;

/** As {@link withDefaults}, for settings that were found in a run: they are trained as sampled ones are. @throws SutureError `option-invalid`. */
export function furtherDefaults(given: FurtherRequest, { found, from }: Further, { dense = true } = {}): FoundTraining {
  const { learningRate } = dense ? drawn : once;
  const { probabilityWeight } = drawn;
  const completed = complete({ learningRate, probabilityWeight, initImages: initImages.ridge }, given, {
    ...{ method: 'double-batched', settings: 'found', init: 'run' },
    ...{ found: found.map(({ uses, output }) => ({ uses, output })), from },
  });
  if (completed.settings !== 'found') throw new TypeError('settings that are found stay so');
  return completed;
}

/** What was given with what stands for the rest; what its kind is, it is whatever was given. */
function complete(standards: object, given: TrainingRequest, kind: object): Training {
  const { steps, seed, averaged } = trainingOptions;
  const parsed = v.safeParse(trainingSchema, {
    steps: steps.standard,
    batch: usualBatch,
    seed: seed.standard,
    normalize: true,
    averaged: averaged.standard,
    ...standards,
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
    ...kind,
  });
  if (parsed.success) return parsed.output;
  throw new SutureError('option-invalid', problemOf(parsed.issues[0]));
}

/** What is wrong: a contradiction says it itself, of a value its kind does. */
function problemOf(issue: v.InferIssue<typeof trainingSchema>): string {
  const key = String(issue.path?.[0]?.key);
  const option = Object.entries(trainingOptions).find(([name]) => name === key)?.[1];
  if (!option || issue.type === 'never' || issue.type === 'literal') return issue.message;
  return `The training setting ${key} must be ${option.kind.words}.`;
}
