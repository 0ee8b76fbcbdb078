/** Whole networks trained to give a teacher's answers, or what labels say: what may be said of it, and what its steps are fed. */
import * as v from 'valibot';
import { type Graph, printable, SutureError, type Tensor, tensor } from '../../ir/index.ts';
import {
  answering,
  answersOutput,
  type DiceOver,
  type Distillation,
  distillation,
  type OptimizerOptions,
  type Task,
  type TrainingStep,
  trainingStep,
} from '../../passes/index.ts';
import { requireBatch } from '../data/batches.ts';
import { type Dataset, gatherImages } from '../data/dataset.ts';
import { Random } from '../data/random.ts';
import { composed } from '../data/shift/changes.ts';
import { drawChange } from '../data/shift/suite.ts';
import { drawTurn, type Turn, turned } from '../data/turn.ts';
import { Runnable } from '../execution/execute.ts';
import type { Execution } from '../execution/progress.ts';
import { spatialExtents } from '../network/interface.ts';
import type { Network } from '../network/network.ts';
import { graphForImages } from '../network/sizes.ts';
import { choice, count, memory, natural, nonNegative, positive, share, strength, toggle } from '../options/kinds.ts';
import { optional, standing, unlessDenied } from '../options/option.ts';
import type { StepFeed } from './feed.ts';
import { LabelFeed } from './labels.ts';
import { batchOption, memoryOption } from './options.ts';

/** Where nothing else is said, by optimiser. nnU-Net's decay for SGD. */
export const rates = {
  adamw: { learningRate: 1e-3, weightDecay: 0 },
  sgd: { learningRate: 1e-2, weightDecay: 3e-5 },
} as const;

export const optimizers = ['adamw', 'sgd'] as const;

export const optimizerHelp = "AdamW along half a cosine, or SGD with Nesterov's momentum along nnU-Net's polynomial";
export const shiftHelp = 'whether each image is changed at random, and how strongly: on, off, 0.5';

/** What may be said of any training of a whole network. */
export const wholeOptions = {
  batch: batchOption(),
  weightDecay: optional(nonNegative, 'x', 'decay of kernels and matrices, not of biases and scales', {
    otherwise: `adamw ${rates.adamw.weightDecay}, sgd ${rates.sgd.weightDecay}`,
  }),
  turn: unlessDenied('leave images upright, without quarter turns and mirroring'),
  seed: standing(natural, 's', 'of the batches and the changes', 0),
  memory: memoryOption(),
};

/** What decides the numbers of any training of a whole network, as a configuration keeps it. */
export const wholeEntries = {
  steps: count.schema,
  batch: count.schema,
  optimizer: choice(optimizers).schema,
  learningRate: positive.schema,
  weightDecay: nonNegative.schema,
  shift: strength.schema,
  turn: toggle.schema,
  labelShare: share.schema,
  seed: natural.schema,
  memory: v.optional(memory.schema),
};

const wholeSchema = v.object(wholeEntries);

/** What decides what a step computes and is fed. */
export interface WholeSettings extends v.InferOutput<typeof wholeSchema> {
  /** Default {@link usualClip}. */
  readonly clip?: number | undefined;
  /** Default: over the batch. */
  readonly dice?: DiceOver | undefined;
  /** Whether it begins with fresh weights; batch normalisation is then by the batch. */
  readonly fresh?: boolean | undefined;
  /** Of a federated training, how often the sites' weights are averaged: `steps` are those of each site. */
  readonly rounds?: number | undefined;
}

/** nnU-Net's bound for the norm of the gradients. */
export const usualClip = 12;

/** A network that is trained, and what it learns from. */
export interface WholeJob {
  /** With a number for every size but the batch. */
  readonly student: Network;
  /** The student with the coarser outputs behind its own that are trained besides: see `withCoarserOutputs`. */
  readonly supervised?: Graph | undefined;
  /** How many answers stand side by side in the student's output, where several do: see `settleAbreast`. */
  readonly abreast?: number | undefined;
  /** Absent where labels alone are learned from. */
  readonly teacher?: Network | undefined;
  readonly dataset: Dataset;
  readonly task: Task;
  readonly ignore: boolean;
}

/** Networks as {@link WholeJob} wants them: for the images of the data. @throws SutureError `data-invalid`. */
export function wholeJob(job: WholeJob): WholeJob {
  const { student, supervised, dataset } = job;
  const sized = (graph: Graph): Graph => graphForImages(graph, dataset, student.name);
  return {
    ...job,
    student: { ...student, graph: sized(student.graph) },
    ...(supervised && { supervised: sized(supervised) }),
  };
}

export interface WholeStep {
  readonly loss: Distillation;
  readonly step: TrainingStep;
}

/** @throws SutureError `adjoint-missing`, `option-invalid`. */
export function wholeStep(
  { student, supervised = student.graph, abreast, task, ignore }: WholeJob,
  { steps, batch, optimizer, learningRate, weightDecay, labelShare, clip = usualClip, dice, fresh }: WholeSettings,
): WholeStep {
  if (fresh && batch === 1) requireSpread(student);
  const how = { task, meaning: student.meaning, labels: labelShare, abreast, ignore, dice, batchStatistics: fresh };
  const loss = distillation(supervised, how);
  const decays = (name: string): boolean => loss.student.roles.get(name) === 'weight';
  const options: OptimizerOptions = { kind: optimizer, steps, learningRate, weightDecay, decays, clip };
  return { loss, step: trainingStep(loss, options) };
}

/** @throws SutureError `option-invalid` for a network that would normalise single numbers by their variance. */
function requireSpread({ graph, name }: Network): void {
  const single = graph.nodes.find(
    ({ op, inputs }) => op === 'BatchNormalization' && inputs[0]?.type.shape.slice(2).every(extent => extent === 1),
  );
  if (!single) return;
  throw new SutureError(
    'option-invalid',
    `${printable(name)} has a batch normalisation ('${printable(single.name)}') over one number in a batch of 1, which has no variance: choose a larger --batch.`,
  );
}

/** A feed that may hold a session of a teacher. */
export interface WholeFeed extends StepFeed {
  dispose(): void;
}

/**
 * Images of the data, each changed by what is drawn for it and turned, a teacher's answers to the same, and the labels turned alike.
 * What is drawn for an image depends on the seed, the step, and its place in the batch alone, so that nothing has to be kept to go on.
 *
 * @throws SutureError `option-invalid` for a batch that is too large; as `labelsFor`, where the step takes labels.
 */
export function wholeFeed(
  { executor }: Execution,
  { student, abreast = 1, teacher, dataset }: WholeJob,
  { loss }: Pick<WholeStep, 'loss'>,
  { batch, seed, shift, turn }: Pick<WholeSettings, 'batch' | 'seed' | 'shift' | 'turn'>,
): WholeFeed {
  requireBatch(batch, dataset);
  const [channels, ...extents] = dataset.imageShape as [number, ...number[]];
  const { graph } = loss;
  const together = spatialExtents(student.graph.outputs[0].value.type, student.meaning);
  const spatial = together.map((extent, i) =>
    extent !== undefined && i === together.length - 1 ? extent / abreast : extent,
  );
  const labels =
    loss.labels === undefined
      ? undefined
      : LabelFeed.for(
          dataset,
          { meaning: student.meaning, spatial, name: student.name },
          graph.input(loss.labels),
          batch,
        );
  // Where there is one answer for an image, its labels have no axes to be turned.
  const dense = extents.length > 0 && spatial.length === extents.length;
  const taught =
    loss.teacher === undefined || !teacher
      ? undefined
      : { asked: teacher.input, answers: new Runnable(executor, answering(teacher.graph, teacher.meaning)) };
  const shapes = {
    [student.input]: [batch, channels, ...extents],
    ...(labels && { [loss.labels!]: labels.shape }),
  };
  const drawn = drawnImages(dataset, { seed, shift, turn });
  const take = async (numbers: ArrayLike<number>, step: number): Promise<Record<string, Tensor>> => {
    const { images: asked, turns } = drawn(numbers, step);
    const given = labels?.take(numbers)[loss.labels!];
    if (given && dense) for (const [i, turn] of turns.entries()) turnPlaces(given, i, extents.length, turn);
    const found = await taught?.answers.run({ [taught.asked]: asked });
    return {
      [student.input]: asked,
      ...(found && { [loss.teacher!]: found[answersOutput] }),
      ...(given && { [loss.labels!]: given }),
    };
  };
  return {
    images: dataset.count,
    shapes,
    begin: () => ({ take, state: () => undefined }),
    dispose: () => taught?.answers.dispose(),
  };
}

/** Images of a step. */
interface Drawn {
  /** [images, C, spatial...] */
  readonly images: Tensor;
  /** How each is turned; of none, where none is. */
  readonly turns: readonly Turn[];
}

/**
 * Images of the data, each changed by what is drawn for it and turned: what is drawn depends on the seed, the step, and its place in the
 * batch alone.
 */
export function drawnImages(
  dataset: Dataset,
  { seed, shift, turn }: Pick<WholeSettings, 'seed' | 'shift' | 'turn'>,
): (numbers: ArrayLike<number>, step: number) => Drawn {
  const [, ...extents] = dataset.imageShape;
  const changed = (image: Float32Array<ArrayBuffer>, random: Random): Float32Array => {
    const { name, steps } = drawChange(random);
    const scaled = steps.map(step => ({ ...step, strength: step.strength * shift }));
    return composed(name, scaled).apply(image, dataset.imageShape, random);
  };
  return (numbers, step) => {
    const count = numbers.length;
    const data = gatherImages(dataset, numbers);
    const size = data.length / count;
    const turns: Turn[] = [];
    for (let i = 0; i < count; i++) {
      const random = Random.seeded(seed, `image ${i} of step ${step}`);
      const image = data.subarray(i * size, (i + 1) * size);
      if (shift > 0) image.set(changed(image, random));
      if (!turn) continue;
      const drawn = drawTurn(extents, random);
      image.set(turned(image, extents, drawn));
      turns.push(drawn);
    }
    return { images: tensor('float32', [count, ...dataset.imageShape], data), turns };
  };
}

/** Turns the labels of one image in place; their last axes are those of the image. */
function turnPlaces({ shape, data }: Tensor, row: number, axes: number, turn: Turn): void {
  const size = data.length / shape[0];
  const labels = data as Int32Array<ArrayBuffer> | Float32Array<ArrayBuffer>;
  const part = labels.subarray(row * size, (row + 1) * size);
  part.set(turned(part, shape.slice(-axes), turn));
}
