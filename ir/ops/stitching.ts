import { type Dim, equalDims, isStatic, productOf } from '../dim.ts';
import { attr, type Inferred, type Operand, operator, reject, requireRank, requireSameDType } from '../operator.ts';
import { sameShape, typeText } from '../type.ts';

/** The axis of a feature that holds its channels: 1 for [N, C, spatial...] and [N, C], the last for tokens [N, T, C]. */
export const channelAxis = (rank: number): number => (rank === 3 ? 2 : 1);

function affine(x: Operand, weight: Operand, bias: Operand): Inferred {
  const { shape } = x.type;
  const [outputs, inputs] = requireRank(weight, 2, 'the weight');
  const [length] = requireRank(bias, 1, 'the bias');
  const at = channelAxis(shape.length);
  if (isStatic(inputs) && isStatic(shape[at]) && shape[at] !== inputs) {
    reject(`the weight maps ${inputs} channels, the feature ${typeText(x.type)} has ${shape[at]}`);
  }
  if (!equalDims(length, outputs)) reject(`the bias has ${length} elements for ${outputs} channels`);
  return { dtype: requireSameDType([x, weight, bias]), shape: shape.map((d, i): Dim => (i === at ? outputs : d)) };
}

function alike(operands: readonly Operand[]): void {
  const [first] = operands;
  for (const other of operands) {
    if (!sameShape(first.type.shape, other.type.shape)) {
      reject(`the features differ: ${typeText(first.type)} and ${typeText(other.type)}`);
    }
  }
}

/** Operators of stitching and of training stitches. Their bodies in ONNX's operators are in `bodies.ts`. */
export const stitching = {
  /** An affine map of the channels: a 1×1 convolution, or a linear layer. X [N, C, ...], weight [M, C], bias [M]. */
  Stitch: operator({
    domain: 'suture',
    inputs: ['X', 'weight', 'bias'],
    epilogue: true,
    attributes: {},
    versions: [1],
    macs: ([, weight], _, y) => productOf([...y.type.shape, weight.type.shape[1] ?? 1]),
    infer: ([x, weight, bias]) => [affine(x, weight, bias)],
  }),
  /**
   * The convex combination `Σ weights[s] · features[s]`. weights is [S], [S, N] (per sample) or [S, 1, C] (per channel of
   * features whose channels are axis 1): its axes past the first line up with the features' from the left.
   */
  Switch: operator({
    domain: 'suture',
    inputs: ['weights', '...features'],
    attributes: {},
    versions: [1],
    infer([weights, ...features]): readonly Inferred[] {
      const [sources, ...rest] = weights.type.shape;
      if (features.length === 0) reject('at least one feature is needed');
      if (isStatic(sources) && sources !== features.length) {
        reject(`${typeText(weights.type)} weighs ${sources} sources, but ${features.length} are given`);
      }
      if (rest.length > features[0].type.shape.length) reject('the weights have more axes than the features');
      alike(features);
      requireSameDType([weights, ...features]);
      return [features[0].type];
    },
  }),
  /**
   * `mean((X - reference)²) / divisor`, a scalar. The divisor is `var(reference)` where `normalize` is 1, else 1; it is the second
   * output, for the adjoint to use again.
   */
  FeatureLoss: operator({
    domain: 'suture',
    inputs: ['X', 'reference'],
    outputs: ['loss', 'divisor?'],
    attributes: { normalize: attr.int.default(1) },
    versions: [1],
    infer([x, reference], _, { outputs }): readonly Inferred[] {
      alike([x, reference]);
      const scalar = { dtype: requireSameDType([x, reference]), shape: [] };
      return outputs > 1 ? [scalar, scalar] : [scalar];
    },
  }),
  /** The adjoint of FeatureLoss with respect to X. dloss is a scalar. Without the loss's divisor it is computed anew. */
  FeatureLossGrad: operator({
    domain: 'suture',
    inputs: ['dloss', 'X', 'reference', 'divisor?'],
    outputs: ['dX'],
    attributes: { normalize: attr.int.default(1) },
    versions: [1],
    infer([, x, reference]): readonly Inferred[] {
      alike([x, reference]);
      return [x.type];
    },
  }),
  /** The adjoint of Stitch with respect to its parameters: dY [N, M, ...], X [N, C, ...] → dweight [M, C], dbias [M]. */
  StitchGrad: operator({
    domain: 'suture',
    inputs: ['dY', 'X'],
    outputs: ['dweight', 'dbias'],
    attributes: {},
    versions: [1],
    infer([dy, x]): readonly Inferred[] {
      const dtype = requireSameDType([dy, x]);
      const at = channelAxis(x.type.shape.length);
      const [m, c] = [dy.type.shape[at], x.type.shape[at]];
      return [
        { dtype, shape: [m, c] },
        { dtype, shape: [m] },
      ];
    },
  }),
  /** The adjoint of Switch with respect to its weights: dY and the features → dweights of shape `like`'s. */
  SwitchGrad: operator({
    domain: 'suture',
    inputs: ['dY', 'weights', '...features'],
    outputs: ['dweights'],
    attributes: {},
    versions: [1],
    infer: ([, weights]) => [weights.type],
  }),
  /** The adjoint of InstanceNormalization with respect to its input. */
  InstanceNormalizationGrad: operator({
    domain: 'suture',
    inputs: ['dY', 'input', 'scale'],
    outputs: ['dX'],
    attributes: { epsilon: attr.float.default(1e-5) },
    versions: [1],
    infer: ([, x]) => [x.type],
  }),
  /** `1 / √(var + ε)` of each instance's channels over the positions, X [N, C, ...] → [N, C]. */
  InverseDeviation: operator({
    domain: 'suture',
    inputs: ['X'],
    outputs: ['Y'],
    attributes: { epsilon: attr.float.default(1e-5) },
    versions: [1],
    infer: ([x]) => [{ dtype: x.type.dtype, shape: x.type.shape.slice(0, 2) }],
  }),
  /**
   * The adjoint of InstanceNormalization with respect to its input, from its output Y and the InverseDeviation [N, C] of its input.
   * Where no scale is 0 the normalised input is `(Y - B) / scale`.
   */
  InstanceNormalizationGradFromOutput: operator({
    domain: 'suture',
    inputs: ['dY', 'Y', 'scale', 'B', 'inverse'],
    outputs: ['dX'],
    attributes: {},
    versions: [1],
    infer: ([, y]) => [y.type],
  }),
  /** The adjoint of LayerNormalization with respect to its input. */
  LayerNormalizationGrad: operator({
    domain: 'suture',
    inputs: ['dY', 'X', 'Scale'],
    outputs: ['dX'],
    attributes: { axis: attr.int.default(-1), epsilon: attr.float.default(1e-5) },
    versions: [1],
    infer: ([, x]) => [x.type],
  }),
  /** The adjoint of MaxPool with respect to its input: the gradient goes to the first maximum of each window. */
  MaxPoolGrad: operator({
    domain: 'suture',
    inputs: ['dY', 'X'],
    outputs: ['dX'],
    attributes: {
      auto_pad: attr.string.default('NOTSET'),
      ceil_mode: attr.int.default(0),
      dilations: attr.ints.optional,
      kernel_shape: attr.ints.required,
      pads: attr.ints.optional,
      strides: attr.ints.optional,
    },
    versions: [1],
    infer: ([, x]) => [x.type],
  }),
  /**
   * One step of AdamW (Loshchilov & Hutter, arXiv 1711.05101; PyTorch's form, decoupled decay). `bias1` and `bias2` are the
   * scalars `1 - β₁ᵗ` and `1 - β₂ᵗ`.
   */
  AdamW: operator({
    domain: 'suture',
    inputs: ['parameter', 'gradient', 'm', 'v', 'learning_rate', 'bias1', 'bias2'],
    outputs: ['new_parameter', 'new_m', 'new_v'],
    attributes: {
      beta1: attr.float.default(0.9),
      beta2: attr.float.default(0.999),
      epsilon: attr.float.default(1e-8),
      weight_decay: attr.float.default(0),
    },
    versions: [1],
    infer: ([p, , m, v]) => [p.type, m.type, v.type],
  }),
  /**
   * A region of nodes that one kernel computes: at most one anchor (a convolution, a matrix product, a normalisation, ...) with
   * elementwise nodes around it. `body` has the node's operands as inputs, in order.
   */
  Fused: operator({
    domain: 'suture',
    inputs: ['...inputs'],
    outputs: ['...outputs'],
    attributes: { body: attr.graph.required },
    versions: [1],
    infer(inputs, { body }): readonly Inferred[] {
      if (inputs.length !== body.inputs.length)
        reject(`the body has ${body.inputs.length} inputs, not ${inputs.length}`);
      return body.outputs.map(o => o.value.type);
    },
  }),
};
