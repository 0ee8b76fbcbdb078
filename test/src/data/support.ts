import { type Dataset, gatherImages } from '../../../src/data/dataset.ts';

/** All images of a data set, wherever they are kept. */
export const allImages = (dataset: Dataset): Float32Array<ArrayBuffer> =>
  gatherImages(
    dataset,
    Array.from({ length: dataset.count }, (_, image) => image),
  );
