/**
 * Whether two parents mean the same by their answers, before long work on them. Their answers to some of the own images are compared
 * class by class; where they agree badly, it is tried whether another order of the partner's classes, or another scale of the images that
 * it is given, makes them agree.
 */
import { type Graph, numbersOf, type Tensor } from '../../ir/index.ts';
import type { ClassMap, OutputMeaning, Tag } from '../../passes/index.ts';
import { type Dataset, gatherImages } from '../data/dataset.ts';
import { type Opening, throwIfInterrupted, type WorkOptions } from '../execution/progress.ts';
import { type Answers, type Asking, imagesToLookAt, withAnswers } from './answers.ts';
import { bestAssignment } from './assignment.ts';
import type { Network } from './network.ts';
import { argmax, channelsFirst, thresholdOf } from './outputs.ts';
import { tagOf } from './tags.ts';

/** How the first parent agrees with a partner. */
export interface PartnerAgreement extends AnswerAgreement {
  readonly partner: Tag;
  /** The map by which its channels were put in the first network's order already; absent where they are as its file has them. */
  readonly classes?: ClassMap;
}

/** A network whose channels may have been put in another order. */
type Ordered = Network & { readonly classes?: ClassMap | undefined };

/** `x · scale + offset`, done to every number of an image. */
export interface Affine {
  readonly scale: number;
  readonly offset: number;
}

export interface AnswerAgreement {
  /** How many images were looked at. */
  readonly images: number;
  /** The mean over classes (or regions) of the Dice of the one network's answers with the other's. */
  readonly agreement: number;
  /** Of the places that the first network gives a class (row), how many the second gives each class (column); of regions, overlaps. */
  readonly confusion: readonly (readonly number[])[];
  /** For each class of the first network that of the second that agrees best, where that is another order. */
  readonly order?: { readonly classes: readonly number[]; readonly agreement: number };
  /** What the second network's images would have to be changed by, where that makes the two agree. */
  readonly input?: Affine & { readonly agreement: number };
}

/** From here on nothing is tried: parents of different sites agree by 0.75 and more on either's images. */
const good = 0.7;

/** A remedy must bring so much, and to here at least, to be no chance. */
const gain = 0.2;
const worth = 0.6;

/** Below it networks say the same hardly anywhere. */
const hardly = 0.1;

/**
 * Compares the first parent's answers with each partner's, but for real values, of which there are no classes to compare.
 *
 * @throws SutureError `interrupted`.
 */
export async function compareAnswers(
  open: Opening,
  [own, ...partners]: readonly Ordered[],
  dataset: Dataset,
  work: WorkOptions = {},
): Promise<readonly PartnerAgreement[]> {
  if (own.meaning.kind === 'values') return [];
  return withAnswers(open, own.graph, dataset, async ask => {
    const found: PartnerAgreement[] = [];
    for (const [i, partner] of partners.entries()) {
      const agreement = await comparePair({ open, dataset, work }, { ...own, ask }, partner);
      const { classes } = partner;
      if (agreement) found.push({ ...agreement, partner: tagOf(i + 1), ...(classes && { classes }) });
    }
    return found;
  });
}

/** A network that is open for questions. */
type Asked = Pick<Network, 'graph' | 'meaning'> & { readonly ask: Asking };

/** What networks are compared with, and on which images. */
interface Comparing {
  readonly open: Opening;
  readonly dataset: Dataset;
  readonly work: WorkOptions;
}

async function comparePair(
  { open, dataset, work }: Comparing,
  a: Asked,
  b: Network,
): Promise<AnswerAgreement | undefined> {
  if (b.meaning.kind === 'values') return undefined;
  const images = imagesToLookAt(dataset, [a.graph, b.graph]);
  const own = await a.ask(images);
  return withAnswers(open, b.graph, dataset, async ask => {
    const theirs = await ask(images);
    const overlaps = overlapsOf(answered(own.output, a.meaning), answered(theirs.output, b.meaning));
    if (!overlaps) return undefined;
    const { confusion, similar } = overlaps;
    const agreement = meanOf(similar.map((row, i) => row[i]));
    const facts = { images: theirs.images.length, agreement, confusion };
    if (!(agreement < good)) return facts;
    const classes = bestAssignment(similar.map(row => row.map(v => (Number.isNaN(v) ? 0 : v))));
    const reordered = meanOf(similar.map((row, i) => row[classes[i]]));
    if (classes.some((c, i) => c !== i) && reordered >= agreement + gain && reordered >= worth) {
      return { ...facts, order: { classes, agreement: reordered } };
    }
    const input = await bestInput({ ...own, graph: a.graph, meaning: a.meaning }, { ...b, ask }, dataset, work);
    return input && input.agreement >= agreement + gain && input.agreement >= worth ? { ...facts, input } : facts;
  });
}

/** In words, what is wrong with the first parent and a partner together, and what to do; none where nothing seems wrong. */
export function disagreementTexts(found: PartnerAgreement): readonly string[] {
  const { agreement, order, input, images, partner } = found;
  const whose = partner === 'b' ? "the parents' answers" : `the answers of parents a and ${partner}`;
  const figure = `On ${images} of the images ${whose} agree by a Dice of ${agreement.toFixed(2)}`;
  if (order) {
    const { classes: said = order.classes.map((_, i) => i) } = found;
    // Of each channel in the partner's file the own class: by the map that there is, and then by what was found of what that gives.
    const classes = said.map(given => (given === null ? null : order.classes.indexOf(given)));
    const pairs = order.classes.flatMap((_, own) =>
      classes.flatMap((c, theirs) =>
        c !== own || said[theirs] === own ? [] : [`${partner}'s ${theirs} is a's ${own}`],
      ),
    );
    return [
      `${figure}, and of ${order.agreement.toFixed(2)} with the channels in another order: ${pairs.join(', ')}. They seem to differ in ` +
        `the order of their classes: say --classes-${partner} ${classes.map(c => c ?? '-').join()} and stitch again.`,
    ];
  }
  if (input) {
    const sign = input.offset < 0 ? '-' : '+';
    const change = `x·${Number(input.scale.toPrecision(3))} ${sign} ${Number(Math.abs(input.offset).toPrecision(3))}`;
    return [
      `${figure}, and of ${input.agreement.toFixed(2)} when ${partner} is given ${change} instead of x. They seem to take images of different ` +
        `scales: put this change in front of ${partner} (a Mul and an Add) and stitch again.`,
    ];
  }
  if (agreement >= hardly) return [];
  return [
    `${figure}, so hardly at all: see whether they solve the same task, with the same classes in the same order, and whether the images ` +
      'are prepared as both expect.',
  ];
}

/** Yes (1) or no (0) of each class or region at each place: [n, C, places]; of a single channel also its no, as class 0. */
interface Answered {
  readonly channels: number;
  readonly places: number;
  readonly yes: Uint8Array;
}

function answered(given: Tensor, meaning: OutputMeaning): Answered {
  const output = channelsFirst(given, meaning);
  const [count, channels, ...spatial] = output.shape as [number, number, ...number[]];
  const places = spatial.reduce((product, dim) => product * dim, 1);
  const values = numbersOf(output);
  const threshold = thresholdOf(meaning);
  const width = meaning.activation === 'sigmoid' && channels === 1 ? 2 : channels;
  const yes = new Uint8Array(count * width * places);
  for (let row = 0; row < count; row++) {
    for (let p = 0; p < places; p++) {
      const to = (k: number): number => (row * width + k) * places + p;
      const start = row * channels * places + p;
      if (meaning.activation === 'softmax') yes[to(argmax(values, start, places, channels))] = 1;
      else if (channels === 1) yes[to(values[start] > threshold ? 1 : 0)] = 1;
      else for (let k = 0; k < channels; k++) yes[to(k)] = values[start + k * places] > threshold ? 1 : 0;
    }
  }
  return { channels: width, places, yes };
}

interface Overlaps {
  readonly confusion: number[][];
  /** The Dice of each class of the one with each of the other; NaN where neither occurs. */
  readonly similar: number[][];
}

/** Undefined where the answers are not of the same places or classes. */
function overlapsOf(a: Answered, b: Answered): Overlaps | undefined {
  const { channels, places, yes } = a;
  if (b.channels !== channels || b.places !== places || b.yes.length !== yes.length) return undefined;
  const confusion = Array.from({ length: channels }, () => Array<number>(channels).fill(0));
  const [inA, inB] = [Array<number>(channels).fill(0), Array<number>(channels).fill(0)];
  for (let at = 0; at < yes.length / channels; at++) {
    const start = Math.floor(at / places) * channels * places + (at % places);
    for (let i = 0; i < channels; i++) {
      inB[i] += b.yes[start + i * places];
      if (yes[start + i * places] === 0) continue;
      inA[i]++;
      for (let j = 0; j < channels; j++) confusion[i][j] += b.yes[start + j * places];
    }
  }
  const similar = confusion.map((row, i) => row.map((both, j) => (2 * both) / (inA[i] + inB[j])));
  return { confusion, similar };
}

/** Without those that are undefined; 1 where all are. */
function meanOf(values: readonly number[]): number {
  const defined = values.filter(v => !Number.isNaN(v));
  return defined.length === 0 ? 1 : defined.reduce((sum, v) => sum + v, 0) / defined.length;
}

/** Scales and places of the partner's usual intensities that are tried, in standard deviations of the own images. */
const scales = [1 / 256, 1 / 64, 1 / 16, 1 / 4, 1 / 2, 1, 2, 4, 16, 64, 256];
const centres = [-2, 0, 1, 2, 3];

/** So many images serve the search, and so much may it cost. */
const searched = 4;

/** The change of the partner's images under which it agrees best: what the graphs say, a coarse grid, and finer steps from its best. */
async function bestInput(
  { output, images, ...a }: Answers & Pick<Network, 'graph' | 'meaning'>,
  b: Asked,
  dataset: Dataset,
  { onProgress, signal }: WorkOptions,
): Promise<(Affine & { agreement: number }) | undefined> {
  const few = images.slice(0, searched);
  const perImage = numbersOf(output).length / images.length;
  const own = answered(
    {
      dtype: 'float32',
      shape: [few.length, ...output.shape.slice(1)],
      data: Float32Array.from(numbersOf(output)).subarray(0, few.length * perImage),
    },
    a.meaning,
  );
  const agreementOf = async ({ scale, offset }: Affine): Promise<number> => {
    throwIfInterrupted(signal, 'The comparison of the parents');
    const found = await b.ask(few, value => value * scale + offset);
    const overlaps =
      found.images.length === few.length ? overlapsOf(own, answered(found.output, b.meaning)) : undefined;
    return overlaps ? meanOf(overlaps.similar.map((row, i) => row[i])) : 0;
  };
  const { mean, deviation } = momentsOf(dataset);
  const ofGraphs = inputBetween(a.graph, b.graph);
  const grid = scales.flatMap(s =>
    centres.map(c => ({ scale: s / deviation, offset: s * c - (s * mean) / deviation })),
  );
  const candidates = [...(ofGraphs ? [ofGraphs] : []), ...grid];
  let best: (Affine & { agreement: number }) | undefined;
  const consider = async (candidate: Affine): Promise<void> => {
    const agreement = await agreementOf(candidate);
    if (!best || agreement > best.agreement) best = { ...candidate, agreement };
  };
  const total = candidates.length;
  const stage = 'comparing the parents';
  for (const [done, candidate] of candidates.entries()) {
    onProgress?.({ stage, done, total });
    await consider(candidate);
    if (best && best.agreement >= good) break;
  }
  for (const step of [1, 0.5]) {
    const { scale, offset } = best!;
    const centre = scale * mean + offset;
    for (const factor of [2 ** (-step / 2), 1, 2 ** (step / 2)]) {
      for (const shift of [-step, 0, step]) {
        if (best!.agreement >= good) break;
        const finer = scale * factor;
        await consider({ scale: finer, offset: centre + (shift * finer * deviation) / 2 - finer * mean });
      }
    }
  }
  onProgress?.({ stage, done: total, total });
  return best;
}

function momentsOf(dataset: Dataset): { readonly mean: number; readonly deviation: number } {
  const { count, images } = dataset;
  let [sum, squares] = [0, 0];
  for (let image = 0; image < count; image++) {
    for (const value of gatherImages(dataset, [image])) {
      sum += value;
      squares += value * value;
    }
  }
  const mean = sum / images.length;
  return { mean, deviation: Math.sqrt(Math.max(1e-12, squares / images.length - mean ** 2)) };
}

/** What makes the second network see what the first does, if their graphs begin by numbers that say how each prepares its images. */
function inputBetween(a: Graph, b: Graph): Affine | undefined {
  const [p, q] = [preparationOf(a), preparationOf(b)];
  if (q.scale === 0 || (p.scale === q.scale && p.offset === q.offset)) return undefined;
  return { scale: p.scale / q.scale, offset: (p.offset - q.offset) / q.scale };
}

/** What a network does to its input before anything else, as far as it is sums and products with single numbers: `(x - m) / s`. */
export function preparationOf(graph: Graph): Affine {
  let value = graph.inputs[0];
  let [scale, offset] = [1, 0];
  for (;;) {
    const [node, ...others] = graph.consumers(value);
    if (!node || others.length > 0) return { scale, offset };
    const [x, y] = node.inputs;
    const constant = (x === value ? y : x)?.constant;
    const number = constant?.data.length === 1 ? numbersOf(constant)[0] : Number.NaN;
    if (node.op === 'Identity' || node.op === 'Cast' || node.op === 'Transpose') {
      value = node.outputs[0];
      continue;
    }
    if (Number.isNaN(number)) return { scale, offset };
    if (node.op === 'Add') offset += number;
    else if (node.op === 'Mul') [scale, offset] = [scale * number, offset * number];
    else if (node.op === 'Sub' && x === value) offset -= number;
    else if (node.op === 'Div' && x === value) [scale, offset] = [scale / number, offset / number];
    else return { scale, offset };
    value = node.outputs[0];
  }
}
