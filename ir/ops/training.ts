import { attr, type Inferred, operator, requireSameDType } from '../operator.ts';
import { poolAttributes } from './pooling.ts';
import { channelAxis, requireAlike } from './stitching.ts';

/** The operators of training: losses, the adjoints that ONNX has no operators for, the optimiser. Their bodies are in `bodies.ts`. */
export const training = {
  /**
   * `mean((X - reference)²) / divisor`, a scalar. The divisor is `var(reference)` where `normalize` is 1, else 1; it is the second
   * output, for the adjoint to use again.
   */
  FeatureLoss: operator({
    inputs: ['X', 'reference'],
    outputs: ['loss', 'divisor?'],
    attributes: { normalize: attr.int.default(1) },
    versions: [1],
    infer([x, reference], _, { outputs }): readonly Inferred[] {
      requireAlike([x, reference]);
      const scalar = { dtype: requireSameDType([x, reference]), shape: [] };
      return outputs > 1 ? [scalar, scalar] : [scalar];
    },
  }),
  /** The adjoint of FeatureLoss with respect to X. dloss is a scalar. Without the loss's divisor it is computed anew. */
  FeatureLossGrad: operator({
    inputs: ['dloss', 'X', 'reference', 'divisor?'],
    outputs: ['dX'],
    attributes: { normalize: attr.int.default(1) },
    versions: [1],
    infer([, x, reference]): readonly Inferred[] {
      requireAlike([x, reference]);
      return [x.type];
    },
  }),
  /** The adjoint of Stitch with respect to its parameters: dY [N, M, ...], X [N, C, ...] → dweight [M, C], dbias [M]. */
  StitchGrad: operator({
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
    inputs: ['dY', 'weights', '...features'],
    outputs: ['dweights'],
    attributes: {},
    versions: [1],
    infer: ([, weights]) => [weights.type],
  }),
  /** The adjoint of InstanceNormalization with respect to its input. */
  InstanceNormalizationGrad: operator({
    inputs: ['dY', 'input', 'scale'],
    outputs: ['dX'],
    attributes: { epsilon: attr.float.default(1e-5) },
    versions: [1],
    infer: ([, x]) => [x.type],
  }),
  /** `1 / √(var + ε)` of each instance's channels over the positions, X [N, C, ...] → [N, C]. */
  InverseDeviation: operator({
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
    inputs: ['dY', 'Y', 'scale', 'B', 'inverse'],
    outputs: ['dX'],
    attributes: {},
    versions: [1],
    infer: ([, y]) => [y.type],
  }),
  /** The adjoint of LayerNormalization with respect to its input. */
  LayerNormalizationGrad: operator({
    inputs: ['dY', 'X', 'Scale'],
    outputs: ['dX'],
    attributes: { axis: attr.int.default(-1), epsilon: attr.float.default(1e-5) },
    versions: [1],
    infer: ([, x]) => [x.type],
  }),
  /** The adjoint of MaxPool with respect to its input: the gradient goes to the first maximum of each window. */
  MaxPoolGrad: operator({
    inputs: ['dY', 'X'],
    outputs: ['dX'],
    attributes: poolAttributes,
    versions: [1],
    infer: ([, x]) => [x.type],
  }),
  /**
   * One step of AdamW (Loshchilov & Hutter, arXiv 1711.05101; PyTorch's form, decoupled decay). `bias1` and `bias2` are the
   * scalars `1 - β₁ᵗ` and `1 - β₂ᵗ`.
   */
  AdamW: operator({
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
};
