import { product, range, stridesOf } from '../numbers.ts';
import { integersOf, normalizeAxis } from '../operator.ts';
import { type movement, sliceRanges } from '../ops/movement.ts';
import {
  arrayFor,
  int64s,
  numbersOf,
  type Tensor,
  type TensorData,
  tensor,
  tensorFromNumbers,
  tensorType,
} from '../tensor.ts';
import { bigintsOf, isInteger, tensorFromBigints } from './integers.ts';
import { broadcastStrides, indexed, offsets, pick, reshaped, tabled } from './layout.ts';
import type { EvaluationRule, EvaluationRules } from './rule.ts';

type Reshaping = 'Identity' | 'Reshape' | 'Flatten' | 'Squeeze' | 'Unsqueeze';

const sameElements: EvaluationRule<Reshaping> = ([x], _, [output]) => [reshaped(x!, output.shape)];

const integers = (t: Tensor): number[] => Array.from(integersOf({ type: tensorType(t), constant: t })!);

function transpose(x: Tensor, perm: readonly number[] | undefined, shape: readonly number[]): Tensor {
  const order = perm ?? x.shape.map((_, i) => x.shape.length - 1 - i);
  const strides = stridesOf(x.shape);
  return pick(
    x,
    shape,
    offsets(
      shape,
      order.map(i => strides[i]),
    ),
  );
}

/** Axes of a tensor in another order, and the same elements in another shape then. */
function permuted(x: Tensor, perm: readonly number[], shape: readonly number[]): Tensor {
  const moved = perm.map(i => x.shape[i]);
  return reshaped(transpose(x, perm, moved), shape);
}

/** Where index `i` of a padded axis reads: in [0, size), or -1 for the fill. */
const padded: Readonly<Record<string, (i: number, size: number) => number>> = {
  constant: (i, size) => (i >= 0 && i < size ? i : -1),
  edge: (i, size) => Math.min(Math.max(i, 0), size - 1),
  reflect(i, size) {
    if (size === 1) return 0;
    const period = 2 * (size - 1);
    const at = ((i % period) + period) % period;
    return at < size ? at : period - at;
  },
  wrap: (i, size) => ((i % size) + size) % size,
};

const minus1 = (text: string): boolean => text !== 'constant';

/** Operators that move elements: bits are kept. */
export const movementRules: EvaluationRules<keyof typeof movement> = {
  Identity: sameElements,
  Reshape: sameElements,
  Flatten: sameElements,
  Squeeze: sameElements,
  Unsqueeze: sameElements,

  Transpose: ([x], { perm }, [{ shape }]) => [transpose(x!, perm, shape)],

  Expand: ([x], _, [{ shape }]) => [pick(x!, shape, offsets(shape, broadcastStrides(x!.shape, shape)))],

  Tile: ([x], _, [{ shape }]) => [
    pick(
      x!,
      shape,
      tabled(
        x!.shape,
        shape.map((d, i) => range(d).map(k => k % x!.shape[i])),
      ),
    ),
  ],

  Concat(inputs, { axis }, [{ dtype, shape }]) {
    const at = normalizeAxis(axis, shape.length);
    const inner = product(shape.slice(at + 1));
    const row = shape[at] * inner;
    const data = indexed(arrayFor(dtype, product(shape)));
    let start = 0;
    for (const input of inputs) {
      // Of each row of the output a chunk.
      const chunk = input!.shape[at] * inner;
      const given = indexed(input!.data);
      for (let from = 0, to = start; from < given.length; from += chunk, to += row) {
        for (let j = 0; j < chunk; j++) data[to + j] = given[from + j];
      }
      start += chunk;
    }
    return [tensor(dtype, shape, data as unknown as TensorData)];
  },

  Split([x], { axis }, outputs) {
    const at = normalizeAxis(axis, x!.shape.length);
    const strides = stridesOf(x!.shape);
    let start = 0;
    return outputs.map(({ shape }) => {
      const part = pick(x!, shape, offsets(shape, strides, start * strides[at]));
      start += shape[at];
      return part;
    });
  },

  Slice([x, starts, ends, axes, steps], _, [{ shape }]) {
    const count = starts!.shape[0];
    const ranges = sliceRanges(
      x!.shape,
      integers(starts!),
      integers(ends!),
      axes ? integers(axes) : range(count),
      steps ? integers(steps) : Array<number>(count).fill(1),
    );
    if (!ranges) return undefined;
    const strides = stridesOf(x!.shape);
    let base = 0;
    for (const { axis, start, step } of ranges) {
      base += start * strides[axis];
      strides[axis] *= step;
    }
    return [pick(x!, shape, offsets(shape, strides, base))];
  },

  Pad([x, pads, fill, axes], { mode }, [{ dtype, shape }]) {
    const along = axes ? integers(axes).map(a => normalizeAxis(a, shape.length)) : range(shape.length);
    const by = integers(pads!);
    const begins = shape.map((_, i) => by[along.indexOf(i)] ?? 0);
    const place = padded[mode];
    if (!place || (minus1(mode) && x!.shape.includes(0))) return undefined;
    const tables = shape.map((d, i) => range(d).map(k => place(k - begins[i], x!.shape[i])));
    return [pick(x!, shape, tabled(x!.shape, tables), fill ?? tensorFromNumbers(dtype, [], [0]))];
  },

  Trilu([x, k], { upper }, [{ shape }]) {
    const shift = k ? integers(k)[0] : 0;
    const [rows, columns] = shape.slice(-2);
    const from = offsets(shape, stridesOf(shape)).map((o, i) => {
      const [row, column] = [Math.floor(i / columns) % rows, i % columns];
      return (upper ? column - row >= shift : column - row <= shift) ? o : -1;
    });
    return [pick(x!, shape, from)];
  },

  DepthToSpace([x], { blocksize: b, mode }, [{ shape }]) {
    const [n, c, h, w] = x!.shape;
    const channels = c / (b * b);
    const dcr = mode === 'DCR';
    const split = reshaped(x!, dcr ? [n, b, b, channels, h, w] : [n, channels, b, b, h, w]);
    const perm = dcr ? [0, 3, 4, 1, 5, 2] : [0, 1, 4, 2, 5, 3];
    return [permuted(split, perm, shape)];
  },

  SpaceToDepth([x], { blocksize: b }, [{ shape }]) {
    const [n, c, h, w] = x!.shape;
    const split = reshaped(x!, [n, c, h / b, b, w / b, b]);
    const perm = [0, 3, 5, 1, 2, 4];
    return [permuted(split, perm, shape)];
  },

  Shape: ([x], { start, end }) => [int64s(x!.shape.slice(start, end))],
  Size: ([x]) => [tensorFromNumbers('int64', [], [product(x!.shape)])],

  ConstantOfShape: (_, { value }, [{ shape }]) => [pick(value, shape, new Int32Array(product(shape)))],

  Range([start, , delta], _, [{ dtype, shape }]) {
    if (isInteger(dtype)) {
      const [[from], [by]] = [bigintsOf(start!), bigintsOf(delta!)];
      return [
        tensorFromBigints(
          dtype,
          shape,
          range(shape[0]).map(i => from + BigInt(i) * by),
        ),
      ];
    }
    const [[from], [by]] = [numbersOf(start!), numbersOf(delta!)];
    return [
      tensorFromNumbers(
        dtype,
        shape,
        range(shape[0]).map(i => from + i * by),
      ),
    ];
  },
};
