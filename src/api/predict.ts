/** Labels of cases: what a network says, window by window, in the files' own grids. */

import { basename, join } from 'node:path';
import { printable, SutureError, someOf } from '../../ir/index.ts';
import { type Dataset, gatherImages } from '../data/dataset.ts';
import { loadDataset } from '../data/load.ts';
import { npyArray } from '../data/npy.ts';
import { formatNpz } from '../data/npz.ts';
import type { ExecutorOptions } from '../execution/executors.ts';
import { withExecutor } from '../execution/open.ts';
import { throwIfInterrupted, type WorkOptions } from '../execution/progress.ts';
import { hashFile } from '../files/hash.ts';
import { writeOutput } from '../files/output.ts';
import { isFolder, isThere } from '../files/there.ts';
import { requireFittingChannels } from '../network/interface.ts';
import { loadModel } from '../network/load.ts';
import { type MeaningOptions, statedMeaning } from '../network/meaning.ts';
import { warningsOf } from '../network/model.ts';
import { needsOf } from '../network/needs.ts';
import { type Network, networkOf } from '../network/network.ts';
import type { OutputNames } from '../network/one-output.ts';
import { type Case, openCases } from '../prediction/cases.ts';
import { type Making, openOutput } from '../prediction/output-folder.ts';
import { axesOf, decisionOf, type Looking, Predictor, requireDense } from '../prediction/predictor.ts';
import type { Field } from '../prediction/sliding.ts';
import { type DatasetNames, readNames } from '../preprocessing/dataset-json.ts';
import { type Plans, readPlans } from '../preprocessing/plans.ts';
import { type Decision, decided, preprocess, restore } from '../preprocessing/preprocess.ts';
import { RunDirectory } from '../run/directory.ts';
import { requireWritable, writeLabels } from '../volumes/files.ts';

export interface PredictRequest extends ExecutorOptions, Pick<MeaningOptions, 'activation'> {
  /** An ONNX file, or a run directory: then the network that it exported. */
  readonly model: string;
  /** Of the network, `a`. Default: of several outputs the one that is as large as the image. */
  readonly outputs?: OutputNames | undefined;
  /** A folder of images, an nnU-Net data set (its `imagesTs`), or an `.npz` file with `images`. */
  readonly data: string;
  /** The folder that labels are written to. */
  readonly output: string;
  /** nnU-Net's plans. Default: those that the network's file has in it; without any, intensities are taken as they are. */
  readonly plans?: string | undefined;
  /** Of the plans. Default: `3d_fullres` or `2d`, as the network has axes. */
  readonly configuration?: string | undefined;
  /** `dataset.json`, for the values of labels. Default: what the network's file says, or that of the data. */
  readonly dataset?: string | undefined;
  /** Axes that windows are mirrored over too. Default: those that the plans name, else none. */
  readonly mirror?: readonly number[] | undefined;
  /** From window to window, as a share of a window. Default: 0.5. */
  readonly step?: number | undefined;
  /** Windows at a time. */
  readonly batch?: number | undefined;
  /** Predict again what is there, and write into folders that another prediction was written to. */
  readonly force?: boolean | undefined;
}

export interface PredictedCase {
  readonly name: string;
  readonly file: string;
  /** Set where the labels were there already. */
  readonly already?: true;
  /** Why there are none. */
  readonly problem?: string;
}

export interface Prediction {
  /** The network's file. */
  readonly model: string;
  readonly sha256: string;
  readonly output: string;
  /** The configuration of the plans; absent where intensities are taken as they are. */
  readonly configuration?: string;
  readonly mirror: readonly number[];
  readonly cases: readonly PredictedCase[];
  /** What is to be said of the network, and of labels of other cases beside these. */
  readonly warnings: readonly string[];
}

/** @throws SutureError `run-invalid` for a run that exported nothing. */
async function modelFileOf(path: string): Promise<string> {
  if (!(await isFolder(path))) return path;
  const file = (await RunDirectory.open(path)).file('model');
  if (await isThere(file)) return file;
  throw new SutureError(
    'run-invalid',
    `${printable(path)} has no exported network: export one with \`suture export\` and name its file.`,
  );
}

/** All that a prediction needs, read and found to fit. */
interface Setup {
  readonly predictor: Predictor;
  readonly decision: Decision;
  readonly looking: Looking;
  /** Labels that are there of cases that have lost files since. */
  readonly lacking: ReadonlySet<string>;
}

/**
 * Labels every case of a folder, or the images of an `.npz` file. Cases are taken one at a time; labels that were written by the same
 * prediction are not made again, so that what was interrupted goes on. A case that cannot be read, or does not fit, is named and left out.
 *
 * @throws SutureError whatever is wrong with the network, the plans, the folder or the output, before anything is predicted.
 */
export async function predict(request: PredictRequest, work: WorkOptions = {}): Promise<Prediction> {
  const { data, output, step = 0.5 } = request;
  const file = await modelFileOf(request.model);
  const model = await loadModel(file, request.outputs?.a);
  const network = networkOf(model.graph, file, statedMeaning(model.graph, request));
  requireDense(network);
  const needs = needsOf(model.graph, file);
  const arrays = data.endsWith('.npz') ? await loadDataset(data) : undefined;
  if (arrays) requireFittingArrays(arrays, network, request);
  const plans = arrays ? undefined : await plansFor(request, network, needs.plans);
  const folder = arrays ? undefined : await openCases(data);
  const names = await namesFor(request, folder?.names, needs.names);
  const mirror = request.mirror ?? plans?.mirrorAxes ?? [];
  requireAxes(mirror, network);
  const decision = decisionOf(network, names);
  const making = {
    format: 'suture-prediction' as const,
    model: model.sha256,
    plans: request.plans === undefined ? null : await hashFile(request.plans),
    configuration: plans?.configuration ?? null,
    mirror: [...mirror],
    step,
    labels: [...decision.values],
  } satisfies Making;
  const labelled = folder?.cases ?? [{ labels: basename(data), images: [data] }];
  const { others, lacking, finish } = await openOutput(output, making, labelled, request.force === true);
  const { signal, onProgress } = work;
  const looking = { step, mirrorAxes: mirror, batch: request.batch, signal };
  const cases = await withExecutor(request, async executor => {
    const predictor = new Predictor(executor, network, plans);
    const setup: Setup = { predictor, decision, looking, lacking };
    try {
      if (!folder) return [await predictArrays(setup, arrays!, request, work)];
      const found: PredictedCase[] = [];
      for (const [i, one] of folder.cases.entries()) {
        throwIfInterrupted(signal, 'The prediction');
        const at = { done: i, total: folder.cases.length };
        const tell = (share: number): void =>
          onProgress?.({ stage: 'predicting', ...at, done: i + share, note: one.name });
        tell(0);
        found.push(await predictCase(setup, one, request, tell));
      }
      onProgress?.({ stage: 'predicting', done: folder.cases.length, total: folder.cases.length });
      return found;
    } finally {
      predictor.dispose();
    }
  });
  // What could not be made anew may still be there as it was.
  if (cases.every(({ problem }) => problem === undefined)) await finish();
  return {
    model: file,
    sha256: model.sha256,
    output,
    ...(plans && { configuration: plans.configuration }),
    mirror,
    cases,
    warnings: [
      ...warningsOf([model]),
      ...(others.length > 0
        ? [
            `${printable(output)} also holds labels of other images by this network (${someOf(others)}), which \`suture evaluate\` takes for labels of the same data.`,
          ]
        : []),
    ],
  };
}

/** @throws SutureError `option-invalid` for plans, as arrays are prepared already; as {@link requireFittingChannels}. */
function requireFittingArrays({ imageShape }: Dataset, network: Network, { data, plans }: PredictRequest): void {
  requireFittingChannels(network, imageShape[0], data);
  if (plans === undefined) return;
  throw new SutureError(
    'option-invalid',
    `--plans: the images of ${printable(data)} are taken as they are, as .npz files hold what is prepared; leave the option out.`,
  );
}

async function plansFor(
  { plans, configuration }: PredictRequest,
  network: Network,
  own: Plans | undefined,
): Promise<Plans | undefined> {
  const axes = axesOf(network);
  const found = plans === undefined ? own : await readPlans(plans, configuration, axes);
  if (found && found.patchSize.length !== axes) {
    throw new SutureError(
      'plans-invalid',
      `${printable(found.source)}: the configuration "${found.configuration}" is for images of ${found.patchSize.length} axes, and ` +
        `${printable(network.name)} takes ${axes}; name another by --configuration.`,
    );
  }
  if (found) requireFittingChannels(network, found.normalizations.length, found.source);
  return found;
}

async function namesFor(
  { dataset }: PredictRequest,
  ofData: DatasetNames | undefined,
  ofModel: DatasetNames | undefined,
): Promise<DatasetNames | undefined> {
  if (dataset === undefined) return ofModel ?? ofData;
  const names = await readNames(dataset);
  if (names) return names;
  throw new SutureError('data-unreadable', `${printable(dataset)}: there is no such file.`);
}

function requireAxes(mirror: readonly number[], network: Network): void {
  const axes = axesOf(network);
  if (mirror.every(axis => axis < axes)) return;
  throw new SutureError('option-invalid', `The network sees ${axes} axes, 0 to ${axes - 1}: mirror over these.`);
}

/** Errors that are about one case, and not about all that follow. */
const ofOneCase: ReadonlySet<string> = new Set([
  'data-unreadable',
  'data-invalid',
  'output-not-finite',
  'memory-short',
]);

async function predictCase(
  setup: Setup,
  one: Case,
  { output, force }: PredictRequest,
  tell: (share: number) => void,
): Promise<PredictedCase> {
  const { predictor, decision, looking, lacking } = setup;
  const { network, plans } = predictor;
  const file = join(output, one.labels);
  const known = { name: one.name, file };
  const isLacking = !force && lacking.has(one.labels);
  if (!force && !isLacking && (await isThere(file))) return { ...known, already: true };
  try {
    const image = await one.read();
    if (isLacking) return { ...known, problem: `${printable(file)} is of more images than there are now.` };
    requireFittingChannels(network, image.shape[0], one.name);
    const lying = { shape: image.shape.slice(1), geometry: image.geometry };
    requireWritable(file, lying);
    const seen = plans ? preprocess(image, plans, one.name) : image;
    const field = await predictor.predict(seen, {
      ...looking,
      onLook: (done, total) => tell(done / total),
    });
    const labels = 'placement' in seen ? restore(field.data, seen.placement, decision) : decidedOf(field, decision);
    await writeLabels(file, labels, lying, { force: force === true });
    return known;
  } catch (error) {
    if (!(error instanceof SutureError) || !ofOneCase.has(error.code)) throw error;
    return { ...known, problem: error.message };
  }
}

function decidedOf({ data, shape: [channels] }: Field, decision: Decision): Uint8Array | Uint16Array {
  const places = data.length / channels;
  return decided(places, decision, c => data.subarray(c * places, (c + 1) * places));
}

/** The labels [N, ...spatial] of the images of an `.npz` file, as an `.npz` file. */
async function predictArrays(
  setup: Setup,
  dataset: Dataset,
  { data, output, force }: PredictRequest,
  { onProgress }: WorkOptions,
): Promise<PredictedCase> {
  const { predictor, decision, looking } = setup;
  const name = basename(data, '.npz');
  const file = join(output, basename(data));
  if (!force && (await isThere(file))) return { name, file, already: true };
  const { imageShape, count } = dataset;
  const found: (Uint8Array | Uint16Array)[] = [];
  for (let i = 0; i < count; i++) {
    onProgress?.({ stage: 'predicting', done: i, total: count });
    const field = { data: gatherImages(dataset, [i]), shape: imageShape };
    found.push(decidedOf(await predictor.predict(field, looking), decision));
  }
  onProgress?.({ stage: 'predicting', done: count, total: count });
  const [first] = found;
  const labels =
    first instanceof Uint16Array ? new Uint16Array(count * first.length) : new Uint8Array(count * first.length);
  for (const [i, part] of found.entries()) labels.set(part, i * part.length);
  const arrays = { labels: npyArray(labels, [count, ...imageShape.slice(1)]) };
  await writeOutput(file, formatNpz(arrays), { force: force === true });
  return { name, file };
}
