/** Quantisation to 8 and 16 bits: `(x - zero_point) · scale`, for all elements, along an axis, or in blocks of one. */
import type { GraphBuilder } from '../../builder.ts';
import type { Value } from '../../graph.ts';
import { tensorFromNumbers } from '../../tensor.ts';
import type { DType } from '../../type.ts';
import { type ForeignRule, type FormContext, type NodeForm, requireInputs } from '../form.ts';
import { dtypeOf } from '../tensor.ts';

/** The range of the dtypes that numbers are quantised to. */
const ranges: Partial<Record<DType, readonly [least: number, most: number]>> = {
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32768, 32767],
  uint16: [0, 65535],
};

/** A scale or zero point for each element along an axis, so that it broadcasts over `x`. */
function alongAxis(b: GraphBuilder, parameter: Value, x: Value, form: NodeForm, context: FormContext): Value {
  if (form.int('block_size')) context.refuse('quantisation in blocks is not supported');
  const rank = x.type.shape.length;
  if (parameter.type.shape.length === 0 || parameter.type.shape[0] === 1 || rank === 0) return parameter;
  const axis = form.int('axis') ?? 1;
  const trailing = rank - 1 - (axis < 0 ? axis + rank : axis);
  return trailing === 0
    ? parameter
    : b.op('Unsqueeze', [parameter, b.ints(Array.from({ length: trailing }, (_, i) => i + 1))]);
}

const to = (b: GraphBuilder, value: Value, dtype: DType): Value =>
  value.type.dtype === dtype ? value : b.op('Cast', [value], { to: dtype });

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
        const bound = (value: number) => b.constant(tensorFromNumbers(type, [], [value]));
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
      const [left, right] = context.within(inner => {
        const centred = (x: Value, zero: Value | undefined, rows: boolean): Value => {
          const numbers = to(inner, x, 'int32');
          if (zero === undefined) return numbers;
          // A zero point for each row of A, or each column of B.
          const perRow = rows && zero.type.shape.length === 1 && zero.type.shape[0] !== 1;
          const shaped = perRow ? inner.op('Unsqueeze', [zero, inner.ints([1])]) : zero;
          return inner.op('Sub', [numbers, to(inner, shaped, 'int32')]);
        };
        return [centred(a!, aZero, true), centred(b!, bZero, false)];
      });
      return [context.builder.op('MatMul', [left, right], {}, context.result())];
    },
  },
} satisfies Readonly<Record<string, ForeignRule>>;
