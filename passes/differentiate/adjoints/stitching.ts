import type { Value } from '../../../ir/graph.ts';
import { range } from '../../../ir/numbers.ts';
import type { SutureOp } from '../../../ir/ops/index.ts';
import { type Emit, known, once } from '../emit.ts';
import type { AdjointArguments, AdjointTable, Gradient } from '../rule.ts';

/** The weight of source `s`, shaped so that it broadcasts over a feature from the left. */
function weightOf(e: Emit, weights: Value, s: number, feature: Value): Value {
  const [, ...rest] = weights.type.shape;
  const one = e.b.op('Slice', [weights, e.b.ints([s]), e.b.ints([s + 1]), e.b.ints([0])]);
  const rank = feature.type.shape.length;
  // The axis of the sources becomes the first of those that the features have more: [1, N] is [N, 1, 1, 1].
  if (rest.length === 0) return e.b.op('Squeeze', [one, e.b.ints([0])]);
  const shape = [...rest, ...range(rest.length, rank).map(() => 1)];
  return e.reshape(one, shape);
}

function stitch({ e, x: [x, weight], dy }: AdjointArguments<'Stitch'>): Gradient[] {
  const parameters = once(() => e.b.ops('StitchGrad', [dy, x]));
  return [
    () => {
      const channels = known(weight.type.shape[1], weight);
      return e.b.op('Stitch', [
        dy,
        e.transposed(weight),
        e.constant([channels], new Float32Array(channels), dy, 'zeros'),
      ]);
    },
    () => parameters()[0],
    () => parameters()[1],
  ];
}

/** Adjoints of our own operators. Second derivatives are not built. */
export const stitching: AdjointTable<SutureOp> = {
  Stitch: stitch,
  Switch: ({ e, x: [weights, ...features], dy }) => [
    () => e.b.op('SwitchGrad', [dy, weights, ...features]),
    ...features.map((feature, s) => () => e.mul(dy, weightOf(e, weights, s, feature))),
  ],
  /** A normalised loss is not differentiated with respect to its reference: the variance is taken for a constant. */
  FeatureLoss: ({ e, node, x: [x, reference], dy }) => {
    const { normalize } = node.attributes;
    const [, divisor] = node.outputs;
    return [
      () => e.b.op('FeatureLossGrad', normalize ? [dy, x, reference, divisor] : [dy, x, reference], { normalize }),
      normalize ? undefined : () => e.b.op('FeatureLossGrad', [dy, reference, x], { normalize }),
    ];
  },
  FeatureLossGrad: null,
  StitchGrad: null,
  SwitchGrad: null,
  InstanceNormalizationGrad: null,
  InverseDeviation: null,
  InstanceNormalizationGradFromOutput: null,
  LayerNormalizationGrad: null,
  MaxPoolGrad: null,
  AdamW: null,
  Fused: null,
};
