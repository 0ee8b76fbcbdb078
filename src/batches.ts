/** A data set cut into batches for inference. */
import { type Tensor, tensor } from '../ir/index.ts';
import { type Dataset, gatherImages } from './data/dataset.ts';

export interface Batch {
  /** The number of the first image; the others follow it. */
  readonly first: number;
  readonly count: number;
  /** [count, C, spatial...] */
  readonly images: Tensor;
}

/**
 * How many images each batch gets: at most `limit`, and as equal as can be, because every size that occurs is compiled
 * for. A size that divides the count is taken where one is at least half the limit.
 */
export function batchSizes(count: number, limit: number): readonly number[] {
  for (let size = Math.min(limit, count); size * 2 > limit; size--) {
    if (count % size === 0) return Array<number>(count / size).fill(size);
  }
  const batches = Math.ceil(count / limit);
  const small = Math.floor(count / batches);
  const large = count - small * batches;
  return Array.from({ length: batches }, (_, i) => small + (i < large ? 1 : 0));
}

/** Images in the order of the file. */
export function* batchesOf(dataset: Dataset, limit: number): Generator<Batch> {
  let first = 0;
  for (const count of batchSizes(dataset.count, limit)) {
    const numbers = Array.from({ length: count }, (_, i) => first + i);
    const images = tensor('float32', [count, ...dataset.imageShape], gatherImages(dataset, numbers));
    yield { first, count, images };
    first += count;
  }
}
