/** `weights.npz` of a run directory: what `suture weigh` learned; and what its checkpoints hold. */
import * as v from 'valibot';
import { printable, SutureError } from '../../ir/index.ts';
import { count, natural, outputShares, positionsOrNone, positive, several, share } from '../options/kinds.ts';
import { optional, standing } from '../options/option.ts';
import type { LearnedWeights } from '../selection/combination.ts';
import { batchOption } from '../training/options.ts';
import { hashSchema, naturalSchema } from './checkpoint.ts';
import { labelsSchema } from './config.ts';
import type { LoadedRun } from './load.ts';

/** What can be learned from labels. */
const learnable = ['switches', 'channels', 'outputs'] as const;
export type Learnable = (typeof learnable)[number];

/** What may be said of a learning. */
export const learningOptions = {
  learn: standing(several(learnable), 'what', `${learnable.join(', ')}: several with commas between`, ['switches']),
  positions: optional(positionsOrNone, 'list', 'where features are averaged, as in 38,41,44-47', {
    otherwise: 'everywhere',
  }),
  weight: standing(share, 'w', 'share of the original feature: to start from, or kept', 0.9),
  output: optional(outputShares, 'v', "parent a's share of the output: to start from, or kept", {
    long: 'output-weight',
    otherwise: 'alike',
  }),
  steps: standing(count, 'n', 'training steps', 100),
  batch: batchOption(),
  learningRate: standing(positive, 'x', 'learning rate at the start; it falls to 0 by half a cosine', 0.05, {
    long: 'lr',
  }),
  seed: standing(natural, 's', 'seed of the batches', 0),
};

/** What decides the numbers. */
const planEntries = {
  learned: v.array(v.picklist(learnable)),
  positions: v.array(naturalSchema),
  /** Where learning starts, or what is kept; in the end, what came out. */
  output: outputShares.schema,
  weight: v.number(),
  steps: naturalSchema,
  batch: naturalSchema,
  learningRate: v.pipe(v.number(), v.gtValue(0)),
  seed: naturalSchema,
  data: v.object({ source: v.string(), sha256: hashSchema, images: naturalSchema }),
  labels: v.optional(labelsSchema),
};

const learnedSchema = v.object({ ...planEntries, firstLoss: v.number(), lastLoss: v.number() });

/** What a checkpoint of a learning holds beside where its loop was. */
export const weighingEntries = {
  plan: v.object(planEntries),
  executor: v.picklist(['webgpu', 'ort']),
  /** Of every step so far. */
  losses: v.array(v.number()),
};

/** How weights came about. */
export type LearnedRecord = v.InferOutput<typeof learnedSchema>;
export type LearningPlan = Omit<LearnedRecord, 'firstLoss' | 'lastLoss'>;

/** Learned weights as they are kept in a run. */
export interface StoredWeights extends LearnedWeights, LearnedRecord {
  readonly positions: number[];
  readonly output: LearnedRecord['output'];
  /** What tells them from those of another learning. */
  readonly seal: string;
}

/** @throws SutureError `run-invalid` when there are none, or they do not fit the network. */
export async function readLearned({ directory, network }: LoadedRun): Promise<StoredWeights> {
  const stored = await directory.readTensors('weights');
  const file = printable(directory.file('weights'));
  if (!stored) {
    throw new SutureError(
      'run-invalid',
      `${printable(directory.path)} has no learned weights; \`suture weigh\` learns them.`,
    );
  }
  const parsed = v.safeParse(learnedSchema, stored.state);
  if (!parsed.success) throw new SutureError('run-invalid', `${file} does not say how it came about.`);
  const names = new Set(network.switches.map(s => s.weights));
  for (const [name, { shape }] of stored.tensors) {
    const fits = names.has(name) && network.graph.input(name).type.shape.every((dim, i) => dim === shape[i]);
    if (!fits) throw new SutureError('run-invalid', `${file} does not fit the network: '${printable(name)}'.`);
  }
  return { ...parsed.output, switches: stored.tensors, seal: stored.seal };
}
