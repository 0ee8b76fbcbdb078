/** Cases to look at: slices of the best, the median and the worst case of a data set, with what is true and what networks answer. */
import { numbersOf, printable, type Tensor } from '../../ir/index.ts';
import { product } from '../../ir/numbers.ts';
import { imagesOf } from '../data/batches.ts';
import { gatherImages } from '../data/dataset.ts';
import { isDense, type Labels } from '../data/labels.ts';
import { Runnable } from '../execution/execute.ts';
import { type Execution, throwIfInterrupted } from '../execution/progress.ts';
import { type CaseSet, imagesByCase, rankedCases } from '../metrics/by-case.ts';
import type { LabelledData } from '../metrics/labelled.ts';
import { gateScopeOf } from '../network/gate.ts';
import type { Network } from '../network/network.ts';
import { argmax, channelsFirst, thresholdOf } from '../network/outputs.ts';

/** A slice of an image, its channels one after another: one, or red, green and blue. */
export interface Plane {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  readonly data: Float32Array;
}

/**
 * What is said of each place of a slice: the number of a class, 0 for none; of regions, which may overlap, a bit for each. −1 where it
 * counts nowhere.
 */
export interface Mask {
  readonly width: number;
  readonly height: number;
  readonly codes: Int32Array;
}

export interface PicturedCase {
  /** `the best case`. */
  readonly which: string;
  readonly case: number;
  readonly name?: string | undefined;
  /** Which part of it is shown, where that is not all. */
  readonly part?: string | undefined;
  readonly image: Plane;
  readonly reference: Mask;
  readonly answers: readonly { readonly network: string; readonly score: number; readonly mask: Mask }[];
}

export interface PicturedSet {
  /** That of the data set. */
  readonly name: string;
  /** Of foreground classes from 1 on, or of regions. */
  readonly classes: readonly string[];
  readonly kind: 'classes' | 'regions';
  readonly cases: readonly PicturedCase[];
}

/** A network under the name that it has in scores by case. */
export interface NamedNetwork extends Network {
  readonly network: string;
}

/** One that is compiled for the images that it is asked about. */
export interface AskedNetwork extends NamedNetwork {
  readonly runnable: Runnable;
}

/** Opens networks for as long as some work takes: each is compiled once, whatever data sets pictures are drawn of. */
export async function withAsked<T>(
  { executor }: Execution,
  networks: readonly NamedNetwork[],
  work: (asked: readonly AskedNetwork[]) => Promise<T>,
): Promise<T> {
  const asked = networks.map(network => ({ ...network, runnable: new Runnable(executor, network.graph) }));
  try {
    return await work(asked);
  } finally {
    for (const { runnable } of asked) runnable.dispose();
  }
}

/** More regions than bits of a code are not told apart. */
const mostRegions = 30;

/** Why nothing of a data set can be drawn, in words; undefined where it can. */
export function whyNoPictures(labels: Labels): string | undefined {
  if (labels.kind === 'values') return 'its labels are real numbers';
  if (!isDense(labels)) return 'its labels are one for each image';
  const axes = labels.shape.length - (labels.kind === 'regions' ? 1 : 0);
  if (axes !== 2 && axes !== 3) return `its labels have ${axes} axes, and pictures two or three`;
  if (labels.kind === 'regions' && labels.names.length > mostRegions) return `it has more than ${mostRegions} regions`;
  return undefined;
}

/** The best, the median and the worst of some, each once. */
export function extremes<T>(ranked: readonly T[]): readonly { readonly which: string; readonly entry: T }[] {
  const last = ranked.length - 1;
  if (last < 0) return [];
  if (last === 0) return [{ which: 'the only case', entry: ranked[0] }];
  const middle = Math.floor(last / 2);
  return [
    { which: 'the best case', entry: ranked[0] },
    ...(middle > 0 ? [{ which: 'the median case', entry: ranked[middle] }] : []),
    { which: 'the worst case', entry: ranked[last] },
  ];
}

/** Networks that were scored on the cases of a data set, and the one that cases are ranked by. */
export interface Ranked {
  readonly networks: readonly AskedNetwork[];
  /** Their labels are dense, of two or three axes: see {@link whyNoPictures}. */
  readonly data: LabelledData;
  readonly set: CaseSet;
  readonly exported: string;
}

/**
 * Runs networks on the best, the median and the worst case of one of them.
 *
 * @param names of classes from 1 on, or of regions, where they have some.
 */
export async function picturesOf(
  { signal, onProgress }: Execution,
  { networks, data, set, exported }: Ranked,
  names?: readonly string[],
): Promise<PicturedSet> {
  const { dataset } = data;
  const labels = data.labelsFor(networks[0]);
  if (labels.kind === 'values') throw new RangeError('Real numbers are no masks.');
  const byCase = imagesByCase(dataset);
  const cases: PicturedCase[] = [];
  const shown = extremes(rankedCases(set, exported));
  const stage = `drawing cases of ${printable(set.name, 40)}`;
  for (const { which, entry } of shown) {
    onProgress?.({ stage, done: cases.length, total: shown.length });
    throwIfInterrupted(signal, 'The report');
    const images = byCase.get(entry.case)!;
    const image = images.reduce((p, q) => (foreground(labels, q) > foreground(labels, p) ? q : p));
    const slice = sliceOf(labels, image);
    const answers = [];
    for (const network of networks) {
      const whole = gateScopeOf(network.graph) === 'case';
      const given = imagesOf(dataset, whole ? images : [image]);
      const outputs = await network.runnable.run({ [network.input]: given }, [network.output]);
      const mask = answerOf(outputs[network.output], network, whole ? images.indexOf(image) : 0, slice);
      answers.push({ network: network.network, score: entry.scores[set.networks.indexOf(network.network)], mask });
    }
    const parts = [
      ...(images.length > 1 ? [`image ${images.indexOf(image) + 1} of ${images.length}`] : []),
      ...(slice.count > 1 ? [`slice ${slice.at + 1} of ${slice.count}`] : []),
    ];
    cases.push({
      which,
      case: entry.case,
      name: entry.name,
      part: parts.length > 0 ? parts.join(', ') : undefined,
      image: planeOf(gatherImages(dataset, [image]), dataset.imageShape, slice),
      reference: maskOf(slice, place => codeOf(labels, image, place)),
      answers,
    });
  }
  onProgress?.({ stage, done: shown.length, total: shown.length });
  const count = labels.kind === 'classes' ? labels.classes - 1 : labels.names.length;
  const usual = Array.from({ length: count }, (_, k) =>
    labels.kind === 'classes' ? `class ${k + 1}` : `region ${labels.names[k]}`,
  );
  return { name: set.name, classes: names?.length === count ? names : usual, kind: labels.kind, cases };
}

type Masks = Exclude<Labels, { readonly kind: 'values' }>;

/** What a label says of a place, which is counted over the spatial axes. */
function codeOf(labels: Masks, image: number, place: number): number {
  const { data, ignore } = labels;
  const size = product(labels.shape);
  if (labels.kind === 'classes') {
    const label = data[image * size + place];
    return label === ignore ? -1 : label;
  }
  const places = size / labels.names.length;
  let code = 0;
  for (let region = 0; region < labels.names.length; region++) {
    const label = data[image * size + region * places + place];
    if (label === ignore) return -1;
    if (label > 0) code |= 1 << region;
  }
  return code;
}

const placesOf = (labels: Masks): number =>
  product(labels.shape) / (labels.kind === 'regions' ? labels.names.length : 1);

/** How many places of an image have something, from one on and before another. */
function foreground(labels: Masks, image: number, from = 0, to = placesOf(labels)): number {
  let count = 0;
  for (let place = from; place < to; place++) if (codeOf(labels, image, place) > 0) count++;
  return count;
}

/** What is shown of labels of two or three axes: all, or the slice along the first axis. */
interface Slice {
  readonly at: number;
  readonly count: number;
  readonly height: number;
  readonly width: number;
}

/** The slice with the most foreground; of several the first, and the middle one where there is none. */
function sliceOf(labels: Masks, image: number): Slice {
  const axes = labels.kind === 'regions' ? labels.shape.slice(1) : labels.shape;
  const [width, height, count = 1] = axes.toReversed() as [number, number, number?];
  const counts = Array.from({ length: count }, (_, z) =>
    count === 1 ? 1 : foreground(labels, image, z * width * height, (z + 1) * width * height),
  );
  const most = Math.max(...counts);
  return { at: most === 0 ? Math.floor(count / 2) : counts.indexOf(most), count, height, width };
}

/** @param code what is said of a place, which is counted over all slices. */
function maskOf({ at, width, height }: Slice, code: (place: number) => number): Mask {
  const codes = Int32Array.from({ length: width * height }, (_, i) => code(at * width * height + i));
  return { width, height, codes };
}

/** What a network answers on an image of a batch. */
function answerOf(output: Tensor, { meaning }: Network, row: number, slice: Slice): Mask {
  const { shape, ...rest } = channelsFirst(output, meaning);
  const values = numbersOf({ shape, ...rest });
  const channels = shape[1];
  const places = product(shape.slice(2));
  const start = row * channels * places;
  if (meaning.activation === 'softmax') return maskOf(slice, place => argmax(values, start + place, places, channels));
  const threshold = thresholdOf(meaning);
  return maskOf(slice, place => {
    let code = 0;
    for (let region = 0; region < channels; region++) {
      if (values[start + region * places + place] > threshold) code |= 1 << region;
    }
    return code;
  });
}

/** The slice of an image that lies where that of its labels does. @param shape [C, spatial...]. */
function planeOf(data: Float32Array, [channels, ...axes]: readonly number[], { at, count }: Slice): Plane {
  const [width, height, depth = 1] = axes.toReversed() as [number, number, number?];
  const z = Math.min(depth - 1, Math.floor(((at + 0.5) * depth) / count));
  const shown = channels === 3 ? 3 : 1;
  const plane = new Float32Array(shown * width * height);
  for (let channel = 0; channel < shown; channel++) {
    const from = (channel * depth + z) * width * height;
    plane.set(data.subarray(from, from + width * height), channel * width * height);
  }
  return { width, height, channels: shown, data: plane };
}
