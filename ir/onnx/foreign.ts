/**
 * Operators of ONNX that the vocabulary has no word for, said in its words. Names of results are the file's wherever a
 * node of the graph gives them.
 */
import type { Value } from '../graph.ts';
import { tensor } from '../tensor.ts';
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
      if (form.outputs.length > 0 && isOn(training)) {
        context.report.warn(
          'training-mode',
          `${context.where} is in training mode; it was read as inference: no dropout.`,
        );
      }
      if (!form.outputs[1]) return [data];
      const shape = context.builder.op('Shape', [data], {}, context.named('shape'));
      const value = tensor('bool', [1], Uint8Array.of(1));
      return [data, context.builder.op('ConstantOfShape', [shape], { value }, context.named('mask'))];
    },
  },

  /** Casts to the dtype of its second operand. */
  CastLike: {
    since: 15,
    build(form, context) {
      const [input, like] = form.inputs;
      if (input === undefined || like === undefined) return context.refuse('an input is missing');
      const named = { ...context.named(), outputs: [form.outputs[0]] };
      return [context.builder.op('Cast', [input], { to: like.type.dtype }, named)];
    },
  },
};

/** A boolean operand that is known to be true. */
const isOn = (value: Value | undefined): boolean =>
  value?.constant !== undefined && Number(value.constant.data[0]) !== 0;
