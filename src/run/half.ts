/** Whether a network keeps its scores in float16; its file, where it does. */
import { stat } from 'node:fs/promises';
import { type Graph, numbersOf, printable, SutureError, type Tensor, tensorFromNumbers } from '../../ir/index.ts';
import { importOnnx } from '../../ir/onnx/file.ts';
import { halfRange, type Peaks, peaksOf, wideNodes, widenRounded, withPeaks } from '../../passes/index.ts';
import { imagesOf } from '../data/batches.ts';
import type { Dataset } from '../data/dataset.ts';
import { Runnable } from '../execution/execute.ts';
import { fixedBatch } from '../execution/fixed-batch.ts';
import { withExecutor } from '../execution/open.ts';
import { type Execution, throwIfInterrupted } from '../execution/progress.ts';
import { isThere } from '../files/there.ts';
import { type Difference, meanDifference, type Pairing } from '../metrics/bootstrap.ts';
import type { LabelledData } from '../metrics/labelled.ts';
import type { MetricName } from '../metrics/metric.ts';
import { measureOnSets } from '../metrics/score-networks.ts';
import { type StressSet, stressScore } from '../metrics/stress.ts';
import { statedMeaning } from '../network/meaning.ts';
import { type Network, networkOf } from '../network/network.ts';
import { writeModel } from '../network/write.ts';
import { groupsOfSets } from '../selection/contest.ts';
import { inHalf } from './deployed.ts';
import type { LoadedRun } from './load.ts';
import { relativeDifference } from './verify.ts';

/** A score in either width, and what that in float16 is better by. */
export interface HalfScore {
  readonly float32: number;
  readonly float16: number;
  readonly difference: Difference;
}

/** A network in float16, held against itself in float32. */
export interface HalfResult {
  /** Where it is written; absent where it is not. */
  readonly file?: string;
  /** Why it is not. */
  readonly problem?: string;
  readonly metric: MetricName;
  /** On the own validation data; absent where it gives no answers. */
  readonly own?: HalfScore;
  /** The mean over the stress sets. */
  readonly shift?: HalfScore;
  readonly nodes: number;
  /** How many of them stay in float32. */
  readonly wide: number;
  /** Features near or beyond the range of float16 on these images, so that their nodes stay in float32; the largest first. */
  readonly beyond: readonly { readonly feature: string; readonly peak: number }[];
  /** The sizes of the files. */
  readonly bytes: { readonly float32: number; readonly float16?: number };
  /** The largest difference of ONNX Runtime's numbers for the file from what was scored, relative to the largest number. */
  readonly relativeError?: number;
}

/** What the lower end of a difference's interval may lack, as a share of the score in float32. */
export const halfTolerance = 0.005;

/** What ONNX Runtime's numbers may be off by, as a share of the largest: it computes some operators in a row without rounding. */
const fileTolerance = 0.05;

/** Images that are run at a time to see what features reach. */
const atATime = 16;

export interface HalfRequest {
  /** The network in float32, as it was written. */
  readonly graph: Graph;
  /** Its file. */
  readonly file: string;
  /** Where it goes in float16. */
  readonly to: string;
  readonly own: LabelledData;
  readonly stress: readonly StressSet[];
}

/**
 * Writes a network in float16 where that keeps its scores, on the own validation data and on the stress sets: the lower end of the paired interval
 * of the difference may be {@link halfTolerance} of the score below zero. What is scored is every feature rounded as it is stored.
 */
export async function writeHalf(
  execution: Execution,
  run: Pick<LoadedRun, 'parents'>,
  request: HalfRequest,
): Promise<HalfResult> {
  const { graph, file, to, own, stress } = request;
  const peaks = await peaksOn(execution, graph, [own.dataset, ...stress.map(({ data }) => data.dataset)]);
  const half = inHalf(run, graph, peaks);
  const facts = {
    metric: own.metricFor(networkNamed('in float32', graph)).name,
    nodes: graph.nodes.length,
    wide: wideNodes(graph, peaks).size,
    beyond: beyondOf(peaks),
    bytes: { float32: await bytesOf(file) },
  };
  const rounded = networkNamed('in float16', widenRounded(half));
  const scores = await scoresOf(execution, [networkNamed('in float32', graph), rounded], own, stress);
  if (typeof scores === 'string') return { ...facts, problem: scores };
  const lost = lossOf(scores);
  if (lost !== undefined) return { ...facts, ...scores, problem: lost };
  await writeModel(half, to, { force: true });
  const relativeError = await differenceInFile(execution, rounded, to, own.dataset);
  if (!(relativeError <= fileTolerance)) {
    throw new SutureError(
      'export-differs',
      `${printable(to)} does not agree in ONNX Runtime with what was scored: relative error ${relativeError.toExponential(1)}.`,
    );
  }
  return { ...facts, ...scores, file: to, bytes: { ...facts.bytes, float16: await bytesOf(to) }, relativeError };
}

const networkNamed = (name: string, graph: Graph): Network => networkOf(graph, name, statedMeaning(graph));

/** What features reach on all images of some data sets. */
async function peaksOn(
  { executor, onProgress, signal }: Execution,
  graph: Graph,
  sets: readonly Dataset[],
): Promise<Peaks> {
  const peaking = withPeaks(graph);
  const runnable = new Runnable(executor, peaking.graph);
  const stage = 'measuring features for float16';
  const total = sets.reduce((sum, { count }) => sum + count, 0);
  const found: ArrayLike<number>[] = [];
  let done = 0;
  try {
    for (const dataset of sets) {
      const batch = fixedBatch(graph) ?? Math.min(atATime, dataset.count);
      for (let first = 0; first < dataset.count; first += batch) {
        throwIfInterrupted(signal, 'The measurement');
        onProgress?.({ stage, done, total });
        const images = imagesOf(
          dataset,
          Array.from({ length: batch }, (_, i) => (first + i) % dataset.count),
        );
        const { [peaking.output]: peaks } = await runnable.run({ [graph.inputs[0].name]: images }, [peaking.output]);
        found.push(numbersOf(peaks));
        done += Math.min(batch, dataset.count - first);
      }
    }
    onProgress?.({ stage, done, total });
  } finally {
    runnable.dispose();
  }
  return peaksOf(peaking, found);
}

/** Features near or beyond the range, by name. */
const beyondOf = (peaks: Peaks): HalfResult['beyond'] =>
  Array.from(peaks, ([{ name }, peak]) => ({ feature: name, peak }))
    .filter(({ peak }) => peak > halfRange)
    .sort((p, q) => q.peak - p.peak);

/** The scores in both widths, or what the network says instead of answers. */
async function scoresOf(
  execution: Execution,
  networks: readonly [Network, Network],
  own: LabelledData,
  stress: readonly StressSet[],
): Promise<{ readonly own: HalfScore; readonly shift?: HalfScore } | string> {
  const groups = groupsOfSets(own, stress);
  try {
    const measured = await measureOnSets(execution, networks, [own, ...stress.map(({ data }) => data)]);
    const [atHome, ...others] = measured.map(
      ([theirs, ours], i): Pairing => ({
        ...{ ours: ours.metric, theirs: theirs.metric },
        groups: i === 0 ? groups.own : groups.stress[i - 1],
      }),
    );
    const [first, ...more] = others;
    return { own: scoreOf([atHome]), ...(first && { shift: scoreOf([first, ...more]) }) };
  } catch (error) {
    if (error instanceof SutureError && error.code === 'output-not-finite') return error.message;
    throw error;
  }
}

function scoreOf(pairings: readonly [Pairing, ...Pairing[]]): HalfScore {
  const mean = (of: 'ours' | 'theirs'): number => stressScore(pairings.map(pairing => pairing[of].score().value)).value;
  return { float32: mean('theirs'), float16: mean('ours'), difference: meanDifference(pairings) };
}

/** Why scores are not kept; undefined where they are. */
function lossOf({ own, shift }: { readonly own: HalfScore; readonly shift?: HalfScore }): string | undefined {
  const lost = Object.entries({ 'at home': own, 'under shift': shift }).flatMap(([where, score]) => {
    const least = score && -halfTolerance * Math.abs(score.float32);
    return least !== undefined && score!.difference.low < least
      ? [`${where} it may lose ${(-score!.difference.low).toFixed(4)}, and ${(-least).toFixed(4)} is allowed`]
      : [];
  });
  return lost.length === 0 ? undefined : `${lost.join('; ')}.`;
}

/** The written file in ONNX Runtime on the CPU against what was scored. */
async function differenceInFile(
  { executor }: Execution,
  { graph, input, output }: Network,
  file: string,
  dataset: Dataset,
): Promise<number> {
  const written = importOnnx(file).graph;
  const batch = fixedBatch(graph) ?? Math.min(8, dataset.count);
  const images = imagesOf(
    dataset,
    Array.from({ length: batch }, (_, i) => i % dataset.count),
  );
  const given: Tensor = tensorFromNumbers(written.inputs[0].type.dtype, images.shape, numbersOf(images));
  const run = async (runnable: Runnable, x: Tensor): Promise<Float32Array> => {
    try {
      return Float32Array.from(numbersOf((await runnable.run({ [input]: x }, [output]))[output]));
    } finally {
      runnable.dispose();
    }
  };
  const expected = await run(new Runnable(executor, graph), images);
  return withExecutor({ executor: 'ort' }, async ort =>
    relativeDifference(await run(new Runnable(ort, written), given), expected),
  );
}

/** Of a file, and of the data beside it. */
async function bytesOf(file: string): Promise<number> {
  const beside = `${file}.data`;
  return (await stat(file)).size + ((await isThere(beside)) ? (await stat(beside)).size : 0);
}
