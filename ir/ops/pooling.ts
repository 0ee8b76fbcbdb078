import { attr, type Inferred, type Operand, operator, reject, wide } from '../operator.ts';
import { typeText } from '../type.ts';
import { windowOf, windowOutput } from './spatial.ts';

export const poolAttributes = {
  auto_pad: attr.string.default('NOTSET'),
  ceil_mode: attr.int.default(0),
  dilations: attr.ints.optional,
  kernel_shape: attr.ints.required,
  pads: attr.ints.optional,
  strides: attr.ints.optional,
};

function spatialOf(x: Operand): void {
  if (x.type.shape.length < 3) reject(`the input must be [N, C, spatial...], not ${typeText(x.type)}`);
}

function pooled(
  x: Operand,
  attributes: Parameters<typeof windowOf>[0] & { kernel_shape: readonly number[] },
): Inferred {
  spatialOf(x);
  const [n, c, ...spatial] = x.type.shape;
  const window = windowOf(attributes, attributes.kernel_shape, spatial);
  return { dtype: x.type.dtype, shape: [n, c, ...windowOutput(spatial, window)] };
}

const globally = operator({
  inputs: ['X'],
  attributes: {},
  versions: [1, 22],
  infer([x]) {
    spatialOf(x);
    return [{ dtype: x.type.dtype, shape: x.type.shape.map((d, i) => (i < 2 ? d : 1)) }];
  },
});

export const pooling = {
  MaxPool: operator({
    inputs: ['X'],
    outputs: ['Y', 'Indices?'],
    attributes: { ...poolAttributes, storage_order: attr.int.default(0) },
    versions: [1, 8, 10, 11, 12, 22],
    infer([x], attributes, { outputs }) {
      const y = pooled(x, attributes);
      return [y, { dtype: 'int64' as const, shape: y.shape }].slice(0, outputs);
    },
  }),
  AveragePool: operator({
    inputs: ['X'],
    attributes: { ...poolAttributes, count_include_pad: attr.int.default(0) },
    versions: [1, 7, 10, 11, 19, 22],
    infer: ([x], attributes) => [pooled(x, attributes)],
  }),
  LpPool: operator({
    inputs: ['X'],
    wide: true,
    attributes: { ...poolAttributes, p: attr.int.default(2) },
    versions: [2, 11, 18, 22],
    infer: ([x], attributes) => [pooled(x, attributes)],
  }),
  GlobalAveragePool: wide(globally),
  GlobalMaxPool: globally,
};
