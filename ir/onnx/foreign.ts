/**
 * Operators of ONNX that the vocabulary has no word for, said in its words. Names of results are the file's wherever a
 * node of the graph gives them.
 */
import type { Value } from '../graph.ts';
import { float32, tensor } from '../tensor.ts';
import { asTensor } from './attributes.ts';
import type { FormContext, NodeForm } from './form.ts';

export interface ForeignRule {
  /** The first version whose form is read. */
  readonly since: number;
  readonly build: (form: NodeForm, context: FormContext) => readonly Value[];
}

export const foreign: Readonly<Record<string, ForeignRule>> = {
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
      const [data, , training] = form.inputs;
      if (data === undefined) return context.refuse('its input is missing');
      if (isOn(training) || (context.opset < 7 && form.int('is_test') === 0)) {
        context.report.warn(
          'training-mode',
          `${context.where} is in training mode; it was read as inference: no dropout.`,
        );
      }
      if (!context.isUsed(1)) return [data];
      const shape = context.builder.op('Shape', [data], {}, context.named('shape'));
      const value = tensor('bool', [1], Uint8Array.of(1));
      return [data, context.builder.op('ConstantOfShape', [shape], { value }, context.named('mask'))];
    },
  },

  /** Resize before version 10. */
  Upsample: {
    since: 1,
    build(form, context) {
      const [x, given] = form.inputs;
      if (x === undefined) return context.refuse('its input is missing');
      const perAxis = form.floats('scales') ?? [1, 1, form.float('height_scale') ?? 1, form.float('width_scale') ?? 1];
      const scales = given ?? context.constant(float32([perAxis.length], perAxis), 'scales');
      const options = {
        coordinate_transformation_mode: 'asymmetric',
        nearest_mode: 'floor',
        // Version 1 says bilinear.
        mode: (form.string('mode') ?? 'nearest').replace('bilinear', 'linear'),
      };
      return [context.builder.op('Resize', [x, undefined, scales], options, context.result)];
    },
  },

  /** ScatterElements before version 11. */
  Scatter: {
    since: 9,
    build(form, context) {
      const [data, indices, updates] = form.inputs;
      if (data === undefined || indices === undefined || updates === undefined)
        return context.refuse('an input is missing');
      return [
        context.builder.op(
          'ScatterElements',
          [data, indices, updates],
          { axis: form.int('axis') ?? 0 },
          context.result,
        ),
      ];
    },
  },

  /** Casts to the dtype of its second operand. */
  CastLike: {
    since: 15,
    build(form, context) {
      const [input, like] = form.inputs;
      if (input === undefined || like === undefined) return context.refuse('an input is missing');
      return [context.builder.op('Cast', [input], { to: like.type.dtype }, context.result)];
    },
  },
};

/** A boolean operand that is known to be true. */
const isOn = (value: Value | undefined): boolean =>
  value?.constant !== undefined && Number(value.constant.data[0]) !== 0;
