/**
 * A party's data: an `.npz` file with `images`, optional `labels`, and optional `fold`, `id`, `group` and `spacing` (see
 * `docs/data.md`). Everything that could make a run wrong later is checked here, once, with one sentence per fault.
 */

import { printable, SutureError } from '../../ir/errors.ts';
import { product } from '../../ir/numbers.ts';
import type { Task } from '../../passes/index.ts';
import { FormatError, type NpyArray, type NpyData } from './npy.ts';
import { type Npz, npzNames, parseNpz } from './npz.ts';
import type { FolderOptions } from './raw/load.ts';

export type IntegerData = Exclude<NpyData, Float32Array | Float64Array | BigInt64Array | BigUint64Array>;

/** What is said of labels beside the file. */
export interface LabelOptions {
  /** The number of places that count nowhere: in no score, no loss. */
  readonly ignoreLabel?: number | undefined;
  /** The classes that each region of a region-based network is made of. */
  readonly regions?: readonly (readonly number[])[] | undefined;
  /** What the networks do; where it is not said, outputs and labels tell. */
  readonly task?: Task | undefined;
  /** How folders of image files are read. */
  readonly folder?: FolderOptions | undefined;
}

/** Images in a file, where memory does not hold them. */
export interface ImageFile {
  /** How many numbers there are. */
  readonly length: number;
  /** Reads numbers from the `from`-th on, as many as `target` takes. */
  read(target: Float32Array<ArrayBuffer>, from: number): void;
}

/** Labels as a file has them, and what is said of them; `labelsFor` says what they mean to a network. */
export interface LabelArray {
  /** In C order; real numbers are finite. */
  readonly data: IntegerData | Float32Array<ArrayBuffer>;
  /** Without the N. */
  readonly shape: readonly number[];
  readonly ignore: number | undefined;
  readonly regions: LabelOptions['regions'];
  readonly task: LabelOptions['task'];
}

export interface Dataset {
  /** The file, as messages name it. */
  readonly source: string;
  /** N, at least 1. */
  readonly count: number;
  /** [N, C, spatial...] in C order, finite; {@link gatherImages} reads them, wherever they are. */
  readonly images: Float32Array<ArrayBuffer> | ImageFile;
  /** [C, spatial...]. */
  readonly imageShape: readonly number[];
  readonly labels?: LabelArray | undefined;
  /** The fold of each image. */
  readonly fold?: readonly number[] | undefined;
  /** The case that each image is of. */
  readonly id?: readonly number[] | undefined;
  /** Images of one group (one patient, one specimen) are not independent. */
  readonly group?: readonly number[] | undefined;
  /** The distance of neighbouring places of each image along each axis, in mm. */
  readonly spacing?: readonly (readonly number[])[] | undefined;
  /** What the cases are called, by `id`, where they have names. */
  readonly caseNames?: readonly string[];
  /** The names of all arrays in the file, those that were not used too. */
  readonly arrays: readonly string[];
}

export const shapeText = (shape: readonly number[]): string => `[${shape.join(', ')}]`;

/** `labels[3, 0, 17]`: where an element is, given its position in C order. */
export function placeOf(name: string, position: number, shape: readonly number[]): string {
  const index: number[] = [];
  let rest = position;
  for (const dim of [...shape].reverse()) {
    index.unshift(rest % dim);
    rest = Math.floor(rest / dim);
  }
  return `${name}[${index.join(', ')}]`;
}

class Checker {
  readonly source: string;
  readonly #arrays: Npz;
  readonly #names: readonly string[];

  constructor(source: string, arrays: Npz, names: readonly string[]) {
    this.source = source;
    this.#arrays = arrays;
    this.#names = names;
  }

  names(): readonly string[] {
    return this.#names;
  }

  array(name: string): NpyArray | undefined {
    return this.#arrays.get(name);
  }

  fail(problem: string): never {
    throw new SutureError('data-invalid', `${printable(this.source)}: ${problem}.`);
  }

  images(): NpyArray & { readonly data: Float32Array<ArrayBuffer> } {
    const array = this.array('images');
    if (!array) this.fail(missing('images', this.names()));
    const { dtype, shape } = array;
    if (dtype !== 'float32' && dtype !== 'float64' && dtype !== 'float16') {
      this.fail(
        `"images" is ${dtype}; convert it to float32 and scale the intensities as they were for the networks' training`,
      );
    }
    if (shape.length < 2) {
      this.fail(`"images" has the shape ${shapeText(shape)}; it must be [N, C, spatial...], with a channel axis`);
    }
    if (product(shape) === 0) this.fail(`"images" has the shape ${shapeText(shape)} and so holds nothing`);
    return { dtype, shape, data: this.finiteFloat32('images', array) };
  }

  /** The numbers rounded to float32 where they are wider. */
  finiteFloat32(name: string, array: NpyArray): Float32Array<ArrayBuffer> {
    const data = array.data instanceof Float32Array ? array.data : Float32Array.from(array.data as Float64Array);
    const at = data.findIndex(value => !Number.isFinite(value));
    if (at >= 0) {
      const place = placeOf(name, at, array.shape);
      this.fail(`${place} is ${String(array.data[at])}, and must be a finite float32; remove or replace such values`);
    }
    return data;
  }

  /** An array of integers as 32-bit numbers or less, unchanged but for 64-bit integers. */
  integers(name: string, array: NpyArray): IntegerData {
    const { data } = array;
    if (data instanceof Float32Array || data instanceof Float64Array) {
      this.fail(`"${name}" is ${array.dtype}, and must hold integers`);
    }
    if (!(data instanceof BigInt64Array || data instanceof BigUint64Array)) return data;
    const narrow = Int32Array.from(data as BigInt64Array, Number);
    for (let at = 0; at < narrow.length; at++) {
      if (BigInt(narrow[at]) !== data[at]) {
        this.fail(`${placeOf(name, at, array.shape)} is ${data[at]}, which does not fit 32 bits`);
      }
    }
    return narrow;
  }

  labels(images: NpyArray, { ignoreLabel: ignore, regions, task }: LabelOptions): LabelArray | undefined {
    const array = this.array('labels');
    if (!array) return undefined;
    if (array.shape[0] !== images.shape[0]) {
      this.fail(
        `"labels" has the shape ${shapeText(array.shape)} and "images" ${shapeText(images.shape)}; ` +
          'the first axis must count the same images',
      );
    }
    const data = array.dtype.startsWith('float') ? this.finiteFloat32('labels', array) : this.integers('labels', array);
    return { data, shape: array.shape.slice(1), ignore, regions, task };
  }

  /** One integer per image. */
  perImage(name: string, count: number): readonly number[] | undefined {
    const array = this.array(name);
    if (!array) return undefined;
    if (array.shape.length !== 1 || array.shape[0] !== count) {
      this.fail(`"${name}" has the shape ${shapeText(array.shape)}, and must have [${count}], one number per image`);
    }
    return Array.from(this.integers(name, array));
  }

  /** One positive number for each axis, of all images or of each: for each of them. */
  spacing({ shape: images }: NpyArray): readonly (readonly number[])[] | undefined {
    const array = this.array('spacing');
    if (!array) return undefined;
    const [count, axes] = [images[0], images.length - 2];
    const { shape } = array;
    const ofEach = shape.length === 2 && shape[0] === count && shape[1] === axes;
    if (!ofEach && !(shape.length === 1 && shape[0] === axes)) {
      this.fail(
        `"spacing" has the shape ${shapeText(shape)}, and must have [${axes}], the distance of neighbouring pixels along each axis, or ` +
          `[${count}, ${axes}], that of each image`,
      );
    }
    const values = Array.from(array.data, Number);
    const at = values.findIndex(value => !(value > 0 && Number.isFinite(value)));
    if (at >= 0) this.fail(`${placeOf('spacing', at, shape)} is ${values[at]}, and must be greater than 0`);
    return Array.from({ length: count }, (_, image) => {
      const from = ofEach ? image * axes : 0;
      return values.slice(from, from + axes);
    });
  }
}

function missing(name: string, names: readonly string[]): string {
  const there = names.length > 0 ? `it has ${names.map(n => `"${printable(n, 40)}"`).join(', ')}` : 'it has no arrays';
  return `there is no array "${name}"; ${there}`;
}

/** The arrays that mean something; whatever else is in the file is left alone. */
export const readArrays: ReadonlySet<string> = new Set(['images', 'labels', 'fold', 'id', 'group', 'spacing']);

/**
 * Reads a data file's bytes. float64 images and labels are rounded to float32, float16 ones widened.
 * @throws SutureError `data-unreadable` (no npz, cut off, damaged) or `data-invalid` (shape, dtype, NaN, a missing array).
 */
export function parseDataset(bytes: Uint8Array, source: string, said: LabelOptions = {}): Dataset {
  let arrays: Npz;
  let names: readonly string[];
  try {
    arrays = parseNpz(bytes, readArrays);
    names = npzNames(bytes);
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw unreadable(source, cause);
  }
  return datasetOf(source, arrays, names, said);
}

/** What is said of bytes that hold no arrays. */
export const unreadable = (source: string, cause: FormatError): SutureError => {
  const text = `${printable(source)}: ${cause.message}; data files are .npz files, written by numpy.savez for example.`;
  return new SutureError('data-unreadable', text, { cause });
};

/**
 * Checks arrays that were read.
 *
 * @param names of all that are in the file.
 * @throws SutureError `data-invalid`.
 */
export function datasetOf(source: string, arrays: Npz, names: readonly string[], said: LabelOptions): Dataset {
  const checker = new Checker(source, arrays, names);
  const images = checker.images();
  const count = images.shape[0];
  const labels = checker.labels(images, said);
  const fold = checker.perImage('fold', count);
  const id = checker.perImage('id', count);
  const group = checker.perImage('group', count);
  const spacing = checker.spacing(images);
  return {
    source: checker.source,
    count,
    images: images.data,
    imageShape: images.shape.slice(1),
    arrays: checker.names(),
    ...{ labels, fold, id, group, spacing },
  };
}

/** The labels of a dataset that must have some. @throws SutureError `data-invalid` naming the arrays that there are. */
export function requireLabels(dataset: Dataset): LabelArray {
  if (dataset.labels) return dataset.labels;
  if (dataset.caseNames) {
    throw new SutureError('data-invalid', `${printable(dataset.source)}: there are no labels beside its images.`);
  }
  throw new SutureError('data-invalid', `${printable(dataset.source)}: ${missing('labels', dataset.arrays)}.`);
}

/**
 * Checks the images against what a network takes: `expected` is [C, spatial...], undefined where any size will do.
 * @param network How messages name the network.
 */
export function requireImageShape(dataset: Dataset, expected: readonly (number | undefined)[], network: string): void {
  const { imageShape: shape } = dataset;
  const fits = shape.length === expected.length && expected.every((dim, i) => dim === undefined || dim === shape[i]);
  if (fits) return;
  const wanted = ['N', ...expected.map(dim => dim ?? '*')].join(', ');
  throw new SutureError(
    'data-invalid',
    `${printable(dataset.source)}: "images" has the shape ${shapeText([dataset.count, ...shape])}, ` +
      `and ${printable(network)} takes [${wanted}].`,
  );
}

/** Some images of a data set, by their numbers, with all that is known of them. */
export function subsetOf(dataset: Dataset, numbers: readonly number[]): Dataset {
  const { labels, fold, id, group, spacing, count } = dataset;
  const pick = <T>(values: readonly T[] | undefined) => values && numbers.map(i => values[i]);
  return {
    ...dataset,
    count: numbers.length,
    images: gatherImages(dataset, numbers),
    labels: labels && { ...labels, data: gatherLabels(labels.data, labels.data.length / count, numbers) },
    ...{ fold: pick(fold), id: pick(id), group: pick(group), spacing: pick(spacing) },
  };
}

function gatherLabels(data: LabelArray['data'], size: number, numbers: readonly number[]): LabelArray['data'] {
  const target = data.slice(0, numbers.length * size);
  for (const [i, from] of numbers.entries()) target.set(data.subarray(from * size, (from + 1) * size), i * size);
  return target;
}

/** Copies images, in the order of `indices`, one after another into `target`. */
export function gatherImages(
  dataset: Dataset,
  indices: ArrayLike<number>,
  target = new Float32Array(indices.length * product(dataset.imageShape)),
): Float32Array<ArrayBuffer> {
  const { images, imageShape } = dataset;
  const size = product(imageShape);
  for (let i = 0; i < indices.length; i++) {
    const from = indices[i] * size;
    if (images instanceof Float32Array) target.set(images.subarray(from, from + size), i * size);
    else images.read(target.subarray(i * size, (i + 1) * size), from);
  }
  return target;
}
