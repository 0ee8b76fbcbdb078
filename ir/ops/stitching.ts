import { type Dim, equalDims, isStatic, productOf } from '../dim.ts';
import { type Inferred, type Operand, operator, reject, requireRank, requireSameDType } from '../operator.ts';
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

/** Requires features of one shape. */
export function requireAlike(operands: readonly Operand[]): void {
  const [first] = operands;
  for (const other of operands) {
    if (!sameShape(first.type.shape, other.type.shape)) {
      reject(`the features differ: ${typeText(first.type)} and ${typeText(other.type)}`);
    }
  }
}

/** The operators of a super-network. Their bodies in ONNX's operators are in `bodies.ts`. */
export const stitching = {
  /** An affine map of the channels: a 1×1 convolution, or a linear layer. X [N, C, ...], weight [M, C], bias [M]. */
  Stitch: operator({
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
      requireAlike(features);
      requireSameDType([weights, ...features]);
      return [features[0].type];
    },
  }),
};
