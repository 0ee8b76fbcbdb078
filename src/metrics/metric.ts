/**
 * What a network is scored by. A metric takes outputs batch by batch and keeps one small record per image, so that a test set
 * need not be in memory, and any subset (a fold, a group) can be scored afterwards without running the network again.
 */

import { SutureError } from '../../ir/errors.ts';
import { groupedBy } from '../../ir/grouped.ts';
import { product, sameNumbers } from '../../ir/numbers.ts';
import type { ClassLabels, Labels, RegionLabels } from '../data/labels.ts';

export const metricNames = ['dice', 'dice-foreground', 'accuracy', 'mse'] as const;
export type MetricName = (typeof metricNames)[number];

/** What metrics are called in tables and figures. */
export const metricTitles: { readonly [M in MetricName]: string } = {
  dice: 'Dice',
  'dice-foreground': 'Dice, foreground',
  accuracy: 'accuracy',
  mse: 'MSE',
};

/** Whether there is a pooled score that differs from the score. */
export const isPooled = (metric: MetricName): boolean => metric === 'dice' || metric === 'dice-foreground';

/** Raw or normalised network outputs for a batch: [n, K, spatial...] in C order for classes and regions, [n, ...] for values. */
export interface Outputs {
  readonly data: ArrayLike<number>;
  readonly shape: readonly number[];
  /** Of regions: above it a channel says yes. Default 0, as of logits; ½ of probabilities. */
  readonly threshold?: number;
}

/** The score of one foreground class or region. NaN where it is undefined: no case has anything to count (mean), or no pixel (pooled). */
export interface ClassScore {
  /** The class, or the channel of the region from 1 on. */
  readonly class: number;
  /** `class 2`, `region 2+3`. */
  readonly name: string;
  /** Mean over the cases that count. */
  readonly mean: number;
  /** One ratio over all pixels of all images. */
  readonly pooled: number;
  /** How many cases count; of `dice-foreground`, images. */
  readonly cases: number;
}

export interface Score {
  readonly metric: MetricName;
  /** The number that is compared: for Dice, the mean of the classes' means. NaN when nothing could be scored. */
  readonly value: number;
  /** For Dice, the mean of the classes' pooled scores; otherwise the value again. */
  readonly pooled: number;
  readonly images: number;
  /** Dice only: one entry per foreground class or region. */
  readonly classes: readonly ClassScore[];
}

/** What one class of one case has: counts of pixels, and their Dice, which is NaN where all are 0. */
export interface CaseScore {
  /** The case by its `id`; where images are cases, by their number from 0 on. */
  readonly case: number;
  /** The class, or the channel of the region from 1 on. */
  readonly class: number;
  readonly name: string;
  readonly tp: number;
  readonly fp: number;
  readonly fn: number;
  readonly tn: number;
  readonly dice: number;
}

/** Accumulates outputs in any order and batch size; every image at most once. */
export interface Metric {
  readonly name: MetricName;
  /** Whether a larger value is better. */
  readonly higherIsBetter: boolean;
  /**
   * Takes the outputs of the images `first`, `first + 1`, … of the labelled data.
   * @throws SutureError `data-invalid` when they do not fit the labels.
   */
  add(outputs: Outputs, first: number): void;
  /** The score of some images (by number, each counting once), or of all that were added. */
  score(images?: Iterable<number>): Score;
  /** Of Dice, every class of every case; of others nothing. */
  cases(): readonly CaseScore[];
  /**
   * What the value is made of: for each class a sum and the number of its summands, one pair after the other. Terms of images
   * that share no case add up to those of all of them, and {@link valueOfTerms} makes the value of them.
   */
  terms(images: Iterable<number>): Float64Array<ArrayBuffer>;
}

/** The mean over classes of what terms say, without those that nothing was summed for; NaN where none is left. */
export function valueOfTerms(terms: Float64Array): number {
  let [sum, classes] = [0, 0];
  for (let i = 0; i < terms.length; i += 2) {
    if (terms[i + 1] === 0) continue;
    sum += terms[i] / terms[i + 1];
    classes++;
  }
  return sum / classes;
}

/** What one image contributes: counts, or a sum and a count. */
export type Tally = Float64Array<ArrayBuffer>;

/** The part of a metric that knows nothing of what is counted. */
export abstract class Accumulator<L extends Labels = Labels> implements Metric {
  abstract readonly name: MetricName;
  abstract readonly higherIsBetter: boolean;
  readonly #records = new Map<number, Tally>();
  protected readonly labels: L;

  constructor(labels: L) {
    this.labels = labels;
  }

  protected check(shape: readonly number[]): void {
    const labels: Labels = this.labels;
    if (labels.kind !== 'values') requireFitting(shape, labels);
  }
  protected abstract record(outputs: Outputs, row: number, image: number): Tally;
  protected abstract scoreOf(images: readonly number[]): Score;
  abstract terms(images: Iterable<number>): Float64Array<ArrayBuffer>;

  add(outputs: Outputs, first: number): void {
    this.check(outputs.shape);
    const count = outputs.shape[0];
    if ((first + count) * product(this.labels.shape) > this.labels.data.length) {
      throw new SutureError('data-invalid', `There are outputs for ${first + count} images and labels for fewer.`);
    }
    const { data } = outputs;
    for (let i = 0; i < data.length; i++) {
      if (!Number.isNaN(data[i])) continue;
      const image = first + Math.floor((i * count) / data.length);
      throw new SutureError(
        'output-not-finite',
        `The output for image ${image} has NaN in it, and is no answer that could be scored: the network or its stitches are broken.`,
      );
    }
    for (let row = 0; row < count; row++) this.#records.set(first + row, this.record(outputs, row, first + row));
  }

  score(images: Iterable<number> = this.images()): Score {
    return this.scoreOf([...new Set(images)]);
  }

  cases(): readonly CaseScore[] {
    return [];
  }

  /** The images that were added, ascending. */
  protected images(): readonly number[] {
    return [...this.#records.keys()].sort((p, q) => p - q);
  }

  protected recordOf(image: number): Tally {
    const record = this.#records.get(image);
    if (!record) throw new RangeError(`Image ${image} has not been scored.`);
    return record;
  }
}

/** Refuses outputs that do not fit the labels. */
export function refuse(what: string, shape: readonly number[], labels: readonly number[]): never {
  const text = `${what} needs outputs that fit labels of the shape [N, ${labels.join(', ')}], not [${shape.join(', ')}].`;
  throw new SutureError('data-invalid', text.replace(', ]', ']'));
}

/** Checks outputs, [n, K, spatial...] of classes or [n, R, spatial...] of regions, against the labels. @throws SutureError `data-invalid`. */
export function requireFitting(shape: readonly number[], labels: ClassLabels | RegionLabels): void {
  const wanted = labels.kind === 'classes' ? [labels.classes, ...labels.shape] : labels.shape;
  const what = labels.kind === 'classes' ? `${labels.classes} classes` : `${labels.names.length} regions`;
  if (!sameNumbers(shape.slice(1), wanted)) refuse(`A score over ${what}`, shape, labels.shape);
}

/** Images by fold, folds in ascending order. */
export const imagesByFold = (fold: readonly number[]): ReadonlyMap<number, readonly number[]> =>
  new Map([...groupedBy(fold.keys(), image => fold[image])].sort(([a], [b]) => a - b));
