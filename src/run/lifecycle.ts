/**
 * The life of a training in a run: trained step by step on a plan, kept at checkpoints, gone on with after an interruption, and what is
 * said of an error that ends it. A kind of training says what its checkpoints hold besides, and how it is gone on with.
 */
import * as v from 'valibot';
import { clause } from '../../ir/errors.ts';
import { printable, SutureError, type Tensor, type TensorType } from '../../ir/index.ts';
import type { TrainingStep } from '../../passes/index.ts';
import type { Dataset, LabelOptions } from '../data/dataset.ts';
import { loadDataset } from '../data/load.ts';
import { hashData, type Use } from '../data/raw/load.ts';
import type { Checkpoint, MetricsEntry, Trainer } from '../training/train.ts';
import { isReached, naturalSchema, randomStateSchema, samplerStateSchema } from './checkpoint.ts';
import { requireTensors } from './load.ts';
import type { SealedArrays } from './sealed-folder.ts';

/** What decides how far a training has come. */
export interface Extent {
  readonly steps: number;
  readonly batch: number;
  /** How many there are to draw from. */
  readonly images: number;
  /** Whether settings are drawn for each sample. */
  readonly sampled: boolean;
}

/** Where the loop was. */
const loopEntries = {
  step: naturalSchema,
  sampler: samplerStateSchema,
  settings: v.optional(randomStateSchema),
};

/** Where a training is kept. @template F the names of files that hold checkpoints. */
export interface TrainingFolder<F extends string> {
  file(name: F): string;
  has(name: F): Promise<boolean>;
  readTensors(name: F): Promise<SealedArrays | undefined>;
  writeTensors(name: F, tensors: ReadonlyMap<string, Tensor>, state: object): Promise<void>;
}

/** @template E what checkpoints hold beside where the loop was. */
export interface TrainingKind<E extends v.ObjectEntries, F extends string, D extends TrainingFolder<F>> {
  /** Which of the files holds its checkpoints. */
  readonly file: F;
  /** What is going on, in words. */
  readonly stage: string;
  readonly entries: E;
  /** How long a training is that has come to a state; undefined for a state that it cannot have. */
  extent(directory: D, state: v.InferOutput<v.ObjectSchema<E, undefined>>, step: number): Extent | undefined;
  /** The command that goes on with it; undefined where there is nothing to go on with. */
  resume(directory: D, isKept: boolean): Promise<string | undefined>;
  /** What is as it was before the training, in words. */
  untouched(directory: D): string | undefined;
}

/** Where a training was. */
export interface Reached<E extends v.ObjectEntries> extends Checkpoint {
  readonly more: v.InferOutput<v.ObjectSchema<E, undefined>>;
}

/** The last checkpoint of a training; undefined where there is none. @throws SutureError `run-invalid`. */
export async function readCheckpoint<E extends v.ObjectEntries, F extends string, D extends TrainingFolder<F>>(
  directory: D,
  kind: TrainingKind<E, F, D>,
): Promise<Reached<E> | undefined> {
  const stored = await directory.readTensors(kind.file);
  if (!stored) return undefined;
  const [loop, more] = [
    v.safeParse(v.object(loopEntries), stored.state),
    v.safeParse(v.object(kind.entries), stored.state),
  ];
  if (loop.success && more.success) {
    const { step, sampler, settings } = loop.output;
    const extent = kind.extent(directory, more.output, step);
    const fits = extent && isReached(loop.output, extent, extent.images) && (settings !== undefined) === extent.sampled;
    if (fits) return { step, sampler, settings, values: stored.tensors, more: more.output };
  }
  throw new SutureError(
    'run-invalid',
    `${printable(directory.file(kind.file))} holds no state of this training; remove it to begin again.`,
  );
}

/** Checks that a checkpoint holds what a step carries, and `besides`, and nothing else. @throws SutureError `run-invalid`. */
export function requireCarried(
  { values }: Checkpoint,
  step: TrainingStep,
  file: string,
  besides: ReadonlyMap<string, TensorType> = new Map(),
): void {
  const carried = [...step.carry.values()].map(name => [name, step.graph.input(name).type] as const);
  requireTensors(values, new Map([...besides, ...carried]), file);
}

/** A data file, and what it was when it was used. */
export interface StoredData {
  readonly source: string;
  readonly sha256: string;
}

/** The data that a training was begun with. @throws SutureError `data-invalid` where the file has changed since. */
export async function sameData(
  { source, sha256 }: StoredData,
  labels: LabelOptions,
  since: string,
  use: Use = 'scoring',
): Promise<Dataset> {
  const dataset = await loadDataset(source, labels, use);
  if ((await hashData(source, labels)) === sha256) return dataset;
  throw new SutureError('data-invalid', `${printable(source)} has changed since ${since}; put the old file back.`);
}

/** A training that is planned, and what of it goes into its run. */
export interface PlannedTraining<E extends v.ObjectEntries> {
  readonly trainer: Trainer;
  readonly from?: Checkpoint | undefined;
  /** How many steps are to be done in the end. Default: all. */
  readonly until?: number;
  /** Steps from one reading of the loss to the next. */
  readonly metricsEvery?: number;
  /** Also a checkpoint after the last step, where more is to come that may be interrupted. */
  readonly keepEnd?: boolean;
  readonly onMetrics: (entry: MetricsEntry) => Promise<void> | void;
  /** What a checkpoint holds besides, as it is now. */
  readonly more: () => Promise<v.InferInput<v.ObjectSchema<E, undefined>>>;
  /** What does not change, and lies in checkpoints beside what does. */
  readonly constant?: ReadonlyMap<string, Tensor>;
}

/** Trains to the end. @returns what was trained. @throws SutureError `loss-not-finite`, `interrupted`, `device-lost`. */
export function train<E extends v.ObjectEntries, F extends string, D extends TrainingFolder<F>>(
  directory: D,
  kind: TrainingKind<E, F, D>,
  { trainer, from, until, metricsEvery, keepEnd, onMetrics, more, constant = new Map() }: PlannedTraining<E>,
): Promise<ReadonlyMap<string, Tensor>> {
  return trainer.run({
    stage: kind.stage,
    ...{ from, until, metricsEvery, keepEnd, onMetrics },
    onCheckpoint: async ({ step, sampler, settings, values }) => {
      const state = { step, sampler, settings, ...(await more()) };
      await directory.writeTensors(kind.file, new Map([...constant, ...values]), state);
    },
  });
}

/**
 * Does work that ends a training; of an error it says what is left of the training and what to do with it.
 *
 * @param command goes on with it. Default: its own.
 */
export async function resumable<T, E extends v.ObjectEntries, F extends string, D extends TrainingFolder<F>>(
  directory: D,
  kind: TrainingKind<E, F, D>,
  work: () => Promise<T>,
  command?: string,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof SutureError ? await errorThatLeaves(directory, kind, error, command) : error;
  }
}

/** An error that ended a training, with what it leaves. */
export async function errorThatLeaves<E extends v.ObjectEntries, F extends string, D extends TrainingFolder<F>>(
  directory: D,
  kind: TrainingKind<E, F, D>,
  error: SutureError,
  command?: string,
): Promise<SutureError> {
  const isKept = await directory.has(kind.file);
  const resume = error.code === 'loss-not-finite' ? undefined : (command ?? (await kind.resume(directory, isKept)));
  const next =
    resume !== undefined
      ? `go on with \`${resume}\``
      : isKept
        ? 'the last good checkpoint is kept'
        : 'there is no checkpoint yet';
  return withMore(error, [next, kind.untouched(directory)], resume);
}

/** An error with more to say, of which `resume` is the command that goes on with what it stopped. */
export function withMore(
  error: SutureError,
  parts: readonly (string | undefined)[],
  resume: string | undefined,
): SutureError {
  const text = [clause(error.message), ...parts].filter(part => part !== undefined).join('; ');
  return new SutureError(error.code, `${text}.`, { details: error.details, cause: error, resume });
}
