/** The training loop: batches in, parameters carried on the device, loss read back now and then. */
import { printable, SutureError, type Tensor } from '../../ir/index.ts';
import {
  directMatching,
  doubleBatch,
  type LossGraph,
  type LossTerm,
  polynomialDecay,
  type SuperNetwork,
  type SwitchModes,
  type Task,
  type TrainingStep,
  taskMatching,
  trainingStep,
} from '../../passes/index.ts';
import type { Session } from '../../runtime/executor.ts';
import type { LabelOptions } from '../data/dataset.ts';
import type { RandomState } from '../data/random.ts';
import { BatchSampler, type SamplerState } from '../data/sampler.ts';
import { bindingFor, prepareStep } from '../execution/execute.ts';
import {
  type TrainingExecution,
  type TrainingWork,
  throwIfInterrupted,
  type WorkOptions,
} from '../execution/progress.ts';
import { usualWeight } from '../options/kinds.ts';
import type { StepFeed } from './feed.ts';
import { foundModes } from './found.ts';
import { checkpointInterval, type Training } from './options.ts';

/** A line of `metrics.jsonl`. */
export interface MetricsEntry {
  /** From 0. */
  readonly step: number;
  /** Before the step's update. */
  readonly loss: number;
  readonly learningRate: number;
  /** By position and parent or direction: `3/a`, `output/b`. */
  readonly terms: Readonly<Record<string, number>>;
  /** Of a federated training, whose step it is: the number of the site. */
  readonly site?: number;
}

/** All that a training needs to go on where it was, bit for bit. */
export interface Checkpoint {
  /** How many steps are done. */
  readonly step: number;
  readonly sampler: SamplerState;
  /** What draws the settings of the samples, where they are drawn. */
  readonly settings?: RandomState | undefined;
  /** Parameters and optimiser state, by input name. */
  readonly values: ReadonlyMap<string, Tensor>;
}

export interface TrainOptions {
  /** Where to go on. */
  readonly from?: Checkpoint | undefined;
  /** How many steps are to be done in the end. Default: all of the schedule. */
  readonly until?: number | undefined;
  /** What is trained, in words. Default: `training the stitches`. */
  readonly stage?: string;
  /** Steps from one reading of the loss to the next. Default {@link metricsInterval}. */
  readonly metricsEvery?: number | undefined;
  /** Takes the metrics of every `metricsEvery`th step and the last. */
  readonly onMetrics?: (entry: MetricsEntry) => Promise<void> | void;
  /** Takes checkpoints: now and then, and before an interruption ends the training. */
  readonly onCheckpoint?: (checkpoint: Checkpoint) => Promise<void> | void;
  /** Also a checkpoint after the last step, where more is to come that may be interrupted. Default false. */
  readonly keepEnd?: boolean | undefined;
}

/** Steps from one reading of the loss to the next, where nothing else is said. */
const metricsInterval = 10;

/** What switches do in the stitched stream. */
function switchModes(given: Training): SwitchModes {
  const { settings, positions, weight = usualWeight } = given;
  switch (settings) {
    case 'sampled':
      return 'position';
    case 'all':
      return 'stitched';
    case 'fixed': {
      const mode = weight === 0 ? 'stitched' : [weight, 1 - weight];
      return s => (positions === undefined || positions.includes(s.position) ? mode : 'original');
    }
    case 'found':
      return foundModes(given.found);
    default:
      return settings satisfies never;
  }
}

/** What labels are, for the method that looks at them. */
export interface Labelled {
  readonly task?: Task | undefined;
  readonly labels?: LabelOptions | undefined;
}

/** The first parent's share, and what is left in equal parts. */
const sharesFrom = (first: number, count: number): readonly number[] =>
  Array.from({ length: count }, (_, i) => (i === 0 ? first : (1 - first) / (count - 1)));

/** The loss of a method. */
function lossOf(network: SuperNetwork, given: Training, { task, labels }: Labelled = {}): LossGraph {
  const { method, loss, normalize, probabilityWeight, output = 1 / network.parents.length } = given;
  const switches = switchModes(given);
  switch (method) {
    case 'double-batched':
      return doubleBatch(network, { normalize, probabilityWeight, switches, ...(loss && { terms: loss }) });
    case 'task':
      return taskMatching(network, {
        switches,
        outputs: typeof output === 'number' ? sharesFrom(output, network.parents.length) : output,
        ...(task && { task }),
        ignore: labels?.ignoreLabel !== undefined,
      });
    case 'direct':
      return directMatching(network, { normalize });
    default:
      return method satisfies never;
  }
}

/**
 * The step of a training. One that trains nothing (`steps` 0) has the schedule of one step.
 *
 * @throws SutureError `adjoint-missing`.
 */
export const stepOf = (network: SuperNetwork, training: Training, labelled?: Labelled): TrainingStep =>
  trainingStep(lossOf(network, training, labelled), {
    steps: Math.max(1, training.steps),
    learningRate: training.learningRate,
  });

/** What the loop looks at. */
export type Schedule = Pick<Training, 'steps' | 'batch' | 'learningRate' | 'seed'> & {
  readonly memory?: number | undefined;
  /** Default `adamw`. */
  readonly optimizer?: 'adamw' | 'sgd' | undefined;
};

/** The learning rate of a step (`trainingStep` computes the same on the device): half a cosine down to 0, or a polynomial. */
const learningRateAt = (step: number, { steps, learningRate, optimizer }: Schedule): number =>
  optimizer === 'sgd'
    ? learningRate * polynomialDecay(step, steps)
    : (learningRate * (1 + Math.cos((Math.PI * step) / steps))) / 2;

/** What is trained, and on what. */
export interface Trainable {
  readonly step: TrainingStep;
  readonly schedule: Schedule;
  readonly feed: StepFeed;
}

/** A training that is planned and ready to run. */
export class Trainer {
  readonly #session: Session;
  readonly #work: TrainingWork;
  readonly #step: TrainingStep;
  readonly #schedule: Schedule;
  readonly #feed: StepFeed;

  private constructor(session: Session, work: TrainingWork, { step, schedule, feed }: Trainable) {
    this.#session = session;
    this.#work = work;
    this.#step = step;
    this.#schedule = schedule;
    this.#feed = feed;
  }

  /**
   * Plans a training step for a batch of the data.
   *
   * @param values parameters, trained or not, and the optimiser's state where a training goes on.
   * @throws SutureError `adjoint-missing`, `kernel-missing`, `device-memory`, `data-invalid`.
   */
  static async create(
    { executor, ...work }: TrainingExecution,
    given: Trainable,
    values: ReadonlyMap<string, Tensor>,
  ): Promise<Trainer> {
    const { step, schedule, feed } = given;
    const { memory } = schedule;
    const resident = new Map(step.state);
    for (const { name } of step.graph.inputs) {
      const value = values.get(name);
      if (value) resident.set(name, value);
    }
    const binding = bindingFor(step.graph, feed.shapes);
    const session = await prepareStep(executor, step, binding, { resident, memory });
    return new Trainer(session, work, given);
  }

  /** The same plan, fed by something else. */
  fedBy(feed: StepFeed, work: WorkOptions = {}): Trainer {
    const given = { step: this.#step, schedule: this.#schedule, feed };
    return new Trainer(this.#session, { ...this.#work, ...work }, given);
  }

  /** Sets what is carried from step to step: parameters, and the optimiser's state. */
  load(values: ReadonlyMap<string, Tensor>): void {
    for (const [name, value] of values) this.#session.write(name, value);
  }

  /**
   * Trains to the last step and returns what was learned: parameters, and running statistics.
   *
   * @throws SutureError `loss-not-finite` (the last checkpoint is kept), `interrupted`, `device-lost`.
   */
  async run(options: TrainOptions = {}): Promise<ReadonlyMap<string, Tensor>> {
    // More where checkpoints would take over a tenth of the time.
    const { onProgress, signal, checkpointSeconds = checkpointInterval } = this.#work;
    const { from, onMetrics, onCheckpoint } = options;
    const { stage = 'training the stitches', metricsEvery: every = metricsInterval, keepEnd = false } = options;
    const { steps, batch, seed } = this.#schedule;
    const { until = steps } = options;
    const drawing = this.#feed.begin(from?.settings);
    const sampler = from ? BatchSampler.restored(from.sampler) : BatchSampler.seeded(this.#feed.images, seed);
    const outputs = [this.#step.loss, ...this.#step.terms.map(t => t.output)];
    const checkpoint = async (step: number): Promise<void> => {
      if (onCheckpoint) {
        const values = await this.#values(step);
        await onCheckpoint({ step, sampler: sampler.state(), settings: drawing.state(), values });
      }
    };
    let note: string | undefined;
    let saved = performance.now();
    let pause = checkpointSeconds * 1000;
    onProgress?.({ stage, done: from?.step ?? 0, total: steps });
    for (let step = from?.step ?? 0; step < until; step++) {
      if (signal?.aborted) {
        await checkpoint(step);
        throwIfInterrupted(signal, `The training was stopped after ${step} of ${steps} steps; it`);
      }
      const numbers = sampler.next(batch);
      const read = step % every === 0 || step === until - 1;
      const feeds = await drawing.take(numbers, step);
      const found = await this.#session.run(feeds, read ? outputs : []);
      if (read) {
        const entry = this.#metrics(step, found);
        await onMetrics?.(entry);
        note = `loss ${entry.loss.toPrecision(4)}`;
      }
      onProgress?.({ stage, done: step + 1, total: steps, ...(note !== undefined && { note }) });
      if (performance.now() - saved > pause && step < until - 1) {
        const began = performance.now();
        await checkpoint(step + 1);
        saved = performance.now();
        if (pause > 0) pause = Math.max(checkpointSeconds * 1000, 9 * (saved - began));
      }
    }
    if (keepEnd && (from?.step ?? 0) < until) await checkpoint(until);
    const values = await this.#values(until);
    return new Map(this.#step.learned.map(name => [name, values.get(name)!]));
  }

  dispose(): void {
    this.#session.dispose();
  }

  /** What is carried from step to step, as it is after `step` steps. */
  async #values(step: number): Promise<Map<string, Tensor>> {
    const values = new Map<string, Tensor>();
    for (const name of this.#step.carry.values()) values.set(name, await this.#session.read(name));
    for (const [name, { data }] of values) {
      if ((data as Float32Array).every(Number.isFinite)) continue;
      throw notFinite(`'${printable(name)}' is no longer finite after ${step} steps`, step);
    }
    return values;
  }

  #metrics(step: number, found: Readonly<Record<string, Tensor>>): MetricsEntry {
    const loss = (output: string): number => Number(found[output].data[0]);
    const terms = this.#step.terms.map(term => ({ term, value: loss(term.output) }));
    const bad = terms.find(({ value }) => !Number.isFinite(value));
    if (bad) throw notFinite(`At step ${step} the loss ${termText(bad.term)} is ${bad.value}`, step);
    return {
      step,
      loss: loss(this.#step.loss),
      learningRate: learningRateAt(step, this.#schedule),
      terms: Object.fromEntries(terms.map(({ term, value }) => [term.name, value])),
    };
  }
}

const termText = ({ output, position, parent }: LossTerm): string =>
  position === undefined
    ? `of ${parent === undefined ? `'${printable(output)}'` : `parent ${parent}'s output`}`
    : `at position ${position}, switch of parent ${parent ?? '?'} ('${printable(output)}'),`;

/** At step 0 nothing has been trained, so that no other way of training helps. */
const notFinite = (what: string, step: number): SutureError =>
  new SutureError(
    'loss-not-finite',
    step === 0
      ? `${what}: the networks or their first stitches give numbers that are not finite; \`suture evaluate\` says which network.`
      : `${what}; lower --lr.`,
  );
