/** How stitched features lie to the features that they stand for: what no label and no output is needed for. */
import { numbersOf } from '../../../ir/index.ts';
import { type ErrorStatistic, errorStatisticName, stitchErrors } from '../../../passes/index.ts';
import { batchesOf, batchSizes } from '../../data/batches.ts';
import type { Dataset } from '../../data/dataset.ts';
import { Runnable } from '../../execution/execute.ts';
import { imagesAtATime } from '../../execution/fixed-batch.ts';
import { type Execution, throwIfInterrupted } from '../../execution/progress.ts';
import type { TrainedNetwork } from '../../network/network.ts';

/** What a stitch makes of its source, against the feature that it stands for, on some images. */
export interface StitchError {
  readonly position: number;
  readonly from: string;
  readonly to: string;
  /** The squared error over the feature's variance, both summed over channels: 0 is no error, 1 that of a constant. */
  readonly residual: number;
  /**
   * How far apart the channels' distributions are, as normal ones: the root of Σ (Δmean² + Δdeviation²) / Σ variance over channels. Least
   * squares stay below 1 on what they were fitted to, where all that they can do is shrink to the mean.
   */
  readonly distance: number;
  /** The root of Σ Δmean² / Σ variance. */
  readonly meanShift: number;
  /** Σ of the stitched variances / Σ variance. */
  readonly varianceRatio: number;
}

const usualBatch = 8;

/** Means and variances of channels over batches, in double precision, by the parallel formula of Chan, Golub and LeVeque (1979). */
class Moments {
  readonly mean: Float64Array;
  readonly variance: Float64Array;
  #images = 0;

  constructor(channels: number) {
    this.mean = new Float64Array(channels);
    this.variance = new Float64Array(channels);
  }

  add(mean: ArrayLike<number>, variance: ArrayLike<number>, images: number): void {
    this.#images += images;
    const share = images / this.#images;
    for (let c = 0; c < this.mean.length; c++) {
      const apart = mean[c] - this.mean[c];
      this.variance[c] += share * (variance[c] - this.variance[c]) + share * (1 - share) * apart ** 2;
      this.mean[c] += share * apart;
    }
  }
}

/** Of one stitch, over all batches. */
class Collected {
  readonly #own: Moments;
  readonly #stitched: Moments;
  #error = 0;
  #images = 0;

  constructor(channels: number) {
    this.#own = new Moments(channels);
    this.#stitched = new Moments(channels);
  }

  add(found: (key: ErrorStatistic) => ArrayLike<number>, images: number): void {
    this.#images += images;
    this.#own.add(found('mean'), found('variance'), images);
    this.#stitched.add(found('stitched mean'), found('stitched variance'), images);
    this.#error += (images / this.#images) * (sumOf(found('squared error')) - this.#error);
  }

  get error(): Omit<StitchError, 'position' | 'from' | 'to'> {
    const [own, stitched] = [this.#own, this.#stitched];
    const whole = sumOf(own.variance);
    const means = sumOf(own.mean.map((mean, c) => (stitched.mean[c] - mean) ** 2));
    const deviations = sumOf(own.variance.map((v, c) => (Math.sqrt(stitched.variance[c]) - Math.sqrt(v)) ** 2));
    return {
      residual: this.#error / whole,
      distance: Math.sqrt((means + deviations) / whole),
      meanShift: Math.sqrt(means / whole),
      varianceRatio: sumOf(stitched.variance) / whole,
    };
  }
}

function sumOf(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i];
  return sum;
}

/**
 * Every stitch of a network on the images of some data sets: one list for each, in the order of the stitches. Each parent runs on its own
 * features, once, whatever the number of positions.
 *
 * @throws SutureError `interrupted`, and as `imagesAtATime`.
 */
export async function errorsOfStitches(
  { executor, onProgress, signal }: Execution,
  { network, parameters }: TrainedNetwork,
  datasets: readonly Dataset[],
  batch?: number,
): Promise<readonly (readonly StitchError[])[]> {
  const runnable = new Runnable(executor, stitchErrors(network, parameters));
  const { graph } = runnable;
  const atATime = imagesAtATime([{ name: 'the joined networks', graph }], batch, usualBatch);
  const stage = 'looking at features';
  const total = datasets.reduce((sum, { count }) => sum + batchSizes(count, atATime).length, 0);
  let done = 0;
  try {
    const all: (readonly StitchError[])[] = [];
    for (const dataset of datasets) {
      const collected = network.stitches.map(({ outputChannels }) => new Collected(outputChannels));
      for (const { images, count } of batchesOf(dataset, atATime)) {
        throwIfInterrupted(signal, 'The diagnosis');
        onProgress?.({ stage, done: done++, total });
        const outputs = await runnable.run({ [graph.inputs[0].name]: images });
        for (const [i, stitch] of network.stitches.entries()) {
          collected[i].add(key => numbersOf(outputs[errorStatisticName(stitch, key)]), count);
        }
      }
      all.push(network.stitches.map(({ position, from, to }, i) => ({ position, from, to, ...collected[i].error })));
    }
    onProgress?.({ stage, done: total, total });
    return all;
  } finally {
    runnable.dispose();
  }
}
