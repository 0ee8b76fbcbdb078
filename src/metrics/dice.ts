/**
 * Dice, 2 TP / (2 TP + FP + FN) of the pixels of a class or a region: per case, as nnU-Net v2 counts it, or over the images whose label
 * has the class.
 */
import { mean, product } from '../../ir/numbers.ts';
import type { ClassLabels, RegionLabels } from '../data/labels.ts';
import { argmax } from '../network/outputs.ts';
import {
  Accumulator,
  type CaseScore,
  type Metric,
  type Outputs,
  type Score,
  type Tally,
  valueOfTerms,
} from './metric.ts';

/** Where the counts of a class stand in a record, from four times its number on: in both, in the answer, in the label, and all that counts. */
const [both, predicted, labelled, places] = [0, 1, 2, 3];
const stride = 4;

/** What is counted together, and when it counts. */
interface Counting {
  readonly name: 'dice' | 'dice-foreground';
  /** The case that an image is of. */
  readonly caseOf: (image: number) => number;
  /** Whether a case says anything of the class whose counts begin at `at`. */
  readonly counts: (record: Tally, at: number) => boolean;
}

/** The foreground classes or the regions, in the order of what is kept of each. */
export const scoredClasses = (
  labels: ClassLabels | RegionLabels,
): readonly { readonly class: number; readonly name: string }[] =>
  labels.kind === 'regions' && labels.names.length > 1
    ? labels.names.map((name, i) => ({ class: i + 1, name: `region ${name}` }))
    : Array.from({ length: labels.kind === 'regions' ? 1 : labels.classes - 1 }, (_, i) => ({
        class: i + 1,
        name: `class ${i + 1}`,
      }));

/** Counts of (both, predicted, labelled, all) pixels for each foreground class or region of each image. */
abstract class Dice<L extends ClassLabels | RegionLabels> extends Accumulator<L> {
  readonly #counting: Counting;
  readonly higherIsBetter = true;

  constructor(labels: L, counting: Counting) {
    super(labels);
    this.#counting = counting;
  }

  get name() {
    return this.#counting.name;
  }

  /** The counts of each case over some of its images. */
  #cases(images: Iterable<number>): ReadonlyMap<number, Tally> {
    const cases = new Map<number, Tally>();
    for (const image of images) {
      const record = this.recordOf(image);
      const key = this.#counting.caseOf(image);
      const sums = cases.get(key);
      if (!sums) cases.set(key, record.slice());
      else for (let i = 0; i < sums.length; i++) sums[i] += record[i];
    }
    return cases;
  }

  terms(images: Iterable<number>): Float64Array<ArrayBuffer> {
    const classes = scoredClasses(this.labels).length;
    const terms = new Float64Array(2 * classes);
    for (const record of this.#cases(images).values()) {
      for (let k = 0; k < classes; k++) {
        if (!this.#counting.counts(record, stride * k)) continue;
        terms[2 * k] += ratio(record, stride * k);
        terms[2 * k + 1]++;
      }
    }
    return terms;
  }

  override cases(): readonly CaseScore[] {
    const classes = scoredClasses(this.labels);
    return Array.from(this.#cases(this.images()), ([key, record]) =>
      classes.map((what, k) => {
        const [tp, answered, there, all] = record.subarray(stride * k);
        const [fp, fn] = [answered - tp, there - tp];
        return { case: key, ...what, tp, fp, fn, tn: all - tp - fp - fn, dice: ratio(record, stride * k) };
      }),
    ).flat();
  }

  protected scoreOf(images: readonly number[]): Score {
    const terms = this.terms(images);
    const scored = scoredClasses(this.labels);
    const totals = new Float64Array(stride * scored.length);
    for (const image of images) {
      const record = this.recordOf(image);
      for (let i = 0; i < totals.length; i++) totals[i] += record[i];
    }
    const classes = scored.map((what, k) => ({
      ...what,
      mean: terms[2 * k] / terms[2 * k + 1],
      pooled: ratio(totals, stride * k),
      cases: terms[2 * k + 1],
    }));
    const pooled = classes.map(score => score.pooled).filter(value => !Number.isNaN(value));
    return {
      metric: this.name,
      value: valueOfTerms(terms),
      pooled: mean(pooled),
      images: images.length,
      classes,
    };
  }
}

/** Two times what both have over what either has: 2 TP / (2 TP + FP + FN). */
const ratio = (record: Tally, at: number): number =>
  (2 * record[at + both]) / (record[at + predicted] + record[at + labelled]);

class ClassDice extends Dice<ClassLabels> {
  protected record({ data }: Outputs, row: number, image: number): Tally {
    const { shape, classes, data: labels, ignore } = this.labels;
    const pixels = product(shape);
    const start = row * classes * pixels;
    const record = new Float64Array(stride * (classes - 1));
    let counted = 0;
    for (let pixel = 0; pixel < pixels; pixel++) {
      const label = labels[image * pixels + pixel];
      if (label === ignore) continue;
      counted++;
      const answer = argmax(data, start + pixel, pixels, classes);
      if (answer > 0) record[stride * (answer - 1) + predicted]++;
      if (label > 0) record[stride * (label - 1) + labelled]++;
      if (answer > 0 && answer === label) record[stride * (answer - 1) + both]++;
    }
    for (let k = 0; k < classes - 1; k++) record[stride * k + places] = counted;
    return record;
  }
}

class RegionDice extends Dice<RegionLabels> {
  protected record({ data, threshold = 0 }: Outputs, row: number, image: number): Tally {
    const { shape, names, data: labels, ignore } = this.labels;
    const values = product(shape);
    const pixels = values / names.length;
    const record = new Float64Array(stride * names.length);
    for (let i = 0; i < values; i++) {
      const label = labels[image * values + i];
      if (label === ignore) continue;
      const at = stride * Math.floor(i / pixels);
      record[at + places]++;
      const answer = data[row * values + i] > threshold;
      if (answer) record[at + predicted]++;
      if (label > 0) record[at + labelled]++;
      if (answer && label > 0) record[at + both]++;
    }
    return record;
  }
}

const counted = (labels: ClassLabels | RegionLabels, counting: Counting): Metric =>
  labels.kind === 'classes' ? new ClassDice(labels, counting) : new RegionDice(labels, counting);

/**
 * Dice as nnU-Net v2 counts it: per case and foreground class (on the argmax) or region (above the threshold) over all pixels of the
 * case, left out where neither label nor answer has any, and so 0 where there are false positives alone; the mean over cases, then over
 * classes.
 *
 * Probabilities and logits give the same result, so long as they have the same argmax.
 *
 * @param id The case of each image; where it is not given, each image is one.
 */
export const diceMetric = (labels: ClassLabels | RegionLabels, id?: readonly number[]): Metric =>
  counted(labels, {
    name: 'dice',
    caseOf: image => id?.[image] ?? image,
    counts: (record, at) => record[at + predicted] + record[at + labelled] > 0,
  });

/** The mean over the images whose label has the class, so that false positives elsewhere are not seen; then over classes. */
export const foregroundDiceMetric = (labels: ClassLabels | RegionLabels): Metric =>
  counted(labels, {
    name: 'dice-foreground',
    caseOf: image => image,
    counts: (record, at) => record[at + labelled] > 0,
  });
