/** Whole networks trained to give a teacher's answers: what may be said of it, and what its steps are fed. */
import * as v from 'valibot';
import { type Tensor, tensor } from '../../ir/index.ts';
import {
  answering,
  answersOutput,
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
import { choice, count, memory, natural, nonNegative, positive, share, strength } from '../options/kinds.ts';
import { type GivenOf, optional, standing, unlessDenied } from '../options/option.ts';
import type { StepFeed } from './feed.ts';
import { LabelFeed } from './labels.ts';
import { usualBatch } from './settings.ts';

/** Where nothing else is said, by optimiser. nnU-Net's decay for SGD. */
const standards = {
  adamw: { learningRate: 1e-3, weightDecay: 0 },
  sgd: { learningRate: 1e-2, weightDecay: 3e-5 },
} as const;

/** What may be said of a distillation. */
export const distillationOptions = {
  steps: standing(count, 'n', 'training steps', 400),
  batch: optional(count, 'n', 'images in a step', { otherwise: `${usualBatch}, or what the networks take` }),
  optimizer: standing(
    choice(['adamw', 'sgd']),
    'name',
    "AdamW along half a cosine, or SGD with Nesterov's momentum along nnU-Net's polynomial",
    'adamw',
  ),
  learningRate: optional(positive, 'x', 'learning rate at the start', {
    otherwise: `adamw ${standards.adamw.learningRate}, sgd ${standards.sgd.learningRate}`,
    long: 'lr',
  }),
  weightDecay: optional(nonNegative, 'x', 'decay of kernels and matrices, not of biases and scales', {
    otherwise: `adamw ${standards.adamw.weightDecay}, sgd ${standards.sgd.weightDecay}`,
  }),
  shift: standing(strength, 'x', 'whether each image is changed at random, and how strongly: on, off, 0.5', 1),
  turn: unlessDenied('leave images upright, without quarter turns and mirroring'),
  labelShare: standing(share, 'share', 'of the loss, how much is that of labels', 0, { long: 'labels' }),
  seed: standing(natural, 's', 'of the batches and the changes', 0),
  memory: optional(memory, 'limit', 'what a step may keep on WebGPU, 800MB or 50%; the rest is computed again'),
};

const schemaOf = <K extends keyof typeof distillationOptions>(
  key: K,
): (typeof distillationOptions)[K]['kind']['schema'] => distillationOptions[key].kind.schema;

/** All of it, with the defaults filled in, as a configuration keeps it. */
export const distillationSchema = v.object({
  steps: schemaOf('steps'),
  batch: schemaOf('batch'),
  optimizer: schemaOf('optimizer'),
  learningRate: schemaOf('learningRate'),
  weightDecay: schemaOf('weightDecay'),
  shift: schemaOf('shift'),
  turn: schemaOf('turn'),
  labelShare: schemaOf('labelShare'),
  seed: schemaOf('seed'),
  memory: v.optional(schemaOf('memory')),
});

export type DistillationSettings = v.InferOutput<typeof distillationSchema>;

/** @param batch what the networks and what was said come to: see `stepBatch`. */
export function distillationSettings(given: GivenOf<typeof distillationOptions>, batch: number): DistillationSettings {
  const { steps, optimizer: optimizers, shift, turn, labelShare, seed } = distillationOptions;
  const optimizer = given.optimizer ?? optimizers.standard;
  return {
    steps: given.steps ?? steps.standard,
    batch,
    optimizer,
    learningRate: given.learningRate ?? standards[optimizer].learningRate,
    weightDecay: given.weightDecay ?? standards[optimizer].weightDecay,
    shift: given.shift ?? shift.standard,
    turn: given.turn ?? turn.standard,
    labelShare: given.labelShare ?? labelShare.standard,
    seed: given.seed ?? seed.standard,
    ...(given.memory !== undefined && { memory: given.memory }),
  };
}

/** A student and what it learns from. */
export interface DistillationJob {
  /** With a number for every size but the batch. */
  readonly student: Network;
  readonly teacher: Network;
  readonly dataset: Dataset;
  readonly task: Task;
  readonly ignore: boolean;
}

/** Networks as {@link DistillationJob} wants them: for the images of the data. @throws SutureError `data-invalid`. */
export const distillationJob = (job: DistillationJob): DistillationJob => ({
  ...job,
  student: { ...job.student, graph: graphForImages(job.student.graph, job.dataset, job.student.name) },
});

export interface DistillationStep {
  readonly loss: Distillation;
  readonly step: TrainingStep;
}

/** nnU-Net's bound for the norm of the gradients. */
const clip = 12;

/** @throws SutureError `adjoint-missing`, `option-invalid`. */
export function distillationStep(
  { student, task, ignore }: DistillationJob,
  { steps, optimizer, learningRate, weightDecay, labelShare }: DistillationSettings,
): DistillationStep {
  const loss = distillation(student.graph, { task, meaning: student.meaning, labels: labelShare, ignore });
  const decays = (name: string): boolean => loss.student.roles.get(name) === 'weight';
  const options: OptimizerOptions = { kind: optimizer, steps, learningRate, weightDecay, decays, clip };
  return { loss, step: trainingStep(loss, options) };
}

/** A feed that holds a session of the teacher. */
export interface DistillationFeed extends StepFeed {
  dispose(): void;
}

/**
 * Images of the data, each changed by what is drawn for it and turned, the teacher's answers to the same, and the labels turned alike.
 * What is drawn for an image depends on the seed, the step, and its place in the batch alone, so that nothing has to be kept to go on.
 *
 * @throws SutureError `option-invalid` for a batch that is too large; as `labelsFor`, where the step takes labels.
 */
export function distillationFeed(
  { executor }: Execution,
  { student, teacher, dataset }: DistillationJob,
  { loss }: DistillationStep,
  { batch, seed, shift, turn }: DistillationSettings,
): DistillationFeed {
  requireBatch(batch, dataset);
  const [channels, ...extents] = dataset.imageShape as [number, ...number[]];
  const { graph } = loss;
  const spatial = spatialExtents(student.graph.outputs[0].value.type, student.meaning);
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
  const answers =
    loss.teacher === undefined ? undefined : new Runnable(executor, answering(teacher.graph, teacher.meaning));
  const shapes = {
    [student.input]: [batch, channels, ...extents],
    ...(labels && { [loss.labels!]: labels.shape }),
  };
  const changed = (image: Float32Array<ArrayBuffer>, random: Random): Float32Array => {
    const { name, steps } = drawChange(random);
    const scaled = steps.map(step => ({ ...step, strength: step.strength * shift }));
    return composed(name, scaled).apply(image, dataset.imageShape, random);
  };
  const take = async (numbers: ArrayLike<number>, step: number): Promise<Record<string, Tensor>> => {
    const images = gatherImages(dataset, numbers);
    const given = labels?.take(numbers)[loss.labels!];
    const size = images.length / batch;
    for (let i = 0; i < batch; i++) {
      const random = Random.seeded(seed, `image ${i} of step ${step}`);
      const image = images.subarray(i * size, (i + 1) * size);
      if (shift > 0) image.set(changed(image, random));
      if (!turn) continue;
      const drawn = drawTurn(extents, random);
      image.set(turned(image, extents, drawn));
      if (given && dense) turnPlaces(given, i, extents.length, drawn);
    }
    const asked = tensor('float32', [batch, channels, ...extents], images);
    const found = await answers?.run({ [teacher.input]: asked });
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
    dispose: () => answers?.dispose(),
  };
}

/** Turns the labels of one image in place; their last axes are those of the image. */
function turnPlaces({ shape, data }: Tensor, row: number, axes: number, turn: Turn): void {
  const size = data.length / shape[0];
  const labels = data as Int32Array<ArrayBuffer> | Float32Array<ArrayBuffer>;
  const part = labels.subarray(row * size, (row + 1) * size);
  part.set(turned(part, shape.slice(-axes), turn));
}
