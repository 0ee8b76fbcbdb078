/** What is only another name, form or constant. */
import type { Value } from '../../graph.ts';
import { float32, tensor, tensorFromNumbers } from '../../tensor.ts';
import { bytesPerElement, type DType, isFloat } from '../../type.ts';
import { asTensor } from '../attributes.ts';
import { type ForeignRule, requireInputs } from '../form.ts';
import { dtypeOf } from '../tensor.ts';

export const basic = {
  Constant: {
    since: 1,
    build(form, context) {
      if (form.attributes.has('sparse_value')) context.refuse('sparse constants are not supported');
      const [value] = form.attributes.values();
      const read = value === undefined ? undefined : asTensor(value);
      if (read === undefined) return context.refuse('its value is not a tensor of numbers');
      return [context.builder.constant(read, form.outputs[0])];
    },
  },

  /** In inference, dropout passes its input on; the mask is all true. */
  Dropout: {
    since: 1,
    build(form, context) {
      const [data, ratio, training] = requireInputs(form, 1, context);
      // At a ratio of zero, training mode drops nothing either.
      const drops = ratio?.constant === undefined || Number(ratio.constant.data[0]) !== 0;
      if ((drops && isTrue(training)) || (context.opset < 7 && form.int('is_test') === 0)) {
        context.report.warn('training-mode', 'In training mode, and read as inference, without dropout', context.where);
      }
      if (!context.isUsed(1)) return [data];
      const shape = context.builder.op('Shape', [data!], {}, context.named('shape'));
      const value = tensor('bool', [1], Uint8Array.of(1));
      return [data, context.builder.op('ConstantOfShape', [shape], { value }, context.result(1))];
    },
  },

  /** Resize before version 10. */
  Upsample: {
    since: 1,
    build(form, context) {
      const [x, given] = requireInputs(form, 1, context);
      const perAxis = form.floats('scales') ?? [1, 1, form.float('height_scale') ?? 1, form.float('width_scale') ?? 1];
      const scales = given ?? context.constant(float32([perAxis.length], perAxis), 'scales');
      const options = {
        coordinate_transformation_mode: 'asymmetric',
        nearest_mode: 'floor',
        // Version 1 says bilinear.
        mode: (form.string('mode') ?? 'nearest').replace('bilinear', 'linear'),
      };
      return [context.builder.op('Resize', [x!, undefined, scales], options, context.result())];
    },
  },

  /** What a mask keeps along an axis, or of all elements. */
  Compress: {
    since: 9,
    build(form, context) {
      const [data, condition] = requireInputs(form, 2, context);
      const axis = form.int('axis');
      const [from, kept] = context.within(b => [
        axis === undefined ? b.op('Reshape', [data!, b.ints([-1])]) : data!,
        b.op('Squeeze', [b.op('NonZero', [condition!]), b.ints([0])]),
      ]);
      return [context.builder.op('Gather', [from, kept], { axis: axis ?? 0 }, context.result())];
    },
  },

  /** ScatterElements before version 11. */
  Scatter: {
    since: 9,
    build(form, context) {
      const [data, indices, updates] = requireInputs(form, 3, context);
      const axis = form.int('axis') ?? 0;
      return [context.builder.op('ScatterElements', [data!, indices!, updates!], { axis }, context.result())];
    },
  },

  /** Casts to the dtype of its second operand. */
  CastLike: {
    since: 15,
    build(form, context) {
      const [input, like] = requireInputs(form, 2, context);
      return [context.builder.op('Cast', [input!], { to: like!.type.dtype }, context.result())];
    },
  },

  /** The same bits as another dtype: between integers of one width that is a cast, which wraps around. */
  BitCast: {
    since: 26,
    build(form, context) {
      const [input] = requireInputs(form, 1, context);
      const { dtype } = input!.type;
      const to = dtypeOf(form.int('to') ?? 0) ?? context.refuse('its element type is not supported');
      const whole = (type: DType): boolean => !isFloat(type) && type !== 'bool';
      if (to !== dtype && !(whole(to) && whole(dtype) && bytesPerElement[to] === bytesPerElement[dtype]))
        return context.refuse(
          `the bits of ${dtype} as ${to} are not supported; those of integers as integers of the same width are`,
        );
      return [context.builder.op('Cast', [input!], { to }, context.result())];
    },
  },

  /** Ones on a diagonal: a constant, where the shape is known. */
  EyeLike: {
    since: 9,
    build(form, context) {
      const [like] = requireInputs(form, 1, context);
      const [rows, columns] = like!.type.shape;
      const code = form.int('dtype');
      const dtype = code === undefined ? like!.type.dtype : dtypeOf(code);
      if (dtype === undefined) return context.refuse('its element type is not supported');
      if (typeof rows !== 'number' || typeof columns !== 'number') return context.refuse('its shape must be known');
      context.computes(8 * rows * columns);
      const ones = Array.from({ length: rows * columns }, (_, i) =>
        (i % columns) - Math.floor(i / columns) === (form.int('k') ?? 0) ? 1 : 0,
      );
      return [context.builder.constant(tensorFromNumbers(dtype, [rows, columns], ones), form.outputs[0])];
    },
  },

  /** `Swish(a) · b`. */
  SwiGLU: {
    since: 28,
    build(form, context) {
      const [a, b] = requireInputs(form, 2, context);
      const gate = context.within(inner => inner.op('Swish', [a!], { alpha: form.float('alpha') ?? 1 }));
      return [context.builder.op('Mul', [gate, b!], {}, context.result())];
    },
  },

  /** The p-norm over all spatial axes. */
  GlobalLpPool: {
    since: 2,
    build(form, context) {
      const [x] = requireInputs(form, 1, context);
      const { dtype, shape } = x!.type;
      const p = form.int('p') ?? 2;
      const sum = context.within(b => {
        const power = b.op('Pow', [b.op('Abs', [x!]), b.number(p, dtype)]);
        return b.op('ReduceSum', [power, b.ints(shape.slice(2).map((_, i) => i + 2))]);
      });
      return [context.builder.op('Pow', [sum, context.scalar(dtype, 1 / p, 'root')], {}, context.result())];
    },
  },

  /** Cut or padded with zeros to a shape, the middle staying in the middle. */
  CenterCropPad: {
    since: 18,
    build(form, context) {
      const [x, target] = requireInputs(form, 2, context);
      const rank = x!.type.shape.length;
      const along = form.ints('axes')?.map(a => (a < 0 ? a + rank : a)) ?? x!.type.shape.map((_, i) => i);
      const [cut, pads, axes] = context.within(b => {
        const over = b.ints(along);
        const half = (value: Value) => b.op('Div', [value, b.ints([2])]);
        const sizes = b.op('Gather', [b.op('Shape', [x!]), over]);
        const more = b.op('Sub', [sizes, target!]);
        const less = b.op('Max', [more, b.ints([0])]);
        const start = half(less);
        const slice = b.op('Slice', [x!, start, b.op('Add', [start, b.op('Sub', [sizes, less])]), over]);
        const missing = b.op('Max', [b.op('Neg', [more]), b.ints([0])]);
        const before = half(missing);
        return [slice, b.op('Concat', [before, b.op('Sub', [missing, before])], { axis: 0 }), over];
      });
      return [context.builder.op('Pad', [cut, pads, undefined, axes], {}, context.result())];
    },
  },

  /** Writes an update [B, ..., L, ...] into a cache [B, ..., S, ...], for each batch from its own index on, or around its end. */
  TensorScatter: {
    since: 24,
    build(form, context) {
      const [cache, update, starts] = requireInputs(form, 2, context);
      const rank = cache!.type.shape.length;
      const given = form.int('axis') ?? -2;
      const axis = given < 0 ? given + rank : given;
      const circular = form.string('mode') === 'circular';
      const indices = context.within(b => {
        const extent = (x: Value) => b.op('Squeeze', [b.op('Shape', [x], { start: axis, end: axis + 1 }), b.ints([0])]);
        const others = (kept: number) => b.ints(Array.from({ length: rank }, (_, i) => i).filter(i => i !== kept));
        const steps = b.op('Unsqueeze', [
          b.op('Range', [b.number(0, 'int64'), extent(update!), b.number(1, 'int64')]),
          others(axis),
        ]);
        const moved = starts ? b.op('Add', [steps, b.op('Unsqueeze', [starts, others(0)])]) : steps;
        const inside = circular ? b.op('Mod', [moved, extent(cache!)]) : moved;
        return b.op('Expand', [inside, b.op('Shape', [update!])]);
      });
      return [context.builder.op('ScatterElements', [cache!, indices, update!], { axis }, context.result())];
    },
  },

  /** A value of a graph is a tensor, and so it is there. */
  Optional: {
    since: 15,
    build: (form, context) => [form.inputs[0] ?? context.refuse('an optional without a value is not supported')],
  },

  OptionalGetElement: { since: 15, build: (form, context) => [requireInputs(form, 1, context)[0]] },

  OptionalHasElement: {
    since: 15,
    build(form, context) {
      const there = tensor('bool', [], Uint8Array.of(form.inputs[0] === undefined ? 0 : 1));
      return [context.builder.constant(there, form.outputs[0])];
    },
  },

  /** Reverses the first `lengths[b]` steps of each sequence. */
  ReverseSequence: {
    since: 10,
    build(form, context) {
      const [x, lengths] = requireInputs(form, 2, context);
      const rank = x!.type.shape.length;
      const time = form.int('time_axis') ?? 0;
      const first = time === 0;
      const indices = context.within(b => {
        const size = b.op('Squeeze', [b.op('Shape', [x!], { start: time, end: time + 1 }), b.ints([0])]);
        const steps = b.op('Unsqueeze', [
          b.op('Range', [b.number(0, 'int64'), size, b.number(1, 'int64')]),
          b.ints([first ? 1 : 0]),
        ]);
        const counts = b.op('Unsqueeze', [lengths!, b.ints([first ? 0 : 1])]);
        const mirrored = b.op('Sub', [b.op('Sub', [counts, b.number(1, 'int64')]), steps]);
        const flat = b.op('Where', [b.op('Less', [steps, counts]), mirrored, steps]);
        const trailing = Array.from({ length: rank - 2 }, (_, i) => i + 2);
        const wide = trailing.length === 0 ? flat : b.op('Unsqueeze', [flat, b.ints(trailing)]);
        return b.op('Expand', [wide, b.op('Shape', [x!])]);
      });
      return [context.builder.op('GatherElements', [x!, indices], { axis: time }, context.result())];
    },
  },

  /** A depthwise convolution over [B, C, T] that looks back only, and the last inputs for the next call. */
  CausalConvWithState: {
    since: 27,
    build(form, context) {
      const [x, weight, bias, past] = requireInputs(form, 2, context);
      const { shape } = weight!.type;
      const [channels, , kernel] = shape;
      if (typeof channels !== 'number' || typeof kernel !== 'number' || shape.length !== 3) {
        return context.refuse('its weight must be [channels, 1, kernel], both known');
      }
      const activation = form.string('activation') ?? 'none';
      if (!['none', 'silu', 'swish'].includes(activation))
        return context.refuse(`its activation '${activation}' is not known`);
      const back = kernel - 1;
      const padded = context.within(b => {
        if (past !== undefined) return b.op('Concat', [past, x!], { axis: 2 });
        return back === 0 ? x! : b.op('Pad', [x!, b.ints([0, 0, back, 0, 0, 0])]);
      });
      const attributes = { group: channels, kernel_shape: [kernel] };
      const plain = activation === 'none';
      const y = context.within(b => (plain ? undefined : b.op('Conv', [padded, weight!, bias], attributes)));
      const output =
        y === undefined
          ? context.builder.op('Conv', [padded, weight!, bias], attributes, context.result())
          : context.builder.op('Mul', [y, context.within(b => b.op('Sigmoid', [y]))], {}, context.result());
      if (!context.isUsed(1)) return [output];
      const state = context.within(b => [
        b.op('Sub', [b.op('Shape', [padded], { start: 2 }), b.ints([back])]),
        b.op('Shape', [padded], { start: 2 }),
        b.ints([2]),
      ]);
      const [from, to, axis] = state;
      return [output, context.builder.op('Slice', [padded, from, to, axis], {}, context.result(1))];
    },
  },
} satisfies Readonly<Record<string, ForeignRule>>;

/** A boolean operand that is known to be true. */
const isTrue = (value: Value | undefined): boolean =>
  value?.constant !== undefined && Number(value.constant.data[0]) !== 0;
