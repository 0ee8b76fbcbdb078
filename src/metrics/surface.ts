/**
 * How near the boundaries of answers come to those of labels: the normalised surface Dice (NSD; Nikolov et al., arXiv 1809.04430) at a
 * tolerance, and the 95th percentile of the Hausdorff distance (HD95).
 *
 * The boundary of a mask are its places that have a neighbour across a face outside of it or at the edge of the image, each counting
 * one, as in MONAI and Metrics Reloaded (arXiv 2206.01653); Nikolov et al. weigh boundary elements by their area instead.
 */
import { mean, product } from '../../ir/numbers.ts';
import type { ClassLabels, RegionLabels } from '../data/labels.ts';
import { argmax } from '../network/outputs.ts';
import { scoredClasses } from './dice.ts';
import { squaredDistances } from './distance.ts';
import { type Outputs, requireFitting } from './metric.ts';

export interface SurfaceOptions {
  /** How far a boundary may lie from the other one to be right, in the unit of the spacing. Default 1. */
  readonly tolerance?: number | undefined;
  /** The distance of neighbouring places of the labels along each axis, in mm. Default: what the data file says, else pixels. */
  readonly spacing?: readonly number[] | undefined;
}

/** What the surfaces of one class of one case say. */
export interface SurfaceCase {
  /** From 0 to 1, the share of both boundaries that lies within the tolerance of the other; NaN where there is none. */
  readonly nsd: number;
  /** NaN where neither has a boundary; infinite where more than a twentieth of a boundary has none to lie near. */
  readonly hd95: number;
}

export interface SurfaceClassScore {
  readonly class: number;
  readonly name: string;
  /** The mean over the cases that have a boundary in answer or label. */
  readonly nsd: number;
  /** How many those are. */
  readonly cases: number;
  /** The mean over the cases where it is finite. */
  readonly hd95: number;
  /** In how many cases it is infinite. */
  readonly infinite: number;
}

export interface SurfaceScore {
  readonly tolerance: number;
  readonly unit: 'mm' | 'pixels';
  /** The mean over classes. */
  readonly nsd: number;
  /** The mean over classes. */
  readonly hd95: number;
  readonly classes: readonly SurfaceClassScore[];
}

/** How far each element of a boundary lies from the other boundary, ascending. */
export interface SurfaceDistances {
  readonly answer: Float64Array;
  readonly label: Float64Array;
}

/** Where places are, and how they are told apart. */
interface Grid {
  readonly shape: readonly number[];
  readonly spacing: readonly number[];
}

/** The smallest box around all that is in one of the masks, as its corner and its shape; undefined where nothing is. */
function boxOf(masks: readonly Uint8Array[], shape: readonly number[]) {
  const low = shape.map(() => Number.POSITIVE_INFINITY);
  const high = shape.map(() => -1);
  for (const mask of masks) {
    for (let at = mask.indexOf(1); at >= 0; at = mask.indexOf(1, at + 1)) {
      for (let axis = shape.length - 1, rest = at; axis >= 0; axis--) {
        const index = rest % shape[axis];
        rest = (rest - index) / shape[axis];
        if (index < low[axis]) low[axis] = index;
        if (index > high[axis]) high[axis] = index;
      }
    }
  }
  return high.some(index => index < 0) ? undefined : { low, shape: high.map((index, axis) => index - low[axis] + 1) };
}

/** A box cut out of an array. */
function cut(mask: Uint8Array, shape: readonly number[], low: readonly number[], box: readonly number[]): Uint8Array {
  const found = new Uint8Array(product(box));
  const width = box.at(-1) ?? 1;
  for (let row = 0; row < found.length; row += width) {
    let [from, stride, rest] = [0, 1, row];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const index = rest % box[axis];
      rest = (rest - index) / box[axis];
      from += (low[axis] + index) * stride;
      stride *= shape[axis];
    }
    found.set(mask.subarray(from, from + width), row);
  }
  return found;
}

/** 1 for the places of a mask that have a neighbour across a face outside of it; what is beyond the edges is outside. */
function boundaryOf(mask: Uint8Array, shape: readonly number[]): Uint8Array {
  const boundary = new Uint8Array(mask.length);
  for (let at = mask.indexOf(1); at >= 0; at = mask.indexOf(1, at + 1)) {
    let stride = 1;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const length = shape[axis];
      const index = Math.floor(at / stride) % length;
      const inside = index > 0 && index < length - 1 && mask[at - stride] === 1 && mask[at + stride] === 1;
      if (!inside) {
        boundary[at] = 1;
        break;
      }
      stride *= length;
    }
  }
  return boundary;
}

/**
 * The distances between the boundaries of two masks of 0 and 1, infinite where the other has none.
 *
 * @param grid the shape of the masks, and the distance of neighbours along each axis.
 */
export function surfaceDistances(answer: Uint8Array, label: Uint8Array, { shape, spacing }: Grid): SurfaceDistances {
  const box = boxOf([answer, label], shape);
  if (!box) return { answer: new Float64Array(), label: new Float64Array() };
  const [own, other] = [answer, label].map(mask => boundaryOf(cut(mask, shape, box.low, box.shape), box.shape)) as [
    Uint8Array,
    Uint8Array,
  ];
  const between = (from: Uint8Array, to: Uint8Array): Float64Array => {
    const squared = squaredDistances(to, box.shape, spacing);
    return squared
      .filter((_, at) => from[at] === 1)
      .map(Math.sqrt)
      .sort();
  };
  return { answer: between(own, other), label: between(other, own) };
}

/** The percentile of ascending numbers, linear between them as NumPy has it. */
function percentile(ascending: Float64Array, share: number): number {
  const at = share * (ascending.length - 1);
  const [low, high] = [ascending[Math.floor(at)], ascending[Math.ceil(at)]];
  return low === high ? low : low + (high - low) * (at - Math.floor(at));
}

/** Of equal distances, what rounding makes of their difference. */
const rounding = 1e-9;

/** What the distances of a case's images say together. */
export function surfaceOf(images: readonly SurfaceDistances[], tolerance: number): SurfaceCase {
  const all = (of: keyof SurfaceDistances): Float64Array =>
    images.length === 1 ? images[0][of] : Float64Array.from(images.flatMap(image => [...image[of]])).sort();
  const [answer, label] = [all('answer'), all('label')];
  const total = answer.length + label.length;
  if (total === 0) return { nsd: Number.NaN, hd95: Number.NaN };
  const within = (found: Float64Array): number => {
    const beyond = found.findIndex(distance => distance > tolerance * (1 + rounding));
    return beyond < 0 ? found.length : beyond;
  };
  // A boundary that has nothing to be compared with is infinitely far from it.
  const farthest = (found: Float64Array): number =>
    found.length === 0 ? Number.POSITIVE_INFINITY : percentile(found, 0.95);
  return {
    nsd: (within(answer) + within(label)) / total,
    hd95: Math.max(farthest(answer), farthest(label)),
  };
}

const meanOf = (values: readonly number[]): number => {
  const known = values.filter(Number.isFinite);
  return mean(known);
};

/** The surfaces of each image, kept as distances, so that those of a case can be taken together. */
export class SurfaceMetric {
  readonly #labels: ClassLabels | RegionLabels;
  readonly #id: readonly number[] | undefined;
  readonly #spacings: readonly (readonly number[])[] | undefined;
  readonly #tolerance: number;
  /** By image and class. */
  readonly #distances = new Map<number, readonly SurfaceDistances[]>();

  /**
   * @param id The case of each image. Default: each image is one.
   * @param spacings The distance of neighbouring places along each axis in mm, of each image. Default: 1 pixel.
   */
  constructor(
    labels: ClassLabels | RegionLabels,
    id: readonly number[] | undefined,
    spacings: readonly (readonly number[])[] | undefined,
    tolerance: number,
  ) {
    this.#labels = labels;
    this.#id = id;
    this.#spacings = spacings;
    this.#tolerance = tolerance;
  }

  /** Takes the outputs of the images `first`, `first + 1`, …. @throws SutureError `data-invalid` when they do not fit the labels. */
  add(outputs: Outputs, first: number): void {
    const labels = this.#labels;
    requireFitting(outputs.shape, labels);
    const shape = labels.kind === 'classes' ? labels.shape : labels.shape.slice(1);
    for (let row = 0; row < outputs.shape[0]; row++) {
      const grid = { shape, spacing: this.#spacings?.[first + row] ?? shape.map(() => 1) };
      this.#distances.set(
        first + row,
        masksOf(labels, outputs, row, first + row).map(({ answer, label }) => surfaceDistances(answer, label, grid)),
      );
    }
  }

  /** Of each case, what its surfaces say, class by class. */
  cases(): ReadonlyMap<number, readonly SurfaceCase[]> {
    const images = new Map<number, (readonly SurfaceDistances[])[]>();
    for (const [image, distances] of this.#distances) {
      const key = this.#id?.[image] ?? image;
      images.set(key, [...(images.get(key) ?? []), distances]);
    }
    const classes = scoredClasses(this.#labels);
    return new Map(
      Array.from(images, ([key, found]) => [
        key,
        classes.map((_, k) =>
          surfaceOf(
            found.map(distances => distances[k]),
            this.#tolerance,
          ),
        ),
      ]),
    );
  }

  score(): SurfaceScore {
    const cases = [...this.cases().values()];
    const classes = scoredClasses(this.#labels).map((what, k) => {
      const found = cases.map(surfaces => surfaces[k]).filter(({ nsd }) => !Number.isNaN(nsd));
      return {
        ...what,
        nsd: meanOf(found.map(({ nsd }) => nsd)),
        cases: found.length,
        hd95: meanOf(found.map(({ hd95 }) => hd95)),
        infinite: found.filter(({ hd95 }) => hd95 === Number.POSITIVE_INFINITY).length,
      };
    });
    return {
      tolerance: this.#tolerance,
      unit: this.#spacings ? 'mm' : 'pixels',
      nsd: meanOf(classes.map(({ nsd }) => nsd)),
      hd95: meanOf(classes.map(({ hd95 }) => hd95)),
      classes,
    };
  }
}

/** What answer and label say of each class or region of an image: 1 where it is; places that count nowhere are of neither. */
function masksOf(
  labels: ClassLabels | RegionLabels,
  { data, threshold = 0 }: Outputs,
  row: number,
  image: number,
): readonly { readonly answer: Uint8Array; readonly label: Uint8Array }[] {
  const size = product(labels.shape);
  const counts = (at: number): boolean => labels.data[image * size + at] !== labels.ignore;
  if (labels.kind === 'classes') {
    const { classes } = labels;
    const start = row * classes * size;
    const answers = Int32Array.from({ length: size }, (_, at) =>
      counts(at) ? argmax(data, start + at, size, classes) : 0,
    );
    return scoredClasses(labels).map(({ class: k }) => ({
      answer: Uint8Array.from(answers, answer => Number(answer === k)),
      label: Uint8Array.from(answers, (_, at) => Number(labels.data[image * size + at] === k && counts(at))),
    }));
  }
  const places = size / labels.names.length;
  return labels.names.map((_, r) => {
    const mask = (says: (at: number) => boolean): Uint8Array =>
      Uint8Array.from({ length: places }, (_, p) => Number(counts(r * places + p) && says(r * places + p)));
    return {
      answer: mask(at => data[row * size + at] > threshold),
      label: mask(at => labels.data[image * size + at] > 0),
    };
  });
}
