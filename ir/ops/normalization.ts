import { isStatic } from '../dim.ts';
import { attr, normalizeAxis, type Operand, operator, reject, requireFloat, requireRank } from '../operator.ts';

function perChannel(x: Operand, parameters: Readonly<Record<string, Operand>>): void {
  requireFloat(x);
  const channels = x.type.shape[1];
  for (const [name, parameter] of Object.entries(parameters)) {
    const [length] = requireRank(parameter, 1, name);
    if (channels !== undefined && isStatic(channels) && isStatic(length) && channels !== length) {
      reject(`${name} has ${length} elements for ${channels} channels`);
    }
  }
}

export const normalization = {
  /** Inference form: `(X - mean) / sqrt(var + epsilon) * scale + B`, per channel. */
  BatchNormalization: operator({
    inputs: ['X', 'scale', 'B', 'input_mean', 'input_var'],
    wide: true,
    attributes: { epsilon: attr.float.default(1e-5), momentum: attr.float.default(0.9) },
    versions: [1, 6, 7, 9, 14, 15],
    infer([x, scale, b, mean, variance]) {
      perChannel(x, { scale, B: b, input_mean: mean, input_var: variance });
      return [x.type];
    },
  }),
  /** Mean and variance over the spatial axes of each sample and channel. */
  InstanceNormalization: operator({
    inputs: ['input', 'scale', 'B'],
    epilogue: true,
    wide: true,
    attributes: { epsilon: attr.float.default(1e-5) },
    versions: [1, 6, 22],
    infer([x, scale, b]) {
      perChannel(x, { scale, B: b });
      return [x.type];
    },
  }),
  /** Mean and variance over the axes from `axis` on. */
  LayerNormalization: operator({
    inputs: ['X', 'Scale', 'B?'],
    epilogue: true,
    wide: true,
    outputs: ['Y', 'Mean?', 'InvStdDev?'],
    attributes: {
      axis: attr.int.default(-1),
      epsilon: attr.float.default(1e-5),
      stash_type: attr.int.default(1),
    },
    versions: [17],
    infer([x], { axis }, { outputs }) {
      requireFloat(x);
      const { shape } = x.type;
      const first = normalizeAxis(axis, shape.length);
      const statistic = { dtype: 'float32' as const, shape: shape.map((d, i) => (i < first ? d : 1)) };
      return [x.type, statistic, statistic].slice(0, outputs);
    },
  }),
  /** Mean and variance over the channels of each group and all spatial axes. `scale` and `bias` are per channel. */
  GroupNormalization: operator({
    inputs: ['X', 'scale', 'bias'],
    epilogue: true,
    wide: true,
    attributes: { epsilon: attr.float.default(1e-5), num_groups: attr.int.required, stash_type: attr.int.default(1) },
    versions: [18, 21],
    infer([x, scale, bias]) {
      perChannel(x, { scale, bias });
      return [x.type];
    },
  }),
  RMSNormalization: operator({
    inputs: ['X', 'scale'],
    epilogue: true,
    wide: true,
    attributes: {
      axis: attr.int.default(-1),
      epsilon: attr.float.default(1e-5),
      stash_type: attr.int.default(1),
    },
    versions: [23],
    infer([x]) {
      requireFloat(x);
      return [x.type];
    },
  }),
  /** Across channels: `X / (bias + alpha / size · Σ X²) ^ beta`. */
  LRN: operator({
    inputs: ['X'],
    wide: true,
    attributes: {
      alpha: attr.float.default(1e-4),
      beta: attr.float.default(0.75),
      bias: attr.float.default(1),
      size: attr.int.required,
    },
    versions: [1, 13],
    infer([x]) {
      requireFloat(x);
      return [x.type];
    },
  }),
  LpNormalization: operator({
    inputs: ['input'],
    wide: true,
    attributes: { axis: attr.int.default(-1), p: attr.int.default(2) },
    versions: [1, 22],
    infer: ([x]) => [x.type],
  }),
  MeanVarianceNormalization: operator({
    inputs: ['X'],
    wide: true,
    attributes: { axes: attr.ints.default([0, 2, 3]) },
    versions: [9, 13],
    infer: ([x]) => [x.type],
  }),
};
