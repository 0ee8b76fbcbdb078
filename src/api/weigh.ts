/** Weights of switches and outputs learned from labels, with everything else frozen: `suture weigh`. */
import { printable, SutureError, type Tensor, tensor, tensorFromNumbers } from '../../ir/index.ts';
import { mean, product } from '../../ir/numbers.ts';
import {
  type SuperNetwork,
  type Switch,
  type SwitchMode,
  type TrainingStep,
  taskMatching,
  trainingStep,
  weighed,
} from '../../passes/index.ts';
import type { LabelOptions } from '../data/dataset.ts';
import { loadDataset } from '../data/load.ts';
import { hashData } from '../data/raw/load.ts';
import type { ExecutorOptions } from '../execution/executors.ts';
import { fixedBatch, stepBatch } from '../execution/fixed-batch.ts';
import { withExecutor } from '../execution/open.ts';
import type { TrainingWork } from '../execution/progress.ts';
import { LabelledData } from '../metrics/labelled.ts';
import type { OutputShares } from '../options/kinds.ts';
import type { GivenOf } from '../options/option.ts';
import { withLockedRun } from '../run/access.ts';
import { keptLabels, labelsOfRun } from '../run/config.ts';
import type { RunDirectory } from '../run/directory.ts';
import { type LearnedRecord, type LearningPlan, learningOptions, weighingEntries } from '../run/learned.ts';
import {
  type Reached,
  readCheckpoint,
  requireCarried,
  resumable,
  sameData,
  type TrainingKind,
  train,
} from '../run/lifecycle.ts';
import { type LoadedRun, loadRun } from '../run/load.ts';
import { alike, checkCombination, sharesOf, statedShares } from '../selection/combination.ts';
import { stitchFeed } from '../training/feed.ts';
import { type TrainingJob, trainingJob } from '../training/job.ts';
import { usualBatch } from '../training/options.ts';
import { type MetricsEntry, Trainer } from '../training/train.ts';

/**
 * `learn` says what is learned; all else is frozen. `switches`: one weight for each switch. `channels`: one for each channel of each
 * switch. `outputs`: the parents' shares of the output. Where only outputs are learned, no position is averaged by default.
 */
export interface WeighOptions extends Omit<GivenOf<typeof learningOptions>, 'output'> {
  /** How the parents share the output: where learning starts, or what is kept. Default: alike. */
  readonly output?: OutputShares | undefined;
  /** What is said of labels, where the run says something else or nothing. */
  readonly labels?: LabelOptions | undefined;
}

/** A position, and the share of the original feature by the tags of the parents that are joined there. */
export type WeighedPosition = { readonly position: number } & Readonly<Record<string, number>>;

/** What `suture weigh` shows and keeps beside the weights. */
export interface WeighSummary extends LearnedRecord {
  readonly run: string;
  /** By position: the share of the original feature at the switch of each parent; per channel, the mean. */
  readonly switches: readonly WeighedPosition[];
}

/** Softmax logits cannot say 0 or 1. */
const inside = (share: number): number => Math.min(0.99, Math.max(0.01, share));

/**
 * Learns weights from labelled data and keeps them as `weights.npz` in the run. An earlier result is there until it is replaced; the
 * stitches of the run stay as they are. What was interrupted goes on with {@link resumeWeigh}.
 *
 * @throws SutureError `run-invalid`, `run-locked`, `option-invalid`, `data-invalid`, `loss-not-finite`, `interrupted`.
 */
export const weigh = (
  path: string,
  data: string,
  options: WeighOptions & ExecutorOptions,
  work: TrainingWork = {},
): Promise<WeighSummary> => withLockedRun(path, () => weighLocked(path, data, options, work));

async function weighLocked(
  path: string,
  data: string,
  { executor: choice, ...options }: WeighOptions & ExecutorOptions,
  work: TrainingWork,
): Promise<WeighSummary> {
  const run = await loadRun(path);
  const labels = labelsOfRun(run.directory.config, options.labels);
  const dataset = await loadDataset(data, labels, 'training');
  LabelledData.for(run.parents, dataset);
  const plan = {
    ...planOf(run.network, options),
    ...keptLabels(labels),
    data: { source: dataset.source, sha256: await hashData(data, labels), images: dataset.count },
  };
  await run.directory.remove('weighing');
  return withExecutor({ ...options, ...(choice && { executor: choice }) }, executor =>
    learnWeights(trainingJob({ ...work, executor }, run.network, dataset), run, plan),
  );
}

/**
 * Goes on with a learning that was interrupted, as it was begun. What comes out is the same to the last bit as without the
 * interruption, on the same adapter and versions.
 *
 * @throws SutureError `run-invalid` when there is none, `run-locked`, `data-invalid` when the data file is not the one that it was
 * begun with.
 */
export const resumeWeigh = (path: string, work: TrainingWork = {}): Promise<WeighSummary> =>
  withLockedRun(path, () => resumeLocked(path, work));

async function resumeLocked(path: string, work: TrainingWork): Promise<WeighSummary> {
  const run = await loadRun(path);
  const { directory } = run;
  const from = await readCheckpoint(directory, weighing);
  if (!from) {
    throw new SutureError('run-invalid', `${printable(path)} has no interrupted learning to go on with.`);
  }
  const { plan, executor } = from.more;
  const dataset = await sameData(
    plan.data,
    labelsOfRun(directory.config, plan.labels),
    'the learning was begun',
    'training',
  );
  LabelledData.for(run.parents, dataset);
  planOf(run.network, { ...plan, learn: plan.learned });
  requireCarried(from, stepFor(run, plan), directory.file('weighing'));
  return withExecutor({ executor }, open =>
    learnWeights(trainingJob({ ...work, executor: open }, run.network, dataset), run, plan, from),
  );
}

/** Losses that are averaged for the record: single batches differ much. */
const averaged = 10;

/** Fills in the defaults and checks what was asked for. @throws SutureError `option-invalid`. */
function planOf(network: SuperNetwork, options: WeighOptions): Omit<LearningPlan, 'data' | 'labels'> {
  const {
    learn = learningOptions.learn.standard,
    positions,
    weight = learningOptions.weight.standard,
    output = statedShares(alike(network.parents.length)),
    steps = learningOptions.steps.standard,
    batch,
    learningRate = learningOptions.learningRate.standard,
    seed = learningOptions.seed.standard,
  } = options;
  const standard = learn.every(what => what === 'outputs') ? [] : network.positions.map(p => p.id);
  // In the order of the record's schema, so that one that is read again is written again as it was.
  const plan = {
    learned: [...learn],
    positions: [...(positions ?? standard)],
    output: statedShares(sharesOf(output)),
    weight,
    steps,
    batch: stepBatch(fixedBatch(network.graph), batch, usualBatch),
    learningRate,
    seed,
  };
  checkCombination(network, plan);
  const fail = (problem: string): never => {
    throw new SutureError('option-invalid', problem);
  };
  if (learn.length === 0) fail('Say what to learn: switches, channels or outputs.');
  if (learn.includes('switches') && learn.includes('channels')) {
    fail('A switch has one weight or one for each channel: learn switches or channels, not both.');
  }
  if (plan.positions.length === 0 && learn.some(what => what !== 'outputs')) {
    fail('There is nothing to learn without a position: only outputs can be weighed then.');
  }
  return plan;
}

const weighing: TrainingKind<typeof weighingEntries, 'weighing', RunDirectory> = {
  file: 'weighing',
  stage: 'learning weights',
  entries: weighingEntries,
  extent: (_, { plan, losses }, step) =>
    losses.length === step ? { ...plan, images: plan.data.images, sampled: false } : undefined,
  resume: async ({ path }, isKept) => (isKept ? `suture weigh ${printable(path)} --resume` : undefined),
  untouched: () => 'what the run had learned before is as it was',
};

async function learnWeights(
  job: TrainingJob,
  run: LoadedRun,
  plan: LearningPlan,
  from?: Reached<typeof weighingEntries>,
): Promise<WeighSummary> {
  const { directory } = run;
  const { network, executor } = job;
  const step = stepFor({ directory, network }, plan);
  const losses = [...(from?.more.losses ?? [])];
  const values = new Map([...run.parameters, ...(from?.values ?? firstLogits(network, plan, step))]);
  const trainer = await Trainer.create(job, { step, schedule: plan, feed: stitchFeed(job, step, plan) }, values);
  let learned: ReadonlyMap<string, Tensor>;
  try {
    const planned = {
      trainer,
      from,
      metricsEvery: 1,
      onMetrics: ({ loss }: MetricsEntry) => void losses.push(loss),
      more: async () => ({ plan, executor: executor.name, losses }),
    };
    learned = await resumable(directory, weighing, () => train(directory, weighing, planned));
  } finally {
    trainer.dispose();
  }
  const { tensors, output } = weightsOf(network, plan, learned);
  const record: LearnedRecord = {
    ...plan,
    output,
    firstLoss: mean(losses.slice(0, averaged)),
    lastLoss: mean(losses.slice(-averaged)),
  };
  await directory.writeTensors('weights', tensors, record);
  await directory.remove('weighing');
  const ownShare = ({ weights, sources }: Switch): number => {
    const { data } = tensors.get(weights)!;
    return mean(Array.from(data as Float32Array).slice(0, data.length / sources.length));
  };
  const switches = plan.positions.map((position): WeighedPosition => {
    const there = network.switches.filter(s => s.position === position);
    return { position, ...Object.fromEntries(there.map(s => [s.parent, ownShare(s)])) };
  });
  return { run: directory.path, ...record, switches };
}

/** The labels' loss, with the weights that are learned as its only parameters. */
function stepFor(
  { network, directory }: Pick<LoadedRun, 'network' | 'directory'>,
  { learned: what, positions, weight, output, steps, learningRate, labels }: LearningPlan,
): TrainingStep {
  const mode = ({ sources }: Switch): SwitchMode =>
    what.includes('channels')
      ? 'learned-per-channel'
      : what.includes('switches')
        ? 'learned'
        : weighed(weight, sources.length);
  const loss = taskMatching(network, {
    switches: s => (positions.includes(s.position) ? mode(s) : 'original'),
    outputs: what.includes('outputs') ? 'learned' : sharesOf(output),
    task: directory.config.task,
    ignore: labels?.ignoreLabel !== undefined,
    trainStitches: false,
  });
  return trainingStep(loss, { steps, learningRate });
}

/** Where the weights start, as logits. */
function firstLogits(
  network: SuperNetwork,
  { weight, output }: LearningPlan,
  step: TrainingStep,
): ReadonlyMap<string, Tensor> {
  const outputWeights = network.outputs[0].weights;
  return new Map(
    step.parameters.map(name => {
      const shape = step.graph.input(name).type.shape as readonly number[];
      const each = product(shape.slice(1));
      const shares = name === outputWeights ? sharesOf(output) : weighed(weight, shape[0]);
      const logits = shares.flatMap(v => Array<number>(each).fill(Math.log(inside(v))));
      return [name, tensorFromNumbers('float32', shape, logits)];
    }),
  );
}

/** What was learned and what was fixed, as shares. */
function weightsOf(
  network: SuperNetwork,
  { positions, weight, output }: LearningPlan,
  values: ReadonlyMap<string, Tensor>,
): { readonly tensors: ReadonlyMap<string, Tensor>; readonly output: LearnedRecord['output'] } {
  const tensors = new Map<string, Tensor>();
  for (const { position, weights, sources } of network.switches) {
    if (!positions.includes(position)) continue;
    const logits = values.get(weights);
    tensors.set(
      weights,
      logits ? softmax(logits) : tensorFromNumbers('float32', [sources.length], weighed(weight, sources.length)),
    );
  }
  const learned = values.get(network.outputs[0].weights);
  return { tensors, output: learned ? statedShares(Array.from(softmax(learned).data, Number)) : output };
}

/** Softmax over the sources, the first axis. The last has the rest, so that shares sum to 1. */
function softmax({ shape, data }: Tensor): Tensor {
  const sources = shape[0];
  const each = data.length / sources;
  const result = new Float32Array(data.length);
  for (let i = 0; i < each; i++) {
    const logits = Array.from({ length: sources }, (_, s) => Number(data[s * each + i]));
    const shares = logits.slice(1).map((_, s) => 1 / logits.reduce((sum, l) => sum + Math.exp(l - logits[s]), 0));
    for (const [s, share] of [...shares, shares.reduce((rest, share) => rest - share, 1)].entries()) {
      result[s * each + i] = share;
    }
  }
  return tensor('float32', shape, result);
}
