import { type Dim, equalDims, isStatic, productOf } from '../dim.ts';
import { attr, type Operand, operator, reject, requireRank, requireSameDType } from '../operator.ts';
import { type Shape, typeText } from '../type.ts';
import { broadcast } from './elementwise.ts';
import { transposedOutput, type Window, windowOf, windowOutput } from './spatial.ts';

function mustEqual(a: Dim, b: Dim, what: string): void {
  if (isStatic(a) && isStatic(b) && a !== b) reject(`${what}: ${a} and ${b} differ`);
}

function kernelOf(weight: Operand): readonly number[] {
  const kernel = weight.type.shape.slice(2);
  if (!kernel.every(isStatic)) reject(`the kernel extents must be known, not ${typeText(weight.type)}`);
  return kernel as readonly number[];
}

const windowAttributes = {
  auto_pad: attr.string.default('NOTSET'),
  dilations: attr.ints.optional,
  group: attr.int.default(1),
  kernel_shape: attr.ints.optional,
  pads: attr.ints.optional,
  strides: attr.ints.optional,
};

interface ConvAttributes {
  readonly auto_pad: string;
  readonly dilations?: readonly number[] | undefined;
  readonly pads?: readonly number[] | undefined;
  readonly strides?: readonly number[] | undefined;
}

/** The window of a Conv with operands of these shapes, every default filled in. */
export const convWindow = (attributes: ConvAttributes, input: Shape, weight: Shape): Window =>
  windowOf(attributes, weight.slice(2) as readonly number[], input.slice(2));

/** The window and output padding of a ConvTranspose with operands of these shapes, every default filled in. */
export function convTransposeWindow(
  attributes: ConvAttributes & {
    readonly output_padding?: readonly number[] | undefined;
    readonly output_shape?: readonly number[] | undefined;
  },
  input: Shape,
  weight: Shape,
): Window & { readonly outputPadding: readonly number[] } {
  const kernel = weight.slice(2) as readonly number[];
  const rank = kernel.length;
  const outputPadding = attributes.output_padding ?? Array<number>(rank).fill(0);
  const plain = windowOf({ ...attributes, auto_pad: 'NOTSET' }, kernel, input.slice(2));
  const same = attributes.auto_pad === 'SAME_UPPER' || attributes.auto_pad === 'SAME_LOWER';
  if (!attributes.output_shape && !same) return { ...plain, outputPadding };

  // The pads follow from the extent wanted: ONNX ConvTranspose, `output_shape` and `auto_pad`.
  const zero = { ...plain, pads: Array<number>(2 * rank).fill(0) };
  const full = transposedOutput(input.slice(2), zero, outputPadding);
  const begins: number[] = [];
  const ends: number[] = [];
  const filled: number[] = [];
  for (const [i, extent] of full.entries()) {
    const wanted = attributes.output_shape?.at(i - rank) ?? multiply(input[2 + i], plain.strides[i]);
    if (typeof extent !== 'number' || typeof wanted !== 'number') {
      return reject(`output_shape and auto_pad ${attributes.auto_pad} need a known spatial size`);
    }
    // As ONNX Runtime has it: what a given shape is longer than the windows reach is filled up at the end; `auto_pad` adds nothing.
    const total = Math.max(0, extent - wanted);
    filled.push(outputPadding[i] + (attributes.output_shape ? Math.max(0, wanted - extent) : 0));
    const less = Math.floor(total / 2);
    const upper = attributes.auto_pad === 'SAME_UPPER';
    begins.push(upper ? less : total - less);
    ends.push(upper ? total - less : less);
  }
  return { ...plain, pads: [...begins, ...ends], outputPadding: filled };
}

const multiply = (size: Dim, by: number): Dim => (typeof size === 'number' ? size * by : size);

function checkBias(bias: Operand | undefined, channels: Dim): void {
  if (bias) mustEqual(requireRank(bias, 1, 'the bias')[0], channels, 'channels of the bias and of the output');
}

export const linear = {
  /** X [N, C, spatial...], W [M, C / group, kernel...], B [M] → Y [N, M, spatial...] */
  Conv: operator({
    inputs: ['X', 'W', 'B?'],
    epilogue: true,
    attributes: windowAttributes,
    versions: [1, 11, 22],
    macs: ([, w], _, y) => productOf([...y.type.shape, ...w.type.shape.slice(1)]),
    infer([x, w, b], attributes) {
      const shape = x.type.shape;
      const weight = requireRank(w, shape.length, 'the weight');
      if (shape.length < 3) reject(`the input must be [N, C, spatial...], not ${typeText(x.type)}`);
      const inputs = weight[1];
      if (isStatic(inputs)) mustEqual(shape[1], inputs * attributes.group, 'channels of the input and of the weight');
      checkBias(b, weight[0]);
      kernelOf(w);
      const spatial = windowOutput(shape.slice(2), convWindow(attributes, shape, weight));
      return [{ dtype: requireSameDType([x, w, b]), shape: [shape[0], weight[0], ...spatial] }];
    },
  }),

  /** X [N, C, spatial...], W [C, M / group, kernel...], B [M] → Y [N, M, spatial...] */
  ConvTranspose: operator({
    inputs: ['X', 'W', 'B?'],
    epilogue: true,
    attributes: { ...windowAttributes, output_padding: attr.ints.optional, output_shape: attr.ints.optional },
    versions: [1, 11, 22],
    macs: ([x, w]) => productOf([...x.type.shape, ...w.type.shape.slice(1)]),
    infer([x, w, b], attributes) {
      const shape = x.type.shape;
      const weight = requireRank(w, shape.length, 'the weight');
      if (shape.length < 3) reject(`the input must be [N, C, spatial...], not ${typeText(x.type)}`);
      mustEqual(shape[1], weight[0], 'channels of the input and of the weight');
      kernelOf(w);
      const perGroup = weight[1];
      if (!isStatic(perGroup)) return reject('the number of output channels must be known');
      const channels = perGroup * attributes.group;
      checkBias(b, channels);
      const window = convTransposeWindow(attributes, shape, weight);
      const spatial = transposedOutput(shape.slice(2), window, window.outputPadding);
      return [{ dtype: requireSameDType([x, w, b]), shape: [shape[0], channels, ...spatial] }];
    },
  }),

  /** numpy's matmul: the last two axes are matrices, the rest is broadcast. */
  MatMul: operator({
    inputs: ['A', 'B'],
    epilogue: true,
    attributes: {},
    versions: [1, 9, 13],
    macs: ([a], _, y) => productOf([...y.type.shape, a.type.shape.at(-1) ?? 1]),
    infer([a, b]) {
      const [left, right] = [a.type.shape, b.type.shape];
      if (left.length === 0 || right.length === 0) reject('a scalar has no matrix product');
      const rows = left.length === 1 ? [1, ...left] : left;
      const columns = right.length === 1 ? [...right, 1] : right;
      mustEqual(rows[rows.length - 1], columns[columns.length - 2], 'the inner extents');
      const shape = [...broadcast([rows.slice(0, -2), columns.slice(0, -2)])];
      if (left.length > 1) shape.push(rows[rows.length - 2]);
      if (right.length > 1) shape.push(columns[columns.length - 1]);
      return [{ dtype: requireSameDType([a, b]), shape }];
    },
  }),

  /** `alpha · A' · B' + beta · C`, matrices only; C is broadcast to [M, N]. */
  Gemm: operator({
    inputs: ['A', 'B', 'C?'],
    epilogue: true,
    attributes: {
      alpha: attr.float.default(1),
      beta: attr.float.default(1),
      transA: attr.int.default(0),
      transB: attr.int.default(0),
    },
    versions: [1, 6, 7, 9, 11, 13],
    macs: ([a], { transA }, y) => productOf([...y.type.shape, a.type.shape[transA ? 0 : 1] ?? 1]),
    infer([a, b, c], { transA, transB }) {
      const left = requireRank(a, 2, 'A');
      const right = requireRank(b, 2, 'B');
      const [m, k] = transA ? [left[1], left[0]] : left;
      const [k2, n] = transB ? [right[1], right[0]] : right;
      mustEqual(k, k2, 'the inner extents');
      if (c) {
        const wide = broadcast([c.type.shape, [m, n]]);
        if (wide.length !== 2 || !equalDims(wide[0], m) || !equalDims(wide[1], n)) {
          reject(`C of ${typeText(c.type)} can't be broadcast to [${m}, ${n}]`);
        }
      }
      return [{ dtype: requireSameDType([a, b, c]), shape: [m, n] }];
    },
  }),
};
