import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SutureError } from '../../../ir/errors.ts';
import { gatherImages, parseDataset, requireImageShape, requireLabels } from '../../../src/data/dataset.ts';
import { loadDataset } from '../../../src/data/load.ts';
import { type NpyArray, type NpyData, npyArray } from '../../../src/data/npy.ts';
import { formatNpz } from '../../../src/data/npz.ts';

type Arrays = Record<string, NpyArray>;

const array = (data: NpyData, ...shape: number[]) => npyArray(data, shape);
const images = () =>
  array(
    new Float32Array(2 * 1 * 2 * 3).map((_, i) => i),
    2,
    1,
    2,
    3,
  );
const labels = () =>
  array(
    new Uint8Array(12).map((_, i) => i % 3),
    2,
    2,
    3,
  );
const read = (arrays: Arrays) => parseDataset(formatNpz(arrays), 'data.npz');

/** The one sentence that a user sees. */
function refusal(action: () => unknown): { code: string; message: string } {
  try {
    action();
  } catch (error) {
    if (error instanceof SutureError) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('parseDataset', () => {
  it('reads images alone', () => {
    const data = read({ images: images() });
    expect(data).toMatchObject({ count: 2, imageShape: [1, 2, 3], arrays: ['images'] });
    expect(data.labels).toBeUndefined();
    expect(data.fold).toBeUndefined();
  });

  it('reads labels, fold, id and group', () => {
    const data = read({
      images: images(),
      labels: labels(),
      fold: array(BigInt64Array.of(0n, 4n), 2),
      id: array(Int32Array.of(7, -8), 2),
      group: array(Uint16Array.of(1, 1), 2),
    });
    expect(data.labels).toMatchObject({ data: labels().data, shape: [2, 3] });
    expect([data.fold, data.id, data.group]).toEqual([
      [0, 4],
      [7, -8],
      [1, 1],
    ]);
  });

  it('reads a spacing of all images, or of each', () => {
    const spacing = (data: NpyData, ...shape: number[]) =>
      read({ images: images(), spacing: array(data, ...shape) }).spacing;
    expect(spacing(Float64Array.of(0.3, 2), 2)).toEqual([
      [0.3, 2],
      [0.3, 2],
    ]);
    expect(spacing(Int32Array.of(1, 2, 3, 4), 2, 2)).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(() => spacing(Float32Array.of(1), 1)).toThrow(
      '"spacing" has the shape [1], and must have [2], the distance',
    );
    expect(() => spacing(Float64Array.of(1, 0), 2)).toThrow('spacing[1] is 0, and must be greater than 0');
    expect(() => spacing(Float64Array.of(1, 1, 1, Number.NaN), 2, 2)).toThrow('spacing[1, 1] is NaN');
  });

  it.each([Int8Array, Uint8Array, Int16Array, Uint16Array, Int32Array, Uint32Array])(
    'takes labels of any integer width: %o',
    Type => {
      const data = read({ images: images(), labels: array(Type.of(1, 2), 2) });
      expect([...requireLabels(data).data]).toEqual([1, 2]);
    },
  );

  it('takes 64-bit labels', () => {
    for (const data of [BigInt64Array.of(1n, 2n), BigUint64Array.of(1n, 2n)]) {
      expect([...requireLabels(read({ images: images(), labels: array(data, 2) })).data]).toEqual([1, 2]);
    }
  });

  it('takes real labels of any shape', () => {
    const data = read({ images: images(), labels: array(Float64Array.of(0.5, 1, 2, 3), 2, 2) });
    expect(data.labels).toMatchObject({ data: Float32Array.of(0.5, 1, 2, 3), shape: [2] });
  });

  it('rounds float64 images to float32', () => {
    const data = read({ images: array(Float64Array.of(0.1, 1 / 3), 2, 1) });
    expect(data.images).toEqual(Float32Array.of(0.1, 1 / 3));
  });

  it.each<[string, Arrays, string]>([
    ['no images', { image: images() }, 'data.npz: there is no array "images"; it has "image"'],
    [
      'integer images',
      { images: array(new Uint8Array(2), 2, 1) },
      'data.npz: "images" is uint8; convert it to float32 and scale the intensities as they were for the networks\' training',
    ],
    [
      'images without channels',
      { images: array(new Float32Array(2), 2) },
      'data.npz: "images" has the shape [2]; it must be [N, C, spatial...], with a channel axis',
    ],
    [
      'no image at all',
      { images: array(new Float32Array(0), 0, 1, 4, 4) },
      'data.npz: "images" has the shape [0, 1, 4, 4] and so holds nothing',
    ],
    [
      'NaN',
      { images: array(Float32Array.of(0, 0, 0, Number.NaN, 0, 0, Number.NaN, 0), 2, 2, 2) },
      'data.npz: images[0, 1, 1] is NaN, and must be a finite float32; remove or replace such values',
    ],
    [
      'a float64 beyond float32',
      { images: array(Float64Array.of(0, 1e39), 2, 1) },
      'data.npz: images[1, 0] is 1e+39, and must be a finite float32; remove or replace such values',
    ],
    [
      'labels of other images',
      { images: images(), labels: array(new Uint8Array(18), 3, 2, 3) },
      'data.npz: "labels" has the shape [3, 2, 3] and "images" [2, 1, 2, 3]; the first axis must count the same images',
    ],
    [
      'labels beyond 32 bits',
      { images: images(), labels: array(BigInt64Array.of(0n, 2n ** 40n), 2) },
      'data.npz: labels[1] is 1099511627776, which does not fit 32 bits',
    ],
    [
      'real folds',
      { images: images(), fold: array(Float32Array.of(0, 1), 2) },
      'data.npz: "fold" is float32, and must hold integers',
    ],
    [
      'too few folds',
      { images: images(), fold: array(Uint8Array.of(0), 1) },
      'data.npz: "fold" has the shape [1], and must have [2], one number per image',
    ],
  ])('refuses %s', (_, arrays, message) => {
    expect(refusal(() => read(arrays))).toEqual({ code: 'data-invalid', message: `${message}.` });
  });

  it.each([
    ['text', new TextEncoder().encode('hello world'), 'it is not a zip archive, which every .npz file is'],
    ['half a file', formatNpz({ images: images() }).subarray(0, 100), 'the zip archive is cut off or damaged'],
  ])('refuses %s', (_, bytes, fault) => {
    const hint = 'data files are .npz files, written by numpy.savez for example.';
    expect(refusal(() => parseDataset(bytes, 'x.npz'))).toEqual({
      code: 'data-unreadable',
      message: `x.npz: ${fault}; ${hint}`,
    });
  });
});

describe('what a network asks of a dataset', () => {
  it('labels at all', () => {
    expect(refusal(() => requireLabels(read({ images: images(), id: array(Int32Array.of(1, 2), 2) }))).message).toBe(
      'data.npz: there is no array "labels"; it has "images", "id".',
    );
  });

  it('images of its shape', () => {
    const data = read({ images: images() });
    requireImageShape(data, [1, undefined, 3], 'a.onnx');
    expect(refusal(() => requireImageShape(data, [3, 2, undefined], 'a.onnx')).message).toBe(
      'data.npz: "images" has the shape [2, 1, 2, 3], and a.onnx takes [N, 3, 2, *].',
    );
  });
});

describe('gatherImages', () => {
  it('copies images in the order asked for', () => {
    const data = read({ images: array(Float32Array.of(1, 2, 3, 4, 5, 6), 3, 2) });
    expect(gatherImages(data, [2, 0, 2])).toEqual(Float32Array.of(5, 6, 1, 2, 5, 6));
  });
});

describe('loadDataset', () => {
  it('reads a file, and says which it cannot', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'suture-'));
    const path = join(folder, 'data.npz');
    await writeFile(path, formatNpz({ images: images() }));
    expect((await loadDataset(path)).count).toBe(2);
    await expect(loadDataset(join(folder, 'none.npz'))).rejects.toThrow('none.npz: there is no such file');
    await expect(loadDataset(folder)).rejects.toThrow('it is no data set: it has no dataset.json');
  });
});
