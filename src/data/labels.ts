/**
 * What a file's labels mean to a network: classes, regions or real values, whatever form they are kept in. Decided once for each
 * network, from the labels' shape and content, from what its output means, and from what the user says; see `docs/data.md`.
 */
import { printable, SutureError } from '../../ir/errors.ts';
import { product } from '../../ir/numbers.ts';
import type { OutputMeaning } from '../../passes/index.ts';
import { type Dataset, type IntegerData, type LabelArray, placeOf, requireLabels, shapeText } from './dataset.ts';

interface Read {
  /** Without the N. */
  readonly shape: readonly number[];
  /** How they were read, in words. */
  readonly reading: string;
}

/** Classes that exclude each other, 0 … classes − 1: [N], or [N, spatial...] where 0 is the background. */
export interface ClassLabels extends Read {
  readonly kind: 'classes';
  readonly data: IntegerData;
  readonly classes: number;
  /** The number of places that count nowhere. */
  readonly ignore: number | undefined;
}

/** Yes (1) or no (0) for each region, which may overlap: [N, R] or [N, R, spatial...]. A single one is the foreground. */
export interface RegionLabels extends Read {
  readonly kind: 'regions';
  readonly data: Uint8Array<ArrayBuffer>;
  /** R of them. */
  readonly names: readonly string[];
  /** The number of places that count nowhere. */
  readonly ignore: number | undefined;
}

/** Targets of a regression, in the shape of the output or without its axes of extent 1. */
export interface ValueLabels extends Read {
  readonly kind: 'values';
  readonly data: Float32Array<ArrayBuffer>;
}

export type Labels = ClassLabels | RegionLabels | ValueLabels;

/** An output that labels are for. */
export interface LabelledOutput {
  readonly meaning: OutputMeaning;
  /** Its extents but for batch and channels; undefined where any will do. */
  readonly spatial: readonly (number | undefined)[];
  /** How messages name its network. */
  readonly name: string;
}

/** Where labels have their channels: on the first or last axis after the N, or nowhere. */
interface Layout {
  /** 1 where there is no axis for them. */
  readonly channels: number;
  readonly last: boolean;
}

/** Masks [N, channels, places] of 0, 1 and {@link unknown}. */
interface Masks {
  readonly data: Uint8Array<ArrayBuffer>;
  readonly channels: number;
  readonly places: number;
}

/** What masks hold at places that count nowhere. */
const unknown = 255;

const fitting = (dims: readonly number[], spatial: LabelledOutput['spatial']): boolean =>
  dims.length === spatial.length && spatial.every((dim, i) => dim === undefined || dim === dims[i]);

function layoutOf(shape: readonly number[], { spatial, meaning }: LabelledOutput): Layout | undefined {
  if (fitting(shape, spatial)) return { channels: 1, last: false };
  const first = fitting(shape.slice(1), spatial);
  const last = fitting(shape.slice(0, -1), spatial);
  // Where both would do, the one of as many channels as the output has.
  if (last && (!first || (shape[0] !== meaning.channels && shape.at(-1) === meaning.channels))) {
    return { channels: shape.at(-1)!, last: true };
  }
  return first ? { channels: shape[0], last: false } : undefined;
}

/** The first number that is no whole one; −1 where all are. */
const firstReal = ({ data }: LabelArray): number =>
  data instanceof Float32Array ? data.findIndex(value => !Number.isInteger(value)) : -1;

/** Where an element of an array with its channels first stands in an array with its channels last, of `size` numbers for each image. */
function sourceOf(at: number, size: number, { channels }: Layout): number {
  const places = size / channels;
  const within = at % size;
  return at - within + (within % places) * channels + Math.floor(within / places);
}

/** The masks of an array with channels; undefined where it holds other numbers than 0, 1 and the one to ignore. */
function masksOf({ data, shape, ignore }: LabelArray, layout: Layout): Masks | undefined {
  const size = product(shape);
  const masks = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const value = data[layout.last ? sourceOf(i, size, layout) : i];
    if (value !== 0 && value !== 1 && value !== ignore) return undefined;
    masks[i] = value === ignore ? unknown : value;
  }
  return { data: masks, channels: layout.channels, places: size / layout.channels };
}

/** The class of each place [N, places] from one mask for each class, −1 where it is unknown; undefined where masks are no one-hot. */
function classesOf({ data, channels, places }: Masks): Int32Array<ArrayBuffer> | undefined {
  const classes = new Int32Array(data.length / channels).fill(-1);
  for (let at = 0; at < classes.length; at++) {
    const start = Math.floor(at / places) * channels * places + (at % places);
    let unknowns = 0;
    for (let k = 0; k < channels; k++) {
      const value = data[start + k * places];
      if (value === unknown) unknowns++;
      if (value !== 1) continue;
      if (classes[at] >= 0) return undefined;
      classes[at] = k;
    }
    if (classes[at] < 0 ? unknowns < channels : unknowns > 0) return undefined;
  }
  return classes;
}

/** Whether labels can be nothing but targets of a regression: real numbers, some outside 0 to 1, and so no probabilities either. */
export const areTargets = ({ labels }: Dataset): boolean =>
  labels !== undefined && firstReal(labels) >= 0 && labels.data.some(value => value < 0 || value > 1);

/**
 * What labels say of an output of several channels whose activation nothing else tells: `sigmoid` where regions are named, or one mask
 * for each channel overlaps another or all leave places out; `softmax` where they do neither. Undefined where labels say nothing.
 */
export function impliedActivation(dataset: Dataset, output: LabelledOutput): 'softmax' | 'sigmoid' | undefined {
  const { labels } = dataset;
  if (!labels) return undefined;
  if (labels.regions) return 'sigmoid';
  const layout = layoutOf(labels.shape, output);
  if (!layout || layout.channels === 1 || layout.channels !== output.meaning.channels) return undefined;
  const masks = masksOf(labels, layout);
  return masks && (classesOf(masks) ? 'softmax' : 'sigmoid');
}

/**
 * The labels of a data set as a network's output needs them.
 *
 * @throws SutureError `data-invalid` when there are none, or they do not fit what the output means; `option-invalid` where what is said
 * of labels does not.
 */
export function labelsFor(dataset: Dataset, output: LabelledOutput): Labels {
  const reader = new LabelReader(dataset, requireLabels(dataset), output);
  switch (output.meaning.activation) {
    case undefined:
      return reader.values();
    case 'softmax':
      return reader.classes();
    case 'sigmoid':
      return reader.regions();
    default:
      return output.meaning.activation satisfies never;
  }
}

class LabelReader {
  readonly #dataset: Dataset;
  readonly #array: LabelArray;
  readonly #output: LabelledOutput;
  /** How messages name the network. */
  readonly #name: string;

  constructor(dataset: Dataset, array: LabelArray, output: LabelledOutput) {
    this.#dataset = dataset;
    this.#array = array;
    this.#output = output;
    this.#name = printable(output.name);
  }

  values(): ValueLabels {
    const { data, shape, ignore, regions } = this.#array;
    const { spatial, meaning } = this.#output;
    const option = ignore !== undefined ? '--ignore-label' : regions && '--regions';
    if (option) this.#refuse(`${option} is for classes and regions, and the labels are targets of a regression`);
    const layout = layoutOf(shape, this.#output);
    if (!layout || layout.channels !== meaning.channels) {
      const wanted = [meaning.channels, ...spatial.map(dim => dim ?? '*')].join(', ');
      this.#fail(
        `"labels" has the shape ${this.#shape()}, and ${this.#name} gives [N, ${wanted}]: ` +
          'a regression needs one number for each of its outputs',
      );
    }
    const values = layout.last
      ? Float32Array.from(data, (_, i) => data[sourceOf(i, product(shape), layout)])
      : Float32Array.from(data);
    const order = layout.last ? [layout.channels, ...shape.slice(0, -1)] : shape;
    return { kind: 'values', data: values, shape: order, reading: 'targets of a regression' };
  }

  classes(): ClassLabels {
    const { regions } = this.#array;
    const { channels: classes } = this.#output.meaning;
    if (regions) {
      this.#refuse(
        `--regions are for networks with a sigmoid for each region, and the ${classes} channels of ${this.#name} are classes that ` +
          'exclude each other (softmax): leave it out, or say --activation sigmoid if they are regions',
      );
    }
    const layout = this.#layout();
    if (layout.channels === 1) {
      const { data, ignore } = this.#map(classes);
      const reading = `${classes} classes${this.#each()}${this.#wholes()}${this.#ignored()}`;
      return { kind: 'classes', data, shape: this.#spatial(layout), classes, ignore, reading };
    }
    if (layout.channels !== classes) {
      this.#fail(
        `"labels" has the shape ${this.#shape()}, ${layout.channels} channels, and ${this.#name} tells ${classes} classes apart: give ` +
          'the number of the class, or one mask for each class and the background',
      );
    }
    const data = classesOf(this.#masks(layout));
    if (!data) {
      this.#fail(
        `"labels" are ${classes} masks that overlap or leave places out, and the ${classes} channels of ${this.#name} are classes that ` +
          'exclude each other (softmax); if they are regions, say --activation sigmoid',
      );
    }
    const reading = `one-hot over ${classes} classes, read as classes${this.#each()}${this.#ignored()}`;
    return { kind: 'classes', data, shape: this.#spatial(layout), classes, ignore: -1, reading };
  }

  regions(): RegionLabels {
    const { channels: count } = this.#output.meaning;
    const { regions: table } = this.#array;
    if (table && table.length !== count) {
      this.#refuse(
        `--regions (or dataset.json) names ${table.length} regions, and ${this.#name} has ${count} channels`,
      );
    }
    const layout = this.#layout();
    const shape = [count, ...this.#spatial(layout)];
    const names = table
      ? table.map(classes => classes.join('+'))
      : Array.from({ length: count }, (_, i) => String(i + 1));
    const read = (data: Uint8Array<ArrayBuffer>, how: string): RegionLabels => {
      const what = count === 1 ? 'the foreground' : `${count} regions`;
      const reading = `${what}${this.#each()}${how}${this.#ignored()}`;
      return { kind: 'regions', data, shape, names, ignore: unknown, reading };
    };
    if (layout.channels === 1) {
      if (table) return read(this.#regionsOf(table), `, made of classes: ${names.join(', ')}`);
      if (count === 1) return read(this.#foreground(), this.#wholes());
      this.#fail(
        `"labels" hold one number for each place, and ${this.#name} says yes or no for ${count} regions (sigmoid): say which classes ` +
          'each is made of, as in --regions 1+2+3,2+3,3, or --activation softmax if its channels exclude each other',
      );
    }
    const masks = this.#masks(layout);
    if (layout.channels === count) return read(masks.data, ', as masks');
    const classes = count === 1 && layout.channels === 2 ? classesOf(masks) : undefined;
    if (!classes) {
      this.#fail(
        `"labels" has the shape ${this.#shape()}, ${layout.channels} channels, and ${this.#name} says yes or no for ` +
          `${count === 1 ? 'the foreground' : `${count} regions`}: there must be one mask for each`,
      );
    }
    return read(
      Uint8Array.from(classes, k => (k < 0 ? unknown : k)),
      ', one-hot with the background',
    );
  }

  #layout(): Layout {
    const { spatial, meaning, name } = this.#output;
    const layout = layoutOf(this.#array.shape, this.#output);
    if (!layout) {
      const wanted = ['N', ...spatial.map(dim => dim ?? '*')].join(', ');
      return this.#fail(
        `"labels" has the shape ${this.#shape()}, and ${this.#name} answers for [${wanted}]: there must be one label for each position ` +
          `of its output${meaning.channels > 1 ? `, or [N, ${['channels', ...spatial.map(dim => dim ?? '*')].join(', ')}]` : ''}`,
      );
    }
    const real = firstReal(this.#array);
    if (real < 0) return layout;
    return this.#fail(
      `"labels" hold real numbers, ${this.#at(real)}, and ${printable(name)} gives ${meaning.kind} of ` +
        `${meaning.activation === 'softmax' ? `${meaning.channels} classes` : 'regions'}: if they are targets of a regression, say ` +
        '--task regression; if they are classes, give whole numbers',
    );
  }

  /** One number for each place as 0 … classes − 1, or the one to ignore. */
  #map(classes: number): { readonly data: IntegerData; readonly ignore: number | undefined } {
    const { data, ignore } = this.#array;
    const at = data.findIndex(label => (label < 0 || label >= classes) && label !== ignore);
    if (at >= 0) this.#outside(at, `the networks have ${classes} classes, 0 to ${classes - 1}`);
    return { data: data instanceof Float32Array ? Int32Array.from(data) : data, ignore };
  }

  #foreground(): Uint8Array<ArrayBuffer> {
    const { data, ignore } = this.#map(2);
    return Uint8Array.from(data, label => (label === ignore ? unknown : label));
  }

  /** The masks that a table makes of class numbers. */
  #regionsOf(table: readonly (readonly number[])[]): Uint8Array<ArrayBuffer> {
    const { data, ignore, shape } = this.#array;
    const known = new Set([0, ...table.flat()]);
    const at = data.findIndex(label => !known.has(label) && label !== ignore);
    if (at >= 0) this.#outside(at, `the regions are made of the classes ${[...known].filter(k => k > 0).join(', ')}`);
    const places = product(shape);
    const masks = new Uint8Array(data.length * table.length);
    for (const [r, classes] of table.entries()) {
      const members = new Set(classes);
      for (let i = 0; i < data.length; i++) {
        const label = data[i];
        const to = (Math.floor(i / places) * table.length + r) * places + (i % places);
        masks[to] = label === ignore ? unknown : members.has(label) ? 1 : 0;
      }
    }
    return masks;
  }

  #masks(layout: Layout): Masks {
    const { data, ignore } = this.#array;
    if (ignore === 0 || ignore === 1)
      this.#refuse(`masks hold 0 and 1, so that --ignore-label ${ignore} would leave nothing to tell`);
    const masks = masksOf(this.#array, layout);
    if (masks) return masks;
    const at = data.findIndex(value => value !== 0 && value !== 1 && value !== ignore);
    return this.#outside(at, 'with an axis for channels labels are masks, of 0 and 1');
  }

  #spatial({ channels, last }: Layout): readonly number[] {
    const { shape } = this.#array;
    const bare = shape.length === this.#output.spatial.length;
    return bare && channels === 1 ? shape : last ? shape.slice(0, -1) : shape.slice(1);
  }

  #each(): string {
    return this.#output.spatial.length > 0 ? ' of each place' : ' of each image';
  }

  #wholes(): string {
    return this.#array.data instanceof Float32Array ? ', read from whole real numbers' : '';
  }

  #ignored(): string {
    const { ignore } = this.#array;
    return ignore === undefined ? '' : `, ${ignore} left out`;
  }

  #shape(): string {
    return shapeText([this.#dataset.count, ...this.#array.shape]);
  }

  #at(position: number): string {
    const { data, shape } = this.#array;
    return `${placeOf('labels', position, [this.#dataset.count, ...shape])} is ${data[position]}`;
  }

  /** A number that is none of those that there may be, and what may have been meant. */
  #outside(position: number, expected: string): never {
    const hint =
      this.#array.ignore === undefined ? `: did you mean --ignore-label ${this.#array.data[position]}?` : '.';
    throw new SutureError(
      'data-invalid',
      `${printable(this.#dataset.source)}: ${this.#at(position)}; ${expected}${hint}`,
    );
  }

  #fail(problem: string): never {
    throw new SutureError('data-invalid', `${printable(this.#dataset.source)}: ${problem}.`);
  }

  #refuse(problem: string): never {
    throw new SutureError('option-invalid', `${printable(this.#dataset.source)}: ${problem}.`);
  }
}

/** Whether there is a label for each place of an image, and not just one for the image. */
export const isDense = ({ kind, shape }: ClassLabels | RegionLabels): boolean =>
  shape.length > (kind === 'regions' ? 1 : 0);

/**
 * Checks that labels can tell candidates apart: one place at least counts, and of dense ones one at least is foreground, or no Dice
 * is above 0.
 *
 * @throws SutureError `data-invalid`
 */
export function requireForeground(labels: Labels, source: string): void {
  if (labels.kind === 'values') return;
  const { data, ignore } = labels;
  const dense = isDense(labels);
  if (data.some(label => label !== ignore && (label > 0 || !dense))) return;
  const fault = dense ? 'no image has foreground in its labels' : 'every label is left out';
  throw new SutureError(
    'data-invalid',
    `${printable(source)}: ${fault}, so no score can be made of them and nothing can be chosen by them; take validation images that ` +
      'have some.',
  );
}
