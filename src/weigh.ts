/** Weights of switches and outputs learned from labels, with everything else frozen: `suture weigh`. */
import { printable, SutureError, type Tensor, tensor, tensorFromNumbers } from '../ir/index.ts';
import { labelsInput, type SuperNetwork, type SwitchMode, taskMatching, trainingStep } from '../passes/index.ts';
import type { Executor } from '../runtime/executor.ts';
import { type Dataset, gatherImages, type Labels, loadDataset, requireLabels } from './data/dataset.ts';
import { BatchSampler } from './data/sampler.ts';
import { requireScorable } from './evaluate.ts';
import { bindingFor, prepare, withExecutor } from './execute.ts';
import type { ExecutorOptions } from './executors.ts';
import { hashFile } from './files/hash.ts';
import { throwIfInterrupted, type WorkOptions } from './progress.ts';
import { type Learnable, type LearnedRecord, writeLearned } from './run/learned.ts';
import { type LoadedRun, loadRun } from './run/load.ts';
import { checkCombination } from './selection/combination.ts';

export interface WeighOptions {
  /**
   * What is learned; all else is frozen. `switches`: one weight for each switch. `channels`: one for each channel of each switch.
   * `outputs`: the parents' shares of the output. `stitches`: the stitches by the labels' loss, from where the run left them, which
   * is what arXiv 2512.17592 compares double-batched training with.
   */
  readonly learn: readonly Learnable[];
  /** Where features are averaged. Default: every position; none where only outputs are learned. */
  readonly positions?: readonly number[];
  /** The share of the original feature: where learning starts, or what is kept. Default 0.9. */
  readonly weight?: number;
  /** Parent a's share of the output: where learning starts, or what is kept. Default 0.5. */
  readonly output?: number;
  /** Default 100. */
  readonly steps?: number;
  /** Default 8. */
  readonly batch?: number;
  /** Default 0.05; with stitches 0.01. It falls to 0 along half a cosine. */
  readonly learningRate?: number;
  /** Order of the batches. Default 0. */
  readonly seed?: number;
}

/** What `suture weigh` shows and keeps beside the weights. */
export interface WeighSummary extends LearnedRecord {
  readonly run: string;
  /** By position: the share of the original feature at the switch of each parent; per channel, the mean. */
  readonly switches: readonly { readonly position: number; readonly a: number; readonly b: number }[];
}

/** Softmax logits cannot say 0 or 1. */
const inside = (share: number): number => Math.min(0.99, Math.max(0.01, share));

/**
 * Learns weights from labelled data and keeps them as `weights.npz` in the run. An earlier result is replaced; the stitches of the
 * run stay as they are.
 *
 * @throws SutureError `run-invalid`, `option-invalid`, `data-invalid`, `loss-not-finite`, `interrupted`.
 */
export async function weighRun(
  path: string,
  data: string,
  { executor: choice, ...options }: WeighOptions & ExecutorOptions,
  work: WorkOptions = {},
): Promise<WeighSummary> {
  const run = await loadRun(path);
  const dataset = await loadDataset(data);
  const { a, b } = run.parents;
  requireScorable(
    [a, b].map(({ path: name, graph }) => ({ name, graph })),
    dataset,
  );
  const plan = planOf(run.network, options);
  return withExecutor({ ...options, ...(choice && { executor: choice }) }, async executor => {
    const { tensors, output, losses } = await learn(executor, run, dataset, plan, work);
    const record: LearnedRecord = {
      learned: [...plan.learn],
      positions: [...plan.positions],
      output,
      weight: plan.weight,
      steps: plan.steps,
      batch: plan.batch,
      learningRate: plan.learningRate,
      seed: plan.seed,
      data: { source: dataset.source, sha256: await hashFile(data), images: dataset.count },
      firstLoss: mean(losses.slice(0, averaged)),
      lastLoss: mean(losses.slice(-averaged)),
    };
    await writeLearned(run.directory, tensors, record);
    const shareOf = (position: number, parent: string): number => {
      const found = run.network.switches.find(s => s.position === position && s.parent === parent)!;
      const { data: weights } = tensors.get(found.weights)!;
      return mean(Array.from(weights as Float32Array).slice(0, weights.length / 2));
    };
    const switches = plan.positions.map(position => ({
      position,
      a: shareOf(position, 'a'),
      b: shareOf(position, 'b'),
    }));
    return { run: path, ...record, switches };
  });
}

/** Losses that are averaged for the record: single batches differ much. */
const averaged = 10;

const mean = (values: readonly number[]): number => values.reduce((sum, v) => sum + v, 0) / values.length;

type Plan = Required<WeighOptions>;

/** Fills in the defaults and checks what was asked for. @throws SutureError `option-invalid`. */
function planOf(network: SuperNetwork, options: WeighOptions): Plan {
  const { learn } = options;
  const plan = {
    positions: learn.every(what => what === 'outputs') ? [] : network.positions.map(p => p.id),
    weight: 0.9,
    output: 0.5,
    steps: 100,
    batch: 8,
    learningRate: learn.includes('stitches') ? 0.01 : 0.05,
    seed: 0,
    ...options,
  };
  checkCombination(network, plan);
  const fail = (problem: string): never => {
    throw new SutureError('option-invalid', problem);
  };
  if (learn.length === 0) fail('Say what to learn: switches, channels, outputs or stitches.');
  if (learn.includes('switches') && learn.includes('channels')) {
    fail('A switch has one weight or one for each channel: learn switches or channels, not both.');
  }
  if (plan.positions.length === 0 && learn.some(what => what !== 'outputs')) {
    fail('There is nothing to learn without a position: only outputs can be weighed then.');
  }
  return plan;
}

interface Learned {
  /** Weights of switches as shares, and parameters of stitches where those were trained. */
  readonly tensors: Map<string, Tensor>;
  readonly output: number;
  readonly losses: readonly number[];
}

async function learn(
  executor: Executor,
  { network, parameters, directory }: LoadedRun,
  dataset: Dataset,
  plan: Plan,
  { onProgress, signal }: WorkOptions,
): Promise<Learned> {
  const { learn: what, positions, weight, output, steps, batch, learningRate, seed } = plan;
  const mode: SwitchMode = what.includes('channels')
    ? 'learned-per-channel'
    : what.includes('switches')
      ? 'learned'
      : [weight, 1 - weight];
  const loss = taskMatching(network, {
    switches: s => (positions.includes(s.position) ? mode : 'original'),
    outputs: what.includes('outputs') ? 'learned' : [output, 1 - output],
    task: directory.config.task,
    trainStitches: what.includes('stitches'),
  });
  const step = trainingStep(loss, { steps, learningRate });
  const input = network.parents[0]!.inputs[0]!;
  const outputWeights = network.outputs[0]!.weights;
  const labels = requireLabels(dataset);
  const resident = new Map<string, Tensor>(step.state);
  for (const { name, type } of step.graph.inputs) {
    const given = parameters.get(name);
    if (given) resident.set(name, given);
    else if (step.parameters.includes(name)) {
      const share = inside(name === outputWeights ? output : weight);
      const shape = type.shape as readonly number[];
      const each = shape.slice(1).reduce((product, dim) => product * dim, 1);
      const logits = [share, 1 - share].flatMap(v => Array<number>(each).fill(Math.log(v)));
      resident.set(name, tensorFromNumbers('float32', shape, logits));
    }
  }
  const wanted = step.graph.input(labelsInput).type.shape;
  const labelShape = [batch, ...(wanted.length > labels.shape.length + 1 ? [1] : []), ...labels.shape];
  const shape = [batch, ...dataset.imageShape];
  const binding = bindingFor(step.graph, { [input]: shape, [labelsInput]: labelShape });
  const session = await prepare(executor, step.graph, binding, { carry: step.carry, resident });
  const sampler = BatchSampler.seeded(dataset.count, seed);
  const losses: number[] = [];
  const stage = 'learning weights';
  onProgress?.({ stage, done: 0, total: steps });
  try {
    while (losses.length < steps) {
      throwIfInterrupted(signal, 'Learning');
      const drawn = sampler.next(batch);
      const images = tensor('float32', shape, gatherImages(dataset, drawn));
      const feeds = { [input]: images, [labelsInput]: gatherLabels(labels, drawn, labelShape) };
      const value = Number((await session.run(feeds, [step.loss]))[step.loss]!.data[0]);
      if (!Number.isFinite(value)) {
        throw new SutureError('loss-not-finite', `At step ${losses.length} the loss is ${value}; lower --lr.`);
      }
      losses.push(value);
      onProgress?.({ stage, done: losses.length, total: steps, note: `loss ${value.toPrecision(4)}` });
    }
    const values = new Map<string, Tensor>();
    for (const name of step.parameters) values.set(name, await session.read(name));
    return { ...sharesOf(network, plan, values), losses };
  } finally {
    session.dispose();
  }
}

/** What was learned and what was fixed, as shares. */
function sharesOf(
  network: SuperNetwork,
  { positions, weight, output }: Plan,
  values: ReadonlyMap<string, Tensor>,
): Omit<Learned, 'losses'> {
  const tensors = new Map<string, Tensor>();
  for (const { position, weights } of network.switches) {
    if (!positions.includes(position)) continue;
    const logits = values.get(weights);
    tensors.set(weights, logits ? shares(logits) : tensorFromNumbers('float32', [2], [weight, 1 - weight]));
  }
  for (const { weight: w, bias } of network.stitches) {
    for (const name of [w, bias]) {
      const value = values.get(name);
      if (value) tensors.set(name, value);
    }
  }
  for (const [name, { data }] of values) {
    if ((data as Float32Array).every(Number.isFinite)) continue;
    throw new SutureError(
      'loss-not-finite',
      `'${printable(name)}' is no longer finite after the last step; lower --lr.`,
    );
  }
  const learned = values.get(network.outputs[0]!.weights);
  return { tensors, output: learned ? Number(shares(learned).data[0]) : output };
}

/** Softmax over the two sources. */
function shares({ shape, data }: Tensor): Tensor {
  const half = data.length / 2;
  const result = new Float32Array(data.length);
  for (let i = 0; i < half; i++) {
    const share = 1 / (1 + Math.exp(Number(data[half + i]) - Number(data[i])));
    result[i] = share;
    result[half + i] = 1 - share;
  }
  return tensor('float32', shape, result);
}

function gatherLabels(labels: Labels, images: ArrayLike<number>, shape: readonly number[]): Tensor {
  const size = labels.shape.reduce((product, dim) => product * dim, 1);
  const data =
    labels.kind === 'classes' ? new Int32Array(images.length * size) : new Float32Array(images.length * size);
  for (let row = 0; row < images.length; row++) {
    data.set(labels.data.subarray(images[row]! * size, (images[row]! + 1) * size), row * size);
  }
  return data instanceof Int32Array ? tensor('int32', shape, data) : tensor('float32', shape, data);
}
