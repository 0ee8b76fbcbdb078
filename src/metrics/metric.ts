/**
 * Scores of a network on labelled data. A metric takes outputs batch by batch and keeps one small record per image, so that
 * a test set need not be in memory, and any subset (a fold, a group) can be scored afterwards without running the network
 * again.
 */
import { SutureError } from '../../ir/errors.ts';
import { type ClassLabels, isDense, type Labels, type RegionLabels, type ValueLabels } from '../data/labels.ts';
import { argmax } from '../network/outputs.ts';

export type MetricName = 'dice' | 'accuracy' | 'mse';

/** Raw or normalised network outputs for a batch: [n, K, spatial...] in C order for classes and regions, [n, ...] for values. */
export interface Outputs {
  readonly data: ArrayLike<number>;
  readonly shape: readonly number[];
  /** Of regions: above it a channel says yes. Default 0, as of logits; ½ of probabilities. */
  readonly threshold?: number;
}

/** The score of one foreground class or region. NaN where it is undefined: no image has the class (mean), or no pixel (pooled). */
export interface ClassScore {
  /** The class, or the channel of the region from 1 on. */
  readonly class: number;
  /** `class 2`, `region 2+3`. */
  readonly name: string;
  /** Mean over the images whose label has the class. */
  readonly mean: number;
  /** One ratio over all pixels of all images. */
  readonly pooled: number;
  /** How many images' labels have the class. */
  readonly images: number;
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
  /** The score of some images (by number), or of all that were added. */
  score(images?: Iterable<number>): Score;
}

/** What one image contributes. Dice: (both, predicted, labelled) per foreground class or region. Otherwise: (sum, count). */
type Record = Float64Array;

abstract class Accumulator<L extends Labels = Labels> implements Metric {
  abstract readonly name: MetricName;
  abstract readonly higherIsBetter: boolean;
  readonly #records = new Map<number, Record>();
  protected readonly labels: L;

  constructor(labels: L) {
    this.labels = labels;
  }

  protected abstract check(shape: readonly number[]): void;
  protected abstract record(outputs: Outputs, row: number, image: number): Record;
  protected abstract summarise(records: readonly Record[]): Score;

  add(outputs: Outputs, first: number): void {
    this.check(outputs.shape);
    const count = outputs.shape[0]!;
    if ((first + count) * size(this.labels.shape) > this.labels.data.length) {
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

  score(images: Iterable<number> = this.#records.keys()): Score {
    return this.summarise(Array.from(images, image => this.#recordOf(image)));
  }

  #recordOf(image: number): Record {
    const record = this.#records.get(image);
    if (!record) throw new RangeError(`Image ${image} has not been scored.`);
    return record;
  }
}

const size = (shape: readonly number[]): number => shape.reduce((product, dim) => product * dim, 1);
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const same = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((d, i) => d === b[i]);

function refuse(what: string, shape: readonly number[], labels: readonly number[]): never {
  const text = `${what} needs outputs that fit labels of the shape [N, ${labels.join(', ')}], not [${shape.join(', ')}].`;
  throw new SutureError('data-invalid', text.replace(', ]', ']'));
}

/** Counts of (both, predicted, labelled) places for each class or region. */
abstract class Dice<L extends ClassLabels | RegionLabels> extends Accumulator<L> {
  readonly name = 'dice';
  readonly higherIsBetter = true;

  /** What is scored, in the order of the counts. */
  protected abstract scored(): readonly { readonly class: number; readonly name: string }[];

  protected summarise(records: readonly Record[]): Score {
    const classes = this.scored().map(({ class: number, name }, i): ClassScore => {
      const at = 3 * i;
      const having = records.filter(record => record[at + 2]! > 0);
      const ratio = (r: ArrayLike<number>, from: number) => (2 * r[from]!) / (r[from + 1]! + r[from + 2]!);
      const totals = [0, 1, 2].map(k => records.reduce((sum, record) => sum + record[at + k]!, 0));
      return {
        class: number,
        name,
        mean: mean(having.map(record => ratio(record, at))),
        pooled: ratio(totals, 0),
        images: having.length,
      };
    });
    const scored = (key: 'mean' | 'pooled') => classes.map(score => score[key]).filter(score => !Number.isNaN(score));
    return {
      metric: 'dice',
      value: mean(scored('mean')),
      pooled: mean(scored('pooled')),
      images: records.length,
      classes,
    };
  }
}

class ClassDice extends Dice<ClassLabels> {
  protected check(shape: readonly number[]): void {
    requireClasses(shape, this.labels);
  }

  protected scored() {
    return Array.from({ length: this.labels.classes - 1 }, (_, i) => ({ class: i + 1, name: `class ${i + 1}` }));
  }

  protected record({ data }: Outputs, row: number, image: number): Record {
    const { shape, classes, data: labels, ignore } = this.labels;
    const pixels = size(shape);
    const start = row * classes * pixels;
    const record = new Float64Array(3 * (classes - 1));
    for (let pixel = 0; pixel < pixels; pixel++) {
      const labelled = labels[image * pixels + pixel]!;
      if (labelled === ignore) continue;
      const predicted = argmax(data, start + pixel, pixels, classes);
      if (predicted > 0) record[3 * (predicted - 1) + 1]!++;
      if (labelled > 0) record[3 * (labelled - 1) + 2]!++;
      if (predicted > 0 && predicted === labelled) record[3 * (predicted - 1)]!++;
    }
    return record;
  }
}

class RegionDice extends Dice<RegionLabels> {
  protected check(shape: readonly number[]): void {
    requireRegions(shape, this.labels);
  }

  protected scored() {
    const { names } = this.labels;
    return names.map((name, i) => ({ class: i + 1, name: names.length === 1 ? `class ${i + 1}` : `region ${name}` }));
  }

  protected record({ data, threshold = 0 }: Outputs, row: number, image: number): Record {
    const { shape, names, data: labels, ignore } = this.labels;
    const values = size(shape);
    const pixels = values / names.length;
    const record = new Float64Array(3 * names.length);
    for (let i = 0; i < values; i++) {
      const labelled = labels[image * values + i]!;
      if (labelled === ignore) continue;
      const at = 3 * Math.floor(i / pixels);
      const predicted = data[row * values + i]! > threshold;
      if (predicted) record[at + 1]!++;
      if (labelled > 0) record[at + 2]!++;
      if (predicted && labelled > 0) record[at]!++;
    }
    return record;
  }
}

function requireClasses(shape: readonly number[], { classes, shape: labels }: ClassLabels): void {
  const fits = shape[1] === classes && same(shape.slice(2), labels);
  if (!fits) refuse(`A score over ${classes} classes`, shape, labels);
}

function requireRegions(shape: readonly number[], { names, shape: labels }: RegionLabels): void {
  const fits = same(shape.slice(1), labels);
  if (!fits) refuse(`A score over ${names.length} regions`, shape, labels);
}

/** The sum of the records' first numbers over that of their second. */
function ratioOf(metric: MetricName, records: readonly Record[]): Score {
  const sum = records.reduce((total, record) => total + record[0]!, 0);
  const count = records.reduce((total, record) => total + record[1]!, 0);
  return { metric, value: sum / count, pooled: sum / count, images: records.length, classes: [] };
}

class ClassAccuracy extends Accumulator<ClassLabels> {
  readonly name = 'accuracy';
  readonly higherIsBetter = true;

  protected check(shape: readonly number[]): void {
    requireClasses(shape, this.labels);
  }

  protected record({ data }: Outputs, row: number, image: number): Record {
    const { shape, classes, data: labels, ignore } = this.labels;
    const pixels = size(shape);
    const start = row * classes * pixels;
    let [right, counted] = [0, 0];
    for (let pixel = 0; pixel < pixels; pixel++) {
      const labelled = labels[image * pixels + pixel]!;
      if (labelled === ignore) continue;
      counted++;
      if (argmax(data, start + pixel, pixels, classes) === labelled) right++;
    }
    return Float64Array.of(right, counted);
  }

  protected summarise(records: readonly Record[]): Score {
    return ratioOf('accuracy', records);
  }
}

class RegionAccuracy extends Accumulator<RegionLabels> {
  readonly name = 'accuracy';
  readonly higherIsBetter = true;

  protected check(shape: readonly number[]): void {
    requireRegions(shape, this.labels);
  }

  protected record({ data, threshold = 0 }: Outputs, row: number, image: number): Record {
    const { shape, data: labels, ignore } = this.labels;
    const values = size(shape);
    let [right, counted] = [0, 0];
    for (let i = 0; i < values; i++) {
      const labelled = labels[image * values + i]!;
      if (labelled === ignore) continue;
      counted++;
      if (data[row * values + i]! > threshold === labelled > 0) right++;
    }
    return Float64Array.of(right, counted);
  }

  protected summarise(records: readonly Record[]): Score {
    return ratioOf('accuracy', records);
  }
}

class MeanSquaredError extends Accumulator<ValueLabels> {
  readonly name = 'mse';
  readonly higherIsBetter = false;

  protected check(shape: readonly number[]): void {
    // An output of one channel may keep its axis: [n, 1] against labels [N].
    const wide = (dims: readonly number[]) => dims.filter(dim => dim !== 1);
    const fits = shape.length > 0 && same(wide(shape.slice(1)), wide(this.labels.shape));
    if (!fits) refuse('The mean squared error', shape, this.labels.shape);
  }

  protected record({ data }: Outputs, row: number, image: number): Record {
    const values = size(this.labels.shape);
    let squares = 0;
    for (let i = 0; i < values; i++) squares += (data[row * values + i]! - this.labels.data[image * values + i]!) ** 2;
    return Float64Array.of(squares, values);
  }

  protected summarise(records: readonly Record[]): Score {
    return ratioOf('mse', records);
  }
}

/**
 * Dice per foreground class on the argmax, or per region above the threshold.
 *
 * An image counts for the mean of a class when its label has the class; the pooled score counts every pixel of every
 * image. Probabilities and logits give the same result, so long as they have the same argmax.
 */
export const diceMetric = (labels: ClassLabels | RegionLabels): Metric =>
  labels.kind === 'classes' ? new ClassDice(labels) : new RegionDice(labels);

/** The share of images (or, with dense labels, of pixels) whose argmax is the label; of regions, the share of right answers. */
export const accuracyMetric = (labels: ClassLabels | RegionLabels): Metric =>
  labels.kind === 'classes' ? new ClassAccuracy(labels) : new RegionAccuracy(labels);

/** The mean of squared differences over all values of all images. */
export const errorMetric = (labels: ValueLabels): Metric => new MeanSquaredError(labels);

/** The metric that suits the labels: Dice for dense classes and regions, accuracy for one answer per image, the mean squared error for real values. */
export function metricFor(labels: Labels): Metric {
  if (labels.kind === 'values') return errorMetric(labels);
  return isDense(labels) ? diceMetric(labels) : accuracyMetric(labels);
}

/** Images by fold, folds in ascending order. */
export function imagesByFold(fold: readonly number[]): ReadonlyMap<number, readonly number[]> {
  const folds = new Map<number, number[]>();
  for (const number of [...new Set(fold)].sort((a, b) => a - b)) folds.set(number, []);
  fold.forEach((number, image) => {
    folds.get(number)!.push(image);
  });
  return folds;
}
