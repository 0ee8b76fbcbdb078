/** The last stitches, fitted to the outputs when all others are trained: see `passes/train/closing.ts`. */
import { bytesPerElement, numbersOf, staticShape, type Tensor, tensorFromNumbers } from '../../ir/index.ts';
import { type ClosingFit, closingFit, type StitchParameters } from '../../passes/index.ts';
import type { Session } from '../../runtime/executor.ts';
import { Random } from '../data/random.ts';
import { prepare, prepareStep } from '../execution/execute.ts';
import { throwIfInterrupted, type WorkOptions } from '../execution/progress.ts';
import { batchLimit, bindingOfBatch, imageBatches, imageFeed, type TrainingJob } from './job.ts';
import { type Evaluation, minimise } from './lbfgs.ts';
import type { Training } from './options.ts';
import { SettingSampler, settingFeeds } from './setting-sampler.ts';

/** What the fit reads of the other stitches may take this many bytes of host memory; with more of it fewer images are looked at. */
const maxKeptBytes = 2 ** 31;

/** One in this many images is held out: what these lose least by is kept, so the fit is dropped where it is no gain there. */
const heldOutEvery = 5;

const iterations = 40;

/** The search ends where a step lowers the divergence by less than this part of it. */
const tolerance = 2e-4;

interface Evaluated {
  readonly x: Float64Array;
  readonly value: number;
}

interface Part {
  readonly count: number;
  readonly heldOut: boolean;
  readonly feeds: Readonly<Record<string, Tensor>>;
}

/**
 * Fits the last stitches to the outputs on `closingImages` images of the data, drawn without repetition. Returns all parameters.
 * They are as they were where the fit is no gain on the images held out.
 */
export async function fitToOutputs(
  job: TrainingJob,
  training: Pick<Training, 'seed' | 'batch' | 'averaged' | 'closingImages'>,
  trained: StitchParameters,
): Promise<StitchParameters> {
  const { executor, network, dataset, onProgress, signal } = job;
  const { seed, batch, averaged, closingImages } = training;
  const fitFor = (count: number): ClosingFit | undefined => closingFit(network, bindingOfBatch(job, count));
  const random = Random.seeded(seed, 'closing');
  const drawn = random.permutation(dataset.count).subarray(0, closingImages);
  const size = batchLimit(job, drawn.length, batch);
  const first = fitFor(size);
  if (!first) return trained;
  const affordable = Math.floor(maxKeptBytes / (outputBytes(first) / size));
  const images = drawn.subarray(0, Math.max(2, affordable));
  const heldOut = Math.max(1, Math.floor(images.length / heldOutEvery));
  if (images.length < 2) return trained;

  const sampler = new SettingSampler(network, random, { full: 0, averaged });
  const fits = new Map([[size, first]]);
  const fitOf = (count: number): ClosingFit => {
    const fit = fits.get(count) ?? fitFor(count)!;
    fits.set(count, fit);
    return fit;
  };
  const sessions = new Map<number, Session>();
  try {
    const parts: Part[] = [];
    const before = new Map<number, Session>();
    const stage = 'reading what the last stitches see';
    onProgress?.({ stage, done: 0, total: images.length });
    let done = 0;
    try {
      for (const [held, numbers] of [
        [true, images.subarray(0, heldOut)],
        [false, images.subarray(heldOut)],
      ] as const) {
        for (const part of imageBatches(job, numbers, batch)) {
          throwIfInterrupted(signal, 'The closing fit');
          const count = part.length;
          const fit = fitOf(count);
          const session = before.get(count) ?? (await prepare(executor, fit.before, {}));
          before.set(count, session);
          const given = imageFeed(job, part);
          const feeds = { ...given, ...settingFeeds(fit.before.inputs, sampler.next(count)) };
          const fed = (name: string): Tensor | undefined => feeds[name] ?? trained.get(name);
          const found = await session.run(named(fit.before.inputs, fed));
          const kept = (name: string): Tensor | undefined => found[name] ?? given[name];
          parts.push({ count, heldOut: held, feeds: named(fit.after.inputs, kept) });
          done += count;
          onProgress?.({ stage, done, total: images.length });
        }
      }
    } finally {
      for (const session of before.values()) session.dispose();
    }
    for (const { count } of parts) {
      const { after: graph, loss } = fitOf(count);
      if (!sessions.has(count)) sessions.set(count, await prepareStep(executor, { graph, loss }, {}));
    }
    const fitted = await fitParts(first, { parts, sessions, trained }, job);
    return new Map([...trained, ...fitted]);
  } finally {
    for (const session of sessions.values()) session.dispose();
  }
}

/** The values of inputs, where they have one. */
function named(
  inputs: readonly { readonly name: string }[],
  known: (name: string) => Tensor | undefined,
): Record<string, Tensor> {
  const feeds: Record<string, Tensor> = {};
  for (const { name } of inputs) {
    const value = known(name);
    if (value) feeds[name] = value;
  }
  return feeds;
}

/** What is fitted to: parts of the data, what computes those of a size, and where it begins. */
interface Fitting {
  readonly parts: readonly Part[];
  readonly sessions: ReadonlyMap<number, Session>;
  readonly trained: StitchParameters;
}

/** The parameters with the least loss on the held-out parts among those that the search on the others comes by. */
async function fitParts(
  { loss, parameters, gradients }: ClosingFit,
  { parts, sessions, trained }: Fitting,
  { onProgress, signal }: WorkOptions,
): Promise<StitchParameters> {
  const shapes = parameters.map(name => trained.get(name)!);
  const toTensors = (x: Float64Array): Map<string, Tensor> => {
    let first = 0;
    return new Map(
      parameters.map((name, i) => {
        const { dtype, shape, data } = shapes[i];
        const values = x.subarray(first, first + data.length);
        first += data.length;
        return [name, tensorFromNumbers(dtype, shape, values)];
      }),
    );
  };
  /** Loss and gradients, the mean over the samples of some parts. */
  const over = async (x: Float64Array, heldOut: boolean): Promise<Evaluation> => {
    const given = Object.fromEntries(toTensors(x));
    const chosen = parts.filter(p => p.heldOut === heldOut);
    const samples = chosen.reduce((sum, p) => sum + p.count, 0);
    const wanted = heldOut ? [] : parameters.map(name => gradients.get(name)!);
    let value = 0;
    const gradient = new Float64Array(heldOut ? 0 : x.length);
    for (const { count, feeds } of chosen) {
      throwIfInterrupted(signal, 'The closing fit');
      const found = await sessions.get(count)!.run({ ...feeds, ...given }, [loss, ...wanted]);
      value += (Number(found[loss].data[0]) * count) / samples;
      let at = 0;
      for (const name of wanted) {
        const part = numbersOf(found[name]);
        for (let i = 0; i < part.length; i++) gradient[at++] += (part[i] * count) / samples;
      }
    }
    return { value, gradient };
  };

  const start = new Float64Array(shapes.reduce((sum, { data }) => sum + data.length, 0));
  let filled = 0;
  for (const tensor of shapes) {
    start.set(numbersOf(tensor), filled);
    filled += tensor.data.length;
  }
  let best: Evaluated = { x: start, value: (await over(start, true)).value };
  const stage = 'fitting the last stitches';
  onProgress?.({ stage, done: 0, total: iterations });
  await minimise(x => over(x, false), start, {
    iterations,
    tolerance,
    onStep: async (x, step) => {
      const { value } = await over(x, true);
      if (value < best.value) best = { x, value };
      onProgress?.({ stage, done: step, total: iterations, note: `divergence ${value.toPrecision(4)}` });
    },
  });
  onProgress?.({ stage, done: iterations, total: iterations });
  return toTensors(best.x);
}

/** What `before` hands over, for one batch. */
const outputBytes = ({ before }: ClosingFit): number =>
  before.outputs.reduce((sum, { value: { type } }) => {
    const elements = staticShape(type.shape)!.reduce((x, y) => x * y, 1);
    return sum + elements * bytesPerElement[type.dtype];
  }, 0);
