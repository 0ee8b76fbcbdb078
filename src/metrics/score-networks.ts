/** Networks scored on labelled data. */
import { printable, SutureError } from '../../ir/index.ts';
import { sameNumbers } from '../../ir/numbers.ts';
import { meaningText } from '../../passes/index.ts';
import { batchesOf, batchSizes, casesAtATime } from '../data/batches.ts';
import { Runnable } from '../execution/execute.ts';
import { imagesAtATime } from '../execution/fixed-batch.ts';
import { type Execution, throwIfInterrupted } from '../execution/progress.ts';
import { gateScopeOf } from '../network/gate.ts';
import type { Network } from '../network/network.ts';
import type { LabelledData } from './labelled.ts';
import type { Metric, Score } from './metric.ts';
import { ensembleOutput, type MeantOutput, score } from './scoring.ts';
import type { StressScore } from './stress.ts';
import type { SurfaceMetric, SurfaceOptions, SurfaceScore } from './surface.ts';

export interface ScoreOptions {
  /** Also score the mean of all the networks' outputs (of their probabilities, where they are classifiers). */
  readonly ensemble?: boolean | undefined;
  /** Also measure surfaces. */
  readonly surface?: SurfaceOptions | undefined;
  /** Images at a time. Default 16. */
  readonly batch?: number | undefined;
}

export interface NetworkScore {
  /** The network's name, or `ensemble`. */
  readonly model: string;
  readonly score: Score;
  /** Where it was asked for. */
  readonly surface?: SurfaceScore;
  /** Under shift, where that was asked for. */
  readonly shift?: StressScore;
}

const defaultBatch = 16;

/** Networks that are averaged must say the same kind of thing. */
function requireSameOutputs(networks: readonly Network[]): void {
  const [first, ...others] = networks;
  const differing = others.find(
    ({ meaning: { channels, activation } }) =>
      channels !== first?.meaning.channels || activation !== first.meaning.activation,
  );
  if (first && differing) {
    throw new SutureError(
      'parents-incompatible',
      `The outputs do not fit together: ${printable(first.name)} gives ${meaningText(first.meaning)} and ` +
        `${printable(differing.name)} ${meaningText(differing.meaning)}; an ensemble needs the same classes.`,
    );
  }
}

/**
 * Scores networks on a data set: one row for each in the order given, then the ensemble where it is asked for.
 *
 * @throws SutureError `data-invalid` when images or labels do not fit a network, `parents-incompatible` when the outputs of
 * an ensemble do not fit together, `option-invalid` for a number of images at a time that a network does not take. Where one is gated over
 * cases, each batch is a case: see `casesAtATime`.
 */
export async function scoreNetworks(
  execution: Execution,
  networks: readonly Network[],
  data: LabelledData,
  options: ScoreOptions = {},
): Promise<readonly NetworkScore[]> {
  const scored = await measureNetworks(execution, networks, data, options);
  return scored.map(networkScore);
}

/** A network that has answered for every image: any of them can be scored. */
export interface MeasuredNetwork {
  readonly model: string;
  readonly metric: Metric;
  /** Where it was asked for. */
  readonly surfaces?: SurfaceMetric;
}

export const networkScore = ({ model, metric, surfaces }: MeasuredNetwork): NetworkScore => ({
  model,
  score: metric.score(),
  ...(surfaces && { surface: surfaces.score() }),
});

/** As {@link scoreNetworks}, for whoever compares networks on some of the images. */
export async function measureNetworks(
  execution: Execution,
  networks: readonly Network[],
  data: LabelledData,
  options: ScoreOptions = {},
): Promise<readonly MeasuredNetwork[]> {
  const [measured] = await measureOnSets(execution, networks, [data], options);
  return measured;
}

/**
 * As {@link measureNetworks}, of data sets one after the other. Networks are opened once for sets in a row with as many images of one size,
 * as changes of the same images are. Surfaces are measured on the first.
 */
export async function measureOnSets(
  execution: Execution,
  networks: readonly Network[],
  sets: readonly LabelledData[],
  { surface, ...options }: ScoreOptions = {},
): Promise<readonly (readonly MeasuredNetwork[])[]> {
  if (options.ensemble) requireSameOutputs(networks);
  const found: (readonly MeasuredNetwork[])[] = [];
  let opened: readonly Opened[] = [];
  const close = (): void => {
    for (const { runnable } of opened) runnable.dispose();
  };
  try {
    for (const [i, data] of sets.entries()) {
      const { count, imageShape } = data.dataset;
      const before = sets[i - 1]?.dataset;
      if (before?.count !== count || !sameNumbers(before.imageShape, imageShape)) {
        close();
        opened = networks.map(network => ({ ...network, runnable: new Runnable(execution.executor, network.graph) }));
      }
      found.push(await measureOpened(execution, opened, data, i === 0 ? { ...options, surface } : options));
    }
  } finally {
    close();
  }
  return found;
}

interface Opened extends Network {
  readonly runnable: Runnable;
}

async function measureOpened(
  { onProgress, signal }: Execution,
  networks: readonly Opened[],
  data: LabelledData,
  { ensemble = false, batch, surface }: ScoreOptions,
): Promise<readonly MeasuredNetwork[]> {
  const { dataset } = data;
  const cases = networks.some(({ graph }) => gateScopeOf(graph) === 'case');
  const atATime = cases ? casesAtATime(dataset, batch) : imagesAtATime(networks, batch, defaultBatch);
  const measureOf = (model: string, network: Network): MeasuredNetwork => ({
    model,
    metric: data.metricFor(network),
    ...(surface && { surfaces: data.surfacesFor(network, surface) }),
  });
  const measures = networks.map(network => measureOf(network.name, network));
  const scored = networks.map((network, i) => ({ ...network, measured: measures[i] }));
  const together = ensemble ? measureOf('ensemble', networks[0]) : undefined;
  const add = ({ metric, surfaces }: MeasuredNetwork, { output, meaning }: MeantOutput, first: number): void => {
    score(metric, output, meaning, first);
    if (surfaces) score(surfaces, output, meaning, first);
  };
  const stage = `scoring on ${printable(dataset.source, 40)}`;
  let done = 0;
  const total = batchSizes(dataset.count, atATime).length * networks.length;
  onProgress?.({ stage, done, total });
  for (const { first, images } of batchesOf(dataset, atATime)) {
    const outputs: MeantOutput[] = [];
    for (const { name, input, output: wanted, meaning, measured, runnable } of scored) {
      throwIfInterrupted(signal, 'Scoring');
      const output = (await runnable.run({ [input]: images }, [wanted]))[wanted];
      about(name, () => add(measured, { output, meaning }, first));
      outputs.push({ output, meaning });
      onProgress?.({ stage, done: ++done, total });
    }
    if (together) add(together, ensembleOutput(outputs), first);
  }
  return together ? [...measures, together] : measures;
}

/** Says which of several networks an error is about. */
function about(name: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof SutureError) || error.code !== 'output-not-finite') throw error;
    throw new SutureError(error.code, `${printable(name)}: ${error.message}`, { cause: error });
  }
}
