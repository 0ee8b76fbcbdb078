/** A data set cut into batches for inference. */
import { printable, SutureError, type Tensor, tensor } from '../../ir/index.ts';
import { product } from '../../ir/numbers.ts';
import type { AtATime } from '../execution/fixed-batch.ts';
import { type Dataset, gatherImages } from './dataset.ts';

export interface Batch {
  /** The number of the first image; the others follow it. */
  readonly first: number;
  readonly count: number;
  /** [count, C, spatial...] */
  readonly images: Tensor;
}

/** Batches of training draw images again and again, so that any size could be asked for; larger ones than this are mistakes. */
const maxBatchBytes = 2 ** 32;

/** @throws SutureError `option-invalid` for a batch of training that is too large for any memory plan. */
export function requireBatch(batch: number, { imageShape }: Dataset): void {
  const bytes = 4 * batch * product(imageShape);
  if (bytes <= maxBatchBytes) return;
  throw new SutureError(
    'option-invalid',
    `The images of a batch of ${batch} take ${(bytes / 2 ** 30).toFixed(1)} GiB; choose a smaller --batch, such as 8.`,
  );
}

/**
 * How many images each batch gets: at most `limit`, and as equal as can be, because every size that occurs is compiled
 * for. A size that divides the count is taken where one is at least half the limit. Where batches are to be multiples of a number
 * all but the last have the limit's size.
 */
export function batchSizes(count: number, { limit, whole, cases }: AtATime): readonly number[] {
  if (cases) return cases;
  if (whole > 1) {
    return Array.from({ length: Math.ceil(count / limit) }, (_, i) => Math.min(limit, count - i * limit));
  }
  for (let size = Math.min(limit, count); size * 2 > limit; size--) {
    if (count % size === 0) return Array<number>(count / size).fill(size);
  }
  const batches = Math.ceil(count / limit);
  const small = Math.floor(count / batches);
  const large = count - small * batches;
  return Array.from({ length: batches }, (_, i) => small + (i < large ? 1 : 0));
}

/**
 * A case at a time: the images of one `id`, or without ids each image for itself.
 *
 * @param given images at a time that are asked for.
 * @throws SutureError `option-invalid` where some are; `data-invalid` where the images of a case are not next to each other.
 */
export function casesAtATime({ count, id, source }: Dataset, given?: number): AtATime {
  if (given !== undefined) {
    throw new SutureError('option-invalid', `A gate over cases takes a case at a time: leave out --batch ${given}.`);
  }
  const sizes = new Map<number, number>();
  for (let image = 0; image < count; image++) {
    const key = id?.[image] ?? image;
    if (sizes.has(key) && id?.[image - 1] !== key) {
      throw new SutureError(
        'data-invalid',
        `${printable(source)}: image ${image} belongs to the case ${key}, whose other images are not next to it: sort the images by 'id' ` +
          'for a gate over cases.',
      );
    }
    sizes.set(key, (sizes.get(key) ?? 0) + 1);
  }
  const cases = [...sizes.values()];
  return { limit: Math.max(...cases), whole: 1, cases };
}

/** Some images of a data set by their numbers, [n, C, spatial...]. */
export const imagesOf = (dataset: Dataset, numbers: ArrayLike<number>): Tensor<'float32'> =>
  tensor('float32', [numbers.length, ...dataset.imageShape], gatherImages(dataset, numbers));

/** Images in the order of the file. */
export function* batchesOf(dataset: Dataset, atATime: AtATime): Generator<Batch> {
  let first = 0;
  for (const count of batchSizes(dataset.count, atATime)) {
    const numbers = Array.from({ length: count }, (_, i) => first + i);
    yield { first, count, images: imagesOf(dataset, numbers) };
    first += count;
  }
}
