/** How similar the features of two networks are on data: the similarity that `match` weighs, by linear CKA. */

import { printable, SutureError, type Tensor, type Value } from '../../ir/index.ts';
import { channelAxis } from '../../ir/ops/stitching.ts';
import { type CentredGram, centredGram, cka, matchableValues, observedOnShared } from '../../passes/index.ts';
import { imagesOf } from '../data/batches.ts';
import type { Dataset } from '../data/dataset.ts';
import { Random } from '../data/random.ts';
import { Runnable } from '../execution/execute.ts';
import { imagesAtATime } from '../execution/fixed-batch.ts';
import { type Execution, throwIfInterrupted } from '../execution/progress.ts';
import { requireFittingImages } from './interface.ts';
import type { Model } from './model.ts';

interface SimilarityOptions {
  /** How many images are looked at, spread evenly over the data; all of them if there are fewer. Default {@link defaultImages}. */
  readonly images?: number | undefined;
  /** What messages call the networks. Default: their paths. */
  readonly names?: readonly [string, string];
}

/** By value names: 1 if the features are rotations of each other, 0 if they have nothing linear in common. */
export type Similarity = (a: string, b: string) => number;

export const defaultImages = 64;
const MIN_IMAGES = 4;

/** Positions in space that count as samples, over all images: samples cost their square, of memory too. */
const SAMPLES = 512;
const USUAL_BATCH = 4;

/**
 * Runs both networks on some images of the data, keeps every matchable feature at some positions (the same ones for all
 * features of a size), and compares them by linear CKA when asked. Features on another grid are looked at where they lie on the shared one.
 *
 * @throws SutureError `data-invalid` if the images do not fit a network, or are fewer than four.
 */
export async function ckaSimilarity(
  { executor, onProgress, signal }: Execution,
  [a, b]: readonly [Model, Model],
  dataset: Dataset,
  { images = defaultImages, names = [a.path, b.path] }: SimilarityOptions = {},
): Promise<Similarity> {
  for (const { graph, path } of [a, b]) requireFittingImages(dataset, graph, path);
  const count = Math.min(images, dataset.count);
  if (count < MIN_IMAGES) {
    throw new SutureError(
      'data-invalid',
      `${printable(dataset.source)}: similarity is measured on ${MIN_IMAGES} images at least, and here are ${count}.`,
    );
  }
  const chosen = Array.from({ length: count }, (_, i) => Math.floor((i * dataset.count) / count));
  const values = matchableValues(a.graph, b.graph, names, [a.grid, b.grid]);
  const { limit } = imagesAtATime(
    [a, b].map(({ path, graph }) => ({ name: path, graph })),
    undefined,
    USUAL_BATCH,
  );
  const total = 2 * Math.ceil(count / limit);
  let done = 0;
  const grams = async (
    { graph, grid }: Model,
    features: readonly Value[],
  ): Promise<ReadonlyMap<string, CentredGram>> => {
    const samples = new Samples(count);
    const runnable = new Runnable(executor, observedOnShared(graph, features, grid));
    try {
      for (let first = 0; first < count; first += limit) {
        throwIfInterrupted(signal);
        const numbers = chosen.slice(first, first + limit);
        samples.add(first, await runnable.run({ [graph.inputs[0].name]: imagesOf(dataset, numbers) }));
        onProgress?.({ stage: 'comparing features', done: ++done, total });
      }
    } finally {
      runnable.dispose();
    }
    return samples.grams();
  };
  const [ofA, ofB] = [await grams(a, values.a), await grams(b, values.b)];
  return (x, y) => {
    const [left, right] = [ofA.get(x), ofB.get(y)];
    return left && right && left.samples === right.samples ? cka(left, right) : 0;
  };
}

/** Features at some positions of each image. */
class Samples {
  readonly #perImage: number;
  readonly #rows = new Map<string, { readonly channels: number; readonly values: number[] }>();

  constructor(images: number) {
    this.#perImage = Math.max(1, Math.floor(SAMPLES / images));
  }

  /** Takes the features of a batch whose first image is the `first` one looked at. */
  add(first: number, features: Readonly<Record<string, Tensor>>): void {
    for (const [name, { shape, data }] of Object.entries(features)) {
      const axis = channelAxis(shape.length);
      const channels = shape[axis];
      const positions = data.length / (shape[0] * channels);
      const [stepOfPosition, stepOfChannel] = axis === 1 ? [1, positions] : [channels, 1];
      let row = this.#rows.get(name);
      if (row === undefined) {
        row = { channels, values: [] };
        this.#rows.set(name, row);
      }
      for (let image = 0; image < shape[0]; image++) {
        for (const position of positionsOf(first + image, positions, this.#perImage)) {
          const at = image * positions * channels + position * stepOfPosition;
          for (let c = 0; c < channels; c++) row.values.push(Number(data[at + c * stepOfChannel]));
        }
      }
    }
  }

  grams(): ReadonlyMap<string, CentredGram> {
    return new Map(
      [...this.#rows].map(([name, { channels, values }]) => [
        name,
        centredGram({ channels, values: Float64Array.from(values) }),
      ]),
    );
  }
}

/** Positions of an image, drawn by its number and by how many there are: the same for both networks. */
function positionsOf(image: number, positions: number, wanted: number): number[] {
  if (positions <= wanted) return Array.from({ length: positions }, (_, i) => i);
  const random = Random.seeded(image, 'positions');
  return Array.from({ length: wanted }, () => random.int(positions));
}
