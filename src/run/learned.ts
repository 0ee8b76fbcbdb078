/** `weights.npz` of a run directory: what `suture weigh` learned. */
import * as v from 'valibot';
import { printable, SutureError, type Tensor } from '../../ir/index.ts';
import type { LearnedWeights } from '../selection/combination.ts';
import type { RunDirectory } from './directory.ts';
import type { LoadedRun } from './load.ts';

/** What can be learned from labels. */
export const learnable = ['switches', 'channels', 'outputs', 'stitches'] as const;
export type Learnable = (typeof learnable)[number];

const learnedSchema = v.object({
  learned: v.array(v.picklist(learnable)),
  positions: v.array(v.number()),
  /** Parent a's share of the output. */
  output: v.number(),
  weight: v.number(),
  steps: v.number(),
  batch: v.number(),
  learningRate: v.number(),
  seed: v.number(),
  data: v.object({ source: v.string(), sha256: v.string(), images: v.number() }),
  firstLoss: v.number(),
  lastLoss: v.number(),
});

/** How weights came about. */
export type LearnedRecord = v.InferOutput<typeof learnedSchema>;

export async function writeLearned(
  directory: RunDirectory,
  tensors: ReadonlyMap<string, Tensor>,
  record: LearnedRecord,
): Promise<void> {
  await directory.writeTensors('weights', tensors, record);
}

/** @throws SutureError `run-invalid` when there are none, or they do not fit the network. */
export async function readLearned({ directory, network }: LoadedRun): Promise<LearnedWeights & LearnedRecord> {
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
  const parameters = new Map([...stored.tensors].filter(([name]) => !names.has(name)));
  for (const [name, { shape }] of stored.tensors) {
    const wanted = network.graph.inputs.find(i => i.name === name)?.type.shape;
    const fits = wanted?.every((dim, i) => dim === shape[i]) && (names.has(name) || wanted.length === shape.length);
    if (!fits) throw new SutureError('run-invalid', `${file} does not fit the network: '${printable(name)}'.`);
  }
  const switches = new Map([...stored.tensors].filter(([name]) => names.has(name)));
  return { ...parsed.output, switches, parameters };
}
