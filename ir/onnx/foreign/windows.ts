/** Window functions: constants, where their length is known. */
import { integersOf } from '../../operator.ts';
import { tensorFromNumbers } from '../../tensor.ts';
import { type ForeignRule, requireInputs } from '../form.ts';
import { DataType } from '../proto/schema.ts';
import { dtypeOf } from '../tensor.ts';

/** `Σ coefficients[k] · cos(2πk·i / length)`, the length one less where the window is not periodic. */
const cosineWindow = (coefficients: readonly number[]): ForeignRule => ({
  since: 17,
  build(form, context) {
    const [length] = requireInputs(form, 1, context);
    const size = integersOf(length)?.[0];
    const dtype = dtypeOf(form.int('output_datatype') ?? DataType.FLOAT);
    if (dtype === undefined) return context.refuse('its element type is not supported');
    const less = form.int('periodic') === 0 ? 1 : 0;
    if (size !== undefined) {
      context.computes(8 * size);
      const values = Array.from({ length: size }, (_, i) =>
        coefficients.reduce((sum, c, k) => sum + c * Math.cos((2 * Math.PI * k * i) / (size - less)), 0),
      );
      return [context.builder.constant(tensorFromNumbers(dtype, [size], values), form.outputs[0])];
    }
    const window = context.within(b => {
      const count = b.op('Cast', [length!], { to: 'int64' });
      const steps = b.op('Cast', [b.op('Range', [b.number(0, 'int64'), count, b.number(1, 'int64')])], {
        to: 'float32',
      });
      const period = b.op('Cast', [b.op('Sub', [count, b.number(less, 'int64')])], { to: 'float32' });
      const terms = coefficients.map((c, k) => {
        const angles = b.op('Mul', [b.op('Div', [steps, period]), b.number(2 * Math.PI * k, 'float32')]);
        return b.op('Mul', [b.op('Cos', [angles]), b.number(c, 'float32')]);
      });
      return terms.reduce((sum, term) => b.op('Add', [sum, term]));
    });
    return [context.builder.op('Cast', [window], { to: dtype }, context.result())];
  },
});

export const windows = {
  HannWindow: cosineWindow([0.5, -0.5]),
  HammingWindow: cosineWindow([25 / 46, -21 / 46]),
  BlackmanWindow: cosineWindow([0.42, -0.5, 0.08]),
} satisfies Readonly<Record<string, ForeignRule>>;
