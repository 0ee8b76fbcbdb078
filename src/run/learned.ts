/** `weights.npz` of a run directory: what `suture weigh` learned; and its checkpoint. */
import * as v from 'valibot';
import { printable, SutureError, type Tensor } from '../../ir/index.ts';
import type { LearnedWeights } from '../selection/combination.ts';
import { hashSchema, isReached, naturalSchema, samplerStateSchema } from './checkpoint.ts';
import { labelsSchema } from './config.ts';
import type { LoadedRun } from './load.ts';

/** What can be learned from labels. */
export const learnable = ['switches', 'channels', 'outputs'] as const;
export type Learnable = (typeof learnable)[number];

/** What decides the numbers. */
const planEntries = {
  learned: v.array(v.picklist(learnable)),
  positions: v.array(naturalSchema),
  /** Parent a's share of the output: where learning starts, or what is kept; in the end, what came out. */
  output: v.number(),
  weight: v.number(),
  steps: naturalSchema,
  batch: naturalSchema,
  learningRate: v.pipe(v.number(), v.gtValue(0)),
  seed: naturalSchema,
  data: v.object({ source: v.string(), sha256: hashSchema, images: naturalSchema }),
  labels: v.optional(labelsSchema),
};

const learnedSchema = v.object({ ...planEntries, firstLoss: v.number(), lastLoss: v.number() });

const weighingSchema = v.object({
  plan: v.object(planEntries),
  executor: v.picklist(['webgpu', 'ort']),
  step: naturalSchema,
  sampler: samplerStateSchema,
  /** Of every step so far. */
  losses: v.array(v.number()),
});

/** How weights came about. */
export type LearnedRecord = v.InferOutput<typeof learnedSchema>;
export type LearningPlan = Omit<LearnedRecord, 'firstLoss' | 'lastLoss'>;

/** Where a learning that was interrupted is to go on. */
export interface WeighingCheckpoint extends v.InferOutput<typeof weighingSchema> {
  readonly values: ReadonlyMap<string, Tensor>;
}

/** Learned weights as they are kept in a run. */
export interface StoredWeights extends LearnedWeights, LearnedRecord {
  readonly positions: number[];
  readonly output: number;
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

/** @throws SutureError `run-invalid` when there is nothing to go on with. */
export async function readWeighing({ directory }: Pick<LoadedRun, 'directory'>): Promise<WeighingCheckpoint> {
  const stored = await directory.readTensors('weighing');
  if (!stored) {
    throw new SutureError('run-invalid', `${printable(directory.path)} has no interrupted learning to go on with.`);
  }
  const parsed = v.safeParse(weighingSchema, stored.state);
  if (parsed.success) {
    const { plan, step, losses } = parsed.output;
    const fits = isReached(parsed.output, plan, plan.data.images) && losses.length === step;
    if (fits) return { ...parsed.output, values: stored.tensors };
  }
  throw new SutureError('run-invalid', `${printable(directory.file('weighing'))} holds no state of a learning.`);
}
