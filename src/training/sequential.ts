/** Closed-form stitches fitted one after the other: see `passes/train/sequential.ts`. */
import { bytesPerElement, type Graph, staticShape, type Tensor } from '../../ir/index.ts';
import { type FitStage, fitStages, StitchFit, type StitchParameters } from '../../passes/index.ts';
import type { Session } from '../../runtime/executor.ts';
import type { Random } from '../data/random.ts';
import { prepare } from '../execution/execute.ts';
import { inTurns, throwIfInterrupted } from '../execution/progress.ts';
import { batchLimit, bindingOfBatch, imageBatches, imageFeed, type TrainingJob } from './job.ts';
import type { Training } from './options.ts';
import { type SampleSettings, SettingSampler, settingFeeds } from './setting-sampler.ts';

/** Features between two stages may take this many bytes of host memory; with larger ones fewer images are looked at. */
const maxKeptBytes = 2 ** 31;

/** What an interruption says. */
export const what = 'The initialisation';

/** What the progress says of a fit that takes long. */
export const fitNote = (done: number, work: number): string =>
  `solving, ${Math.min(99, Math.floor((100 * done) / work))} %`;

interface FitBatch {
  readonly count: number;
  /** By the name of the input that takes them. */
  readonly images: Readonly<Record<string, Tensor>>;
  readonly settings: SampleSettings;
  /** What earlier stages computed and later ones read. */
  readonly kept: Map<string, Tensor>;
}

/**
 * Fits all stitches in the order of the network, with settings of their own for each of the images.
 *
 * @param images the numbers of the images to look at.
 */
export async function fitInSequence(
  job: TrainingJob,
  images: Uint32Array,
  { batch: limit, averaged }: Pick<Training, 'batch' | 'averaged'>,
  random: Random,
): Promise<StitchParameters> {
  const { executor, network, onProgress, signal } = job;
  const stagesFor = (count: number, all: number): readonly FitStage[] =>
    fitStages(network, bindingOfBatch(job, count), all);
  const size = batchLimit(job, images.length, limit);
  const planned = stagesFor(size, images.length);
  const affordable = Math.floor(maxKeptBytes / (keptBytes(planned) / size));
  const used = images.subarray(0, Math.max(1, affordable));
  const sampler = new SettingSampler(network, random, { full: 0, averaged });

  const batches = imageBatches(job, used, limit).map(
    (numbers): FitBatch => ({
      count: numbers.length,
      images: imageFeed(job, numbers),
      settings: sampler.next(numbers.length),
      kept: new Map(),
    }),
  );
  const planFor = (count: number): readonly FitStage[] =>
    count === size && used.length === images.length ? planned : stagesFor(count, used.length);
  const plans = new Map([...new Set(batches.map(b => b.count))].map(count => [count, planFor(count)]));
  const stages = plans.get(batches[0].count)!;

  const parameters = new Map<string, Tensor>();
  const stage = 'initialising the stitches';
  const total = stages.length * batches.length;
  let done = 0;
  onProgress?.({ stage, done, total });
  for (const s of stages.keys()) {
    const fit = new StitchFit(stages[s].stitches);
    const sessions = new Map<number, Session>();
    try {
      for (const batch of batches) {
        throwIfInterrupted(signal, what);
        const { graph, keeps, drops } = plans.get(batch.count)![s];
        const session = sessions.get(batch.count) ?? (await prepare(executor, graph, {}));
        sessions.set(batch.count, session);
        const outputs = await session.run(feedsOf(graph, batch, parameters));
        fit.add(outputs, batch.count);
        for (const name of keeps) batch.kept.set(name, outputs[name]);
        for (const name of drops) batch.kept.delete(name);
        // The last stage's fit has the last word.
        done++;
        if (done < total) onProgress?.({ stage, done, total });
      }
    } finally {
      for (const session of sessions.values()) session.dispose();
    }
    const fitted = await inTurns(fit.ridge(), signal, what, work =>
      onProgress?.({ stage, done: Math.min(done, total - 1), total, note: fitNote(work, fit.work) }),
    );
    for (const [name, value] of fitted) parameters.set(name, value);
  }
  onProgress?.({ stage, done, total });
  return parameters;
}

/** What a stage reads: images, settings, stitches, values of earlier stages. */
function feedsOf(
  graph: Graph,
  { images, settings, kept }: FitBatch,
  parameters: StitchParameters,
): Record<string, Tensor> {
  const feeds = settingFeeds(graph.inputs, settings);
  for (const { name } of graph.inputs) {
    const value = images[name] ?? kept.get(name) ?? parameters.get(name);
    if (value) feeds[name] = value;
  }
  return feeds;
}

/** The most that is kept between two stages, for one batch. */
function keptBytes(stages: readonly FitStage[]): number {
  const sizes = new Map<string, number>();
  let most = 1;
  for (const { graph, keeps, drops } of stages) {
    for (const name of keeps) {
      const { dtype, shape } = graph.output(name).type;
      sizes.set(
        name,
        staticShape(shape)!.reduce((x, y) => x * y, bytesPerElement[dtype]),
      );
    }
    for (const name of drops) sizes.delete(name);
    most = Math.max(
      most,
      [...sizes.values()].reduce((x, y) => x + y, 0),
    );
  }
  return most;
}
