/** Several data sets as one: what sites would have if they put their data together. */
import { printable, SutureError } from '../../ir/errors.ts';
import { product } from '../../ir/numbers.ts';
import { type Dataset, gatherImages, type ImageFile, type LabelArray } from './dataset.ts';

/** @throws SutureError `data-invalid` where images or labels of two differ in shape, or one has labels and another has none. */
export function requireAlike(datasets: readonly Dataset[]): void {
  const [first, ...others] = datasets;
  const shapes = ({ imageShape, labels }: Dataset): string =>
    `images [N, ${imageShape.join(', ')}] and ${labels ? `labels [${['N', ...labels.shape].join(', ')}]` : 'no labels'}`;
  for (const other of others) {
    if (shapes(other) === shapes(first)) continue;
    throw new SutureError(
      'data-invalid',
      `${printable(first.source)} has ${shapes(first)}, and ${printable(other.source)} ${shapes(other)}: what is trained on together must be ` +
        'of one shape.',
    );
  }
}

/**
 * The images of all, one data set after the other, with their labels. Images are not copied. Folds, cases and groups are left out: their
 * numbers mean something to each data set alone.
 *
 * @throws SutureError `data-invalid` as {@link requireAlike}.
 */
export function joined(datasets: readonly Dataset[]): Dataset {
  if (datasets.length === 1) return datasets[0];
  requireAlike(datasets);
  const [{ imageShape, arrays }] = datasets;
  const labels = joinedLabels(datasets);
  return {
    source: datasets.map(({ source }) => source).join(' + '),
    count: datasets.reduce((sum, { count }) => sum + count, 0),
    images: joinedImages(datasets, product(imageShape)),
    imageShape,
    ...(labels && { labels }),
    arrays,
  };
}

/** @param size numbers of an image; nothing is read but whole images. */
function joinedImages(datasets: readonly Dataset[], size: number): ImageFile {
  const length = size * datasets.reduce((sum, { count }) => sum + count, 0);
  return {
    length,
    read(target, from) {
      let image = from / size;
      for (let at = 0; at < target.length; at += size, image++) {
        let [local, which] = [image, 0];
        while (local >= datasets[which].count) local -= datasets[which++].count;
        gatherImages(datasets[which], [local], target.subarray(at, at + size));
      }
    },
  };
}

function joinedLabels(datasets: readonly Dataset[]): LabelArray | undefined {
  const [{ labels: first }] = datasets;
  if (!first) return undefined;
  const parts = datasets.map(({ labels }) => labels!.data);
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  // Integers of any width fit, all of them having been read as 32 bits or less.
  const data = parts.some(part => part instanceof Float32Array) ? new Float32Array(length) : new Int32Array(length);
  let at = 0;
  for (const part of parts) {
    data.set(part, at);
    at += part.length;
  }
  return { ...first, data };
}
