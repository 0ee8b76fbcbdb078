/** A run described by the memory that a step of its training takes: the data behind `suture inspect RUN`. */
import { staticShape } from '../../ir/index.ts';
import type { SuperNetwork } from '../../passes/index.ts';
import type { Dataset } from '../data/dataset.ts';
import { loadDataset } from '../data/load.ts';
import { bindingFor } from '../execution/execute.ts';
import { fixedBatch, stepBatch } from '../execution/fixed-batch.ts';
import { networkForImages } from '../network/sizes.ts';
import { type ByTag, byTag } from '../network/tags.ts';
import { labelsOfRun, type RunConfig } from '../run/config.ts';
import { openNetwork } from '../run/load.ts';
import { boundStep, type StepMemory, stepMemory } from '../training/memory.ts';
import { type Method, type Training, withDefaults } from '../training/options.ts';
import { stepOf } from '../training/train.ts';

/** The memory of one way to train. */
export interface MemoryPlan extends StepMemory {
  readonly method: Method;
  /** As in `Training`. */
  readonly settings: Training['settings'];
  readonly schedule: 'planned' | 'conventional';
  /** The budget that was asked for, as in `Training.memory`. */
  readonly memory: number | undefined;
}

export interface RunFacts {
  readonly run: string;
  /** By tag: the file as it was given. */
  readonly parents: ByTag<string>;
  readonly positions: number;
  readonly method: Method;
  /** Images in a step. */
  readonly batch: number;
  /** The first is the plan that the run's training follows on WebGPU. */
  readonly plans: readonly MemoryPlan[];
}

export interface InspectRunOptions {
  /** Instead of the run's. */
  readonly batch?: number | undefined;
  /** Instead of the run's. See `Training.memory`. */
  readonly memory?: number | undefined;
}

/**
 * Plans the memory of a run's training step: as the run trains, and for comparison without the budget, by the other methods, and by
 * a conventional schedule. Nothing is computed and no adapter is needed.
 *
 * @throws SutureError `run-invalid`, `device-memory` when a budget cannot be kept.
 */
export async function inspectRun(path: string, options: InspectRunOptions = {}): Promise<RunFacts> {
  const { directory, network: joined } = await openNetwork(path);
  const { config } = directory;
  const { training } = config;
  const batch = stepBatch(fixedBatch(joined.graph), options.batch, training.batch);
  const asked = { ...training, memory: options.memory ?? training.memory, batch };
  const [input] = joined.parents[0].inputs;
  const images = await imagesOfRun(joined, config);
  const network = networkForImages(joined, images);
  const shape = [asked.batch, ...images.imageShape];
  const { memory } = asked;
  const own: Way = { method: asked.method, settings: asked.settings };
  const isOwn = (way: Way): boolean => way.method === own.method && way.settings === own.settings;
  const ways = [own, ...published.filter(way => !isOwn(way))];
  const steps = ways.map(way => {
    const step = stepOf(network, isOwn(way) ? asked : publishedAs(way.method, asked), config);
    return { way, step: boundStep(step, bindingFor(step.graph, { [input]: shape })) };
  });
  const plans = [
    ...(memory === undefined ? [] : [{ ...steps[0], schedule: 'planned' as const, memory }]),
    ...(['planned', 'conventional'] as const).flatMap(schedule =>
      steps.map(step => ({ ...step, schedule, memory: undefined })),
    ),
  ].map(({ way, step, schedule, memory: budget }) => ({
    ...{ ...way, schedule, memory: budget },
    ...stepMemory(step, { schedule, ...(budget !== undefined && { memory: budget }) }),
  }));
  return {
    run: path,
    parents: byTag(Object.values(config.parents), ({ source }) => source),
    positions: network.positions.length,
    method: asked.method,
    batch: asked.batch,
    plans,
  };
}

type Way = Pick<MemoryPlan, 'method' | 'settings'>;

/** What a run's own training is compared with: the methods as they were published. */
const published: readonly Way[] = [
  { method: 'double-batched', settings: 'all' },
  { method: 'direct', settings: 'all' },
];

/** A published training of as many steps of as many images. */
const publishedAs = (method: Method, training: Training): Training => {
  const { steps, batch, learningRate, seed, normalize } = training;
  return withDefaults({ method, settings: 'all', steps, batch, learningRate, seed, normalize });
};

/** What images a run is trained on: the networks say their shape, or else the data does. */
export async function imagesOfRun(
  network: SuperNetwork,
  config: RunConfig,
): Promise<Pick<Dataset, 'imageShape' | 'source'>> {
  const { source } = config.data;
  const imageShape = staticShape(network.graph.input(network.parents[0].inputs[0]).type.shape.slice(1));
  return imageShape ? { imageShape, source } : loadDataset(source, labelsOfRun(config), 'training');
}
