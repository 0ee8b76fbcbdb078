/** Quantisation to 8 and 16 bits: `(x - zero_point) · scale`, for all elements, along an axis, or in blocks of one. */
import type { GraphBuilder, NodeOptions } from '../../builder.ts';
import type { Value } from '../../graph.ts';
import { product } from '../../numbers.ts';
import { type DType, staticShape } from '../../type.ts';
import { type ForeignRule, type FormContext, type NodeForm, requireInputs } from '../form.ts';
import { dtypeOf } from '../tensor.ts';

/** The range of the dtypes that numbers are quantised to. */
const ranges: Partial<Record<DType, readonly [least: number, most: number]>> = {
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32768, 32767],
  uint16: [0, 65535],
};

/** A scale or zero point for each element along an axis, or for each block along it, so that it broadcasts over `x`. */
function alongAxis(b: GraphBuilder, parameter: Value, x: Value, form: NodeForm, context: FormContext): Value {
  const rank = x.type.shape.length;
  const block = form.int('block_size') ?? 0;
  const given = form.int('axis') ?? 1;
  const axis = given < 0 ? given + rank : given;
  if (block > 0) {
    const length = x.type.shape[axis];
    if (typeof length !== 'number') return context.refuse('the extent that it quantises in blocks must be known');
    context.computes(8 * length);
    const blocks = b.ints(Array.from({ length }, (_, i) => Math.floor(i / block)));
    return b.op('Gather', [parameter, blocks], { axis });
  }
  if (parameter.type.shape.length === 0 || parameter.type.shape[0] === 1 || rank === 0) return parameter;
  const trailing = rank - 1 - axis;
  return trailing === 0
    ? parameter
    : b.op('Unsqueeze', [parameter, b.ints(Array.from({ length: trailing }, (_, i) => i + 1))]);
}

const to = (b: GraphBuilder, value: Value, dtype: DType): Value =>
  value.type.dtype === dtype ? value : b.op('Cast', [value], { to: dtype });

/** Numbers less their zero point, as a dtype that products are computed in. */
function centred(b: GraphBuilder, x: Value, zero: Value | undefined, dtype: DType, rows = false): Value {
  const numbers = to(b, x, dtype);
  if (zero === undefined) return numbers;
  // A zero point for each row of the left matrix has its axis before the last one.
  const perRow = rows && zero.type.shape.length === 1 && zero.type.shape[0] !== 1;
  const shaped = perRow ? b.op('Unsqueeze', [zero, b.ints([1])]) : zero;
  return b.op('Sub', [numbers, to(b, shaped, dtype)]);
}

/** Whole numbers scaled, rounded, moved by the zero point and kept in the range of a dtype. */
function requantized(b: GraphBuilder, x: Value, factor: Value, zero: Value, range: readonly [number, number]): Value {
  const bound = (value: number) => b.number(value, 'float32');
  const units = b.op('Round', [b.op('Mul', [to(b, x, 'float32'), factor])]);
  return b.op('Clip', [b.op('Add', [units, to(b, zero, 'float32')]), bound(range[0]), bound(range[1])]);
}

/** The factor from a product of two quantised numbers to a third: `a · b / y`. */
const factorOf = (b: GraphBuilder, left: Value, right: Value, result: Value): Value =>
  b.op('Div', [b.op('Mul', [to(b, left, 'float32'), to(b, right, 'float32')]), to(b, result, 'float32')]);

/** The window of a convolution as its attributes, which the quantised ones share. */
const convolution = (form: NodeForm) => ({
  auto_pad: form.string('auto_pad'),
  dilations: form.ints('dilations'),
  group: form.int('group'),
  kernel_shape: form.ints('kernel_shape'),
  pads: form.ints('pads'),
  strides: form.ints('strides'),
});

/** A value for each output channel of a convolution with an input of this rank. */
function perChannel(b: GraphBuilder, parameter: Value, trailing: number): Value {
  const [length] = parameter.type.shape;
  if (parameter.type.shape.length === 0 || length === 1 || trailing === 0) return parameter;
  return b.op('Unsqueeze', [parameter, b.ints(Array.from({ length: trailing }, (_, i) => i + 1))]);
}

interface Quantized {
  readonly numbers: Value;
  readonly zero: Value | undefined;
}

/** Sums of products below this are exact in float32. */
const EXACT_SUM = 2 ** 24;

/**
 * A convolution of quantised numbers as int32. It is computed in float32; where sums may be too large for that, on the upper and
 * the lower half of the weights: `w = 16 · high + low`. That is exact up to 4 000 products of 8 bits for each output.
 */
function sums(b: GraphBuilder, [x, w]: readonly Quantized[], form: NodeForm, options?: NodeOptions): Value {
  const { shape } = w.numbers.type;
  const zero = w.zero && perChannel(b, w.zero, shape.length - 1);
  const left = centred(b, x.numbers, x.zero, 'float32');
  const right = centred(b, w.numbers, zero, 'float32');
  const convolved = (weight: Value, last?: NodeOptions) =>
    b.op('Cast', [b.op('Conv', [left, weight], convolution(form))], { to: 'int32' }, last);
  const terms = product(staticShape(shape.slice(1)) ?? [Number.POSITIVE_INFINITY]);
  if (terms * 255 * 255 < EXACT_SUM) return convolved(right, options);
  const sixteen = b.number(16, 'float32');
  const high = b.op('Floor', [b.op('Div', [right, sixteen])]);
  const low = b.op('Sub', [right, b.op('Mul', [high, sixteen])]);
  const upper = b.op('Mul', [convolved(high), b.number(16, 'int32')]);
  return b.op('Add', [upper, convolved(low)], {}, options);
}

export const quantized = {
  DequantizeLinear: {
    since: 10,
    build(form, context) {
      const [x, scale, zero] = requireInputs(form, 2, context);
      const code = form.int('output_dtype');
      const dtype = code ? dtypeOf(code) : scale!.type.dtype;
      if (dtype === undefined) return context.refuse('its element type is not supported');
      const [centred, factor] = context.within(b => {
        const numbers = to(b, x!, dtype);
        const scaled = to(b, alongAxis(b, scale!, x!, form, context), dtype);
        if (zero === undefined) return [numbers, scaled];
        return [b.op('Sub', [numbers, to(b, alongAxis(b, zero, x!, form, context), dtype)]), scaled];
      });
      return [context.builder.op('Mul', [centred, factor], {}, context.result())];
    },
  },

  QuantizeLinear: {
    since: 10,
    build(form, context) {
      const [x, scale, zero] = requireInputs(form, 2, context);
      const code = form.int('output_dtype');
      const dtype = zero?.type.dtype ?? (code ? dtypeOf(code) : 'uint8');
      const range = dtype && ranges[dtype];
      if (dtype === undefined || range === undefined) return context.refuse('its element type is not supported');
      if (x!.type.dtype === 'int32') return context.refuse('quantising int32 is not supported');
      const clipped = context.within(b => {
        const type = x!.type.dtype;
        const units = b.op('Round', [b.op('Div', [x!, to(b, alongAxis(b, scale!, x!, form, context), type)])]);
        const moved =
          zero === undefined ? units : b.op('Add', [units, to(b, alongAxis(b, zero, x!, form, context), type)]);
        const bound = (value: number) => b.number(value, type);
        return b.op('Clip', [moved, bound(range[0]), bound(range[1])]);
      });
      return [context.builder.op('Cast', [clipped], { to: dtype }, context.result())];
    },
  },

  /** Computed in int32, exactly. */
  MatMulInteger: {
    since: 10,
    build(form, context) {
      const [a, b, aZero, bZero] = requireInputs(form, 2, context);
      const [left, right] = context.within(inner => [
        centred(inner, a!, aZero, 'int32', true),
        centred(inner, b!, bZero, 'int32'),
      ]);
      return [context.builder.op('MatMul', [left, right], {}, context.result())];
    },
  },

  /** The product is computed in int32, exactly, and scaled in float32. */
  QLinearMatMul: {
    since: 10,
    build(form, context) {
      const [a, aScale, aZero, b, bScale, bZero, yScale, yZero] = requireInputs(form, 8, context);
      const { dtype } = yZero!.type;
      const range = ranges[dtype] ?? context.refuse(`its result of ${dtype} is not supported`);
      const clipped = context.within(inner => {
        const rowScale = aScale!.type.shape.length === 1 && aScale!.type.shape[0] !== 1;
        const scale = rowScale ? inner.op('Unsqueeze', [aScale!, inner.ints([1])]) : aScale!;
        const product = inner.op('MatMul', [
          centred(inner, a!, aZero, 'int32', true),
          centred(inner, b!, bZero, 'int32'),
        ]);
        return requantized(inner, product, factorOf(inner, scale, bScale!, yScale!), yZero!, range);
      });
      return [context.builder.op('Cast', [clipped], { to: dtype }, context.result())];
    },
  },

  ConvInteger: {
    since: 10,
    build(form, context) {
      const [x, w, xZero, wZero] = requireInputs(form, 2, context);
      return [
        context.within(b =>
          sums(
            b,
            [
              { numbers: x!, zero: xZero },
              { numbers: w!, zero: wZero },
            ],
            form,
            context.result(),
          ),
        ),
      ];
    },
  },

  /** The sums and the bias are added up in int32, exactly, and scaled in float32. */
  QLinearConv: {
    since: 10,
    build(form, context) {
      const [x, xScale, xZero, w, wScale, wZero, yScale, yZero, bias] = requireInputs(form, 8, context);
      const { dtype } = yZero!.type;
      const range = ranges[dtype] ?? context.refuse(`its result of ${dtype} is not supported`);
      const clipped = context.within(b => {
        const spatial = w!.type.shape.length - 2;
        const products = sums(
          b,
          [
            { numbers: x!, zero: xZero },
            { numbers: w!, zero: wZero },
          ],
          form,
        );
        const biased = bias ? b.op('Add', [products, perChannel(b, bias, spatial)]) : products;
        const factor = factorOf(b, xScale!, perChannel(b, wScale!, spatial), yScale!);
        return requantized(b, biased, factor, yZero!, range);
      });
      return [context.builder.op('Cast', [clipped], { to: dtype }, context.result())];
    },
  },

  /** To uint8, with a scale and a zero point that fit the values and hold zero exactly. */
  DynamicQuantizeLinear: {
    since: 11,
    build(form, context) {
      const [x] = requireInputs(form, 1, context);
      const [range, least] = context.within(b => {
        const low = b.op('Min', [b.op('ReduceMin', [x!], { keepdims: 0 }), b.number(0, 'float32')]);
        const high = b.op('Max', [b.op('ReduceMax', [x!], { keepdims: 0 }), b.number(0, 'float32')]);
        return [b.op('Sub', [high, low]), low];
      });
      const scale = context.builder.op('Div', [range, context.scalar('float32', 255, 'levels')], {}, context.result(1));
      const level = context.within(b => {
        const zero = b.op('Div', [b.op('Neg', [least]), scale]);
        return b.op('Round', [b.op('Clip', [zero, b.number(0, 'float32'), b.number(255, 'float32')])]);
      });
      const zero = context.builder.op('Cast', [level], { to: 'uint8' }, context.result(2));
      const clipped = context.within(b => {
        const units = b.op('Add', [b.op('Round', [b.op('Div', [x!, scale])]), level]);
        return b.op('Clip', [units, b.number(0, 'float32'), b.number(255, 'float32')]);
      });
      return [context.builder.op('Cast', [clipped], { to: 'uint8' }, context.result()), scale, zero];
    },
  },
} satisfies Readonly<Record<string, ForeignRule>>;
