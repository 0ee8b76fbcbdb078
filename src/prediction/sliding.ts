/** What a network says of a whole case, window by window: each window, and each mirror image of it, once; all of them averaged. */
import { SutureError, type Tensor, tensor } from '../../ir/index.ts';
import { product } from '../../ir/numbers.ts';
import { throwIfInterrupted } from '../execution/progress.ts';
import { bellOver, windowStarts } from './windows.ts';

/** Numbers over a case, [channels, ...spatial] in C order; at most three axes of space. */
export interface Field {
  readonly data: Float32Array<ArrayBuffer>;
  readonly shape: readonly number[];
}

export interface SlidingOptions {
  /** Along the last axes of the case; those before it are looked at place by place. */
  readonly window: readonly number[];
  /** From window to window, in windows. */
  readonly step: number;
  /** Axes of the window that it is mirrored over, alone and in all combinations. */
  readonly mirrorAxes: readonly number[];
  /** Windows that are given to the network at a time. */
  readonly together: number;
  readonly signal?: AbortSignal | undefined;
  /** How many of all looks are taken. */
  readonly onLook?: (done: number, total: number) => void;
}

/** Asks a network: [n, C, ...window] → [n, K, ...window]. */
export type Ask = (windows: Tensor) => Promise<Tensor>;

/** A network whose answers are of all windows together: is shown all of them, some at a time, and then asked about some. */
export type Survey = (windows: AsyncIterable<Tensor>) => Promise<Ask>;

/** Where windows begin, along three axes. */
type Starts = readonly (readonly number[])[];

/** Three axes, whatever there are. */
const inThree = (extents: readonly number[]): readonly number[] => [
  ...Array<number>(3 - extents.length).fill(1),
  ...extents,
];

/**
 * @param survey goes before `ask` where there are more windows than are given at a time.
 * @returns [K, ...spatial], what the network gives as it gives it: logits are averaged as logits, probabilities as probabilities.
 * @throws SutureError `output-not-finite`, `interrupted`.
 */
export async function slide(
  field: Field,
  { ask, survey }: { readonly ask: Ask; readonly survey?: Survey | undefined },
  options: SlidingOptions,
): Promise<Field> {
  const { window: asked, mirrorAxes, signal, onLook } = options;
  const [channels, ...spatial] = field.shape;
  const extents = inThree(spatial);
  const window = inThree(asked);
  const starts = positionsOf(extents, window, options);
  const mirrors = combinationsOf(mirrorAxes.map(axis => axis + 3 - asked.length));
  const { together } = options;
  const surveyed = starts.length > together ? survey : undefined;
  const size = product(window);
  const places = product(extents);
  const bell = starts.length === 1 ? new Float32Array(size).fill(1) : bellOver(window);
  const weights = new Float32Array(places);
  let sums: Float32Array<ArrayBuffer> | undefined;
  let done = 0;
  const total = starts.length * mirrors.length * (surveyed ? 2 : 1);
  const seen = (count: number): void => {
    done += count;
    onLook?.(done, total);
  };
  const parts = Array.from({ length: Math.ceil(starts.length / together) }, (_, i) =>
    starts.slice(i * together, (i + 1) * together),
  );
  const cutOut = (some: Starts, mirrored: readonly number[]): Tensor => {
    throwIfInterrupted(signal, 'The prediction');
    const given = new Float32Array(some.length * channels * size);
    for (const [i, start] of some.entries()) {
      for (let c = 0; c < channels; c++) {
        const [from, to] = [c * places, (i * channels + c) * size];
        eachPlace(extents, window, start, mirrored, (inCase, inWindow) => {
          given[to + inWindow] = field.data[from + inCase];
        });
      }
    }
    return tensor('float32', [some.length, channels, ...asked], given);
  };
  async function* all(mirrored: readonly number[]): AsyncGenerator<Tensor> {
    for (const some of parts) {
      yield cutOut(some, mirrored);
      seen(some.length);
    }
  }
  for (const mirrored of mirrors) {
    const askNow = surveyed ? await surveyed(all(mirrored)) : ask;
    for (const some of parts) {
      const said = await askNow(cutOut(some, mirrored));
      const heads = said.shape[1];
      const values = said.data as Float32Array;
      sums ??= new Float32Array(heads * places);
      for (const [i, start] of some.entries()) {
        for (let k = 0; k < heads; k++) {
          const [from, to] = [(i * heads + k) * size, k * places];
          const into = sums;
          eachPlace(extents, window, start, mirrored, (inCase, inWindow, unmirrored) => {
            into[to + inCase] += bell[unmirrored] * values[from + inWindow];
          });
        }
        eachPlace(extents, window, start, [], (inCase, inWindow) => {
          weights[inCase] += bell[inWindow];
        });
      }
      seen(some.length);
    }
  }
  const result = sums as Float32Array<ArrayBuffer>;
  for (let i = 0; i < result.length; i++) result[i] /= weights[i % places];
  if (result.some(value => !Number.isFinite(value))) {
    throw new SutureError('output-not-finite', 'The network gives numbers that are not finite.');
  }
  return { data: result, shape: [result.length / places, ...spatial] };
}

/** Where windows begin, along all axes; along those that a window does not have, at every place. */
function positionsOf(
  extents: readonly number[],
  window: readonly number[],
  { window: asked, step }: SlidingOptions,
): Starts {
  const [zs, ys, xs] = extents.map((extent, axis) =>
    windowStarts(extent, window[axis], axis < 3 - asked.length ? 1 : step),
  );
  return zs.flatMap(z => ys.flatMap(y => xs.map(x => [z, y, x])));
}

/** None of them, each alone, each pair, all. */
const combinationsOf = (axes: readonly number[]): readonly (readonly number[])[] =>
  Array.from({ length: 2 ** axes.length }, (_, bits) => axes.filter((_, i) => (bits >> i) % 2 === 1));

/**
 * Visits the places that a window shares with the case.
 *
 * @param mirrored axes over which the window is seen mirrored.
 * @param visit where the place is in the case, in what the network sees, and in the window if it were not mirrored.
 */
function eachPlace(
  extents: readonly number[],
  window: readonly number[],
  start: readonly number[],
  mirrored: readonly number[],
  visit: (inCase: number, inWindow: number, unmirrored: number) => void,
): void {
  const [, height, width] = extents;
  const [, rows, columns] = window;
  const low = start.map(from => Math.max(0, -from));
  const high = start.map((from, axis) => Math.min(window[axis], extents[axis] - from));
  const flip = [0, 1, 2].map(axis => mirrored.includes(axis));
  for (let z = low[0]; z < high[0]; z++) {
    const plane = flip[0] ? window[0] - 1 - z : z;
    for (let y = low[1]; y < high[1]; y++) {
      const row = (plane * rows + (flip[1] ? rows - 1 - y : y)) * columns;
      const inCase = ((start[0] + z) * height + start[1] + y) * width + start[2];
      const unmirrored = (z * rows + y) * columns;
      for (let x = low[2]; x < high[2]; x++) visit(inCase + x, row + (flip[2] ? columns - 1 - x : x), unmirrored + x);
    }
  }
}
