/** Scores that are one ratio over all images: accuracy, and the mean squared error. */
import { product, sameNumbers } from '../../ir/numbers.ts';
import type { ClassLabels, Labels, RegionLabels, ValueLabels } from '../data/labels.ts';
import { argmax } from '../network/outputs.ts';
import { Accumulator, type Metric, type Outputs, refuse, type Score, type Tally, valueOfTerms } from './metric.ts';

/** The sum of the records' first numbers over that of their second. */
abstract class Ratio<L extends Labels> extends Accumulator<L> {
  terms(images: Iterable<number>): Float64Array<ArrayBuffer> {
    const terms = new Float64Array(2);
    for (const image of images) {
      const [sum, count] = this.recordOf(image);
      terms[0] += sum;
      terms[1] += count;
    }
    return terms;
  }

  protected scoreOf(images: readonly number[]): Score {
    const value = valueOfTerms(this.terms(images));
    return { metric: this.name, value, pooled: value, images: images.length, classes: [] };
  }
}

class ClassAccuracy extends Ratio<ClassLabels> {
  readonly name = 'accuracy';
  readonly higherIsBetter = true;

  protected record({ data }: Outputs, row: number, image: number): Tally {
    const { shape, classes, data: labels, ignore } = this.labels;
    const pixels = product(shape);
    const start = row * classes * pixels;
    let [right, counted] = [0, 0];
    for (let pixel = 0; pixel < pixels; pixel++) {
      const labelled = labels[image * pixels + pixel];
      if (labelled === ignore) continue;
      counted++;
      if (argmax(data, start + pixel, pixels, classes) === labelled) right++;
    }
    return Float64Array.of(right, counted);
  }
}

class RegionAccuracy extends Ratio<RegionLabels> {
  readonly name = 'accuracy';
  readonly higherIsBetter = true;

  protected record({ data, threshold = 0 }: Outputs, row: number, image: number): Tally {
    const { shape, data: labels, ignore } = this.labels;
    const values = product(shape);
    let [right, counted] = [0, 0];
    for (let i = 0; i < values; i++) {
      const labelled = labels[image * values + i];
      if (labelled === ignore) continue;
      counted++;
      if (data[row * values + i] > threshold === labelled > 0) right++;
    }
    return Float64Array.of(right, counted);
  }
}

class MeanSquaredError extends Ratio<ValueLabels> {
  readonly name = 'mse';
  readonly higherIsBetter = false;

  protected override check(shape: readonly number[]): void {
    // An output of one channel may keep its axis: [n, 1] against labels [N].
    const wide = (dims: readonly number[]) => dims.filter(dim => dim !== 1);
    const fits = shape.length > 0 && sameNumbers(wide(shape.slice(1)), wide(this.labels.shape));
    if (!fits) refuse('The mean squared error', shape, this.labels.shape);
  }

  protected record({ data }: Outputs, row: number, image: number): Tally {
    const values = product(this.labels.shape);
    let squares = 0;
    for (let i = 0; i < values; i++) squares += (data[row * values + i] - this.labels.data[image * values + i]) ** 2;
    return Float64Array.of(squares, values);
  }
}

/** The share of images (or, with dense labels, of pixels) whose argmax is the label; of regions, the share of right answers. */
export const accuracyMetric = (labels: ClassLabels | RegionLabels): Metric =>
  labels.kind === 'classes' ? new ClassAccuracy(labels) : new RegionAccuracy(labels);

/** The mean of squared differences over all values of all images. */
export const errorMetric = (labels: ValueLabels): Metric => new MeanSquaredError(labels);
