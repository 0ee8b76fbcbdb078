import { productOf } from '../../../ir/dim.ts';
import type { Value } from '../../../ir/graph.ts';
import type { normalization as operators } from '../../../ir/ops/normalization.ts';
import { numbersOf, tensorFromNumbers } from '../../../ir/tensor.ts';
import { type Emit, range } from '../emit.ts';
import type { AdjointArguments, AdjointTable } from '../rule.ts';
import { overPositions } from './linear.ts';

/** `x̂` of an instance normalisation: the normalisation with scale 1 and bias 0. */
function instanceNormal(e: Emit, x: Value, scale: Value, epsilon: number): Value {
  return e.b.op('InstanceNormalization', [x, e.filled(1, scale), e.filled(0, scale)], { epsilon });
}

/** `(g - mean(g) - x̂ · mean(g·x̂)) / σ` over `axes`. */
function normalized(e: Emit, g: Value, x: Value, axes: readonly number[], epsilon: number): Value {
  const centred = e.sub(x, e.mean(x, axes));
  const spread = e.b.op('Sqrt', [e.add(e.mean(e.square(centred), axes), epsilon)]);
  const normal = e.div(centred, spread);
  const along = e.mul(normal, e.mean(e.mul(g, normal), axes));
  return e.div(e.sub(e.sub(g, e.mean(g, axes)), along), spread);
}

const batchNormalization = ({
  e,
  node,
  x: [x, scale, , mean, variance],
  dy,
}: AdjointArguments<'BatchNormalization'>) => {
  const rank = x.type.shape.length;
  const { epsilon } = node.attributes;
  const inverse = (): Value => {
    if (variance.constant) {
      return e.derived(variance, `rsqrt ${epsilon}`, t =>
        tensorFromNumbers(
          t.dtype,
          t.shape,
          Float64Array.from(numbersOf(t), v => 1 / Math.sqrt(v + epsilon)),
        ),
      );
    }
    return e.b.op('Reciprocal', [e.b.op('Sqrt', [e.add(variance, epsilon)])]);
  };
  const slope = (): Value => {
    const spread = inverse();
    if (!scale.constant || !spread.constant) return e.mul(scale, spread);
    const factors = numbersOf(spread.constant);
    return e.derived(scale, `over ${variance.name} ${epsilon}`, t =>
      tensorFromNumbers(
        t.dtype,
        t.shape,
        Float64Array.from(numbersOf(t), (v, i) => v * factors[i]),
      ),
    );
  };
  return [
    () => e.mul(dy, e.perChannel(slope(), rank)),
    () => {
      const normal = e.mul(e.sub(x, e.perChannel(mean, rank)), e.perChannel(inverse(), rank));
      return overPositions(e, e.mul(dy, normal));
    },
    () => overPositions(e, dy),
    undefined,
    undefined,
  ];
};

const layerNormalization = ({ e, node, x: [x, scale], dy, dys }: AdjointArguments<'LayerNormalization'>) => {
  const { axis, epsilon } = node.attributes;
  // Gradients of the statistics, the optional outputs, are not built.
  if (dys.slice(1).some(d => d !== undefined)) return [];
  return [
    () => e.b.op('LayerNormalizationGrad', [dy, x, scale], { axis, epsilon }),
    () => {
      const ones = e.filled(1, scale);
      return e.mul(dy, e.b.op('LayerNormalization', [x, ones], { axis, epsilon }));
    },
    () => dy,
  ];
};

/** As an instance normalisation whose channels are the groups. */
const groupNormalization = ({ e, node, x: [x, scale], dy }: AdjointArguments<'GroupNormalization'>) => {
  const { epsilon, num_groups } = node.attributes;
  const rank = x.type.shape.length;
  const [batch, ...rest] = x.type.shape;
  const size = productOf(rest);
  if (typeof size !== 'number') return [];
  const grouped = (v: Value): Value => e.reshape(v, [batch, num_groups, size / num_groups]);
  const unit = (value: number): Value => e.constant([num_groups], Float32Array.of(...Array(num_groups).fill(value)), x);
  return [
    () => {
      const g = grouped(e.mul(dy, e.perChannel(scale, rank)));
      return e.reshapeLike(e.b.op('InstanceNormalizationGrad', [g, grouped(x), unit(1)], { epsilon }), x);
    },
    () => {
      const normal = e.b.op('InstanceNormalization', [grouped(x), unit(1), unit(0)], { epsilon });
      return overPositions(e, e.mul(dy, e.reshapeLike(normal, x)));
    },
    () => overPositions(e, dy),
  ];
};

const rmsNormalization = ({ e, node, x: [x, scale], dy }: AdjointArguments<'RMSNormalization'>) => {
  const rank = x.type.shape.length;
  const axes = range(node.attributes.axis < 0 ? node.attributes.axis + rank : node.attributes.axis, rank);
  const spread = (): Value => e.b.op('Sqrt', [e.add(e.mean(e.square(x), axes), node.attributes.epsilon)]);
  return [
    () => {
      const root = spread();
      const normal = e.div(x, root);
      const g = e.mul(dy, scale);
      return e.div(e.sub(g, e.mul(normal, e.mean(e.mul(g, normal), axes))), root);
    },
    () => e.mul(dy, e.div(x, spread())),
  ];
};

export const normalization: AdjointTable<keyof typeof operators> = {
  BatchNormalization: batchNormalization,
  InstanceNormalization: ({ e, node, x: [x, scale], dy }) => {
    const { epsilon } = node.attributes;
    return [
      () => e.b.op('InstanceNormalizationGrad', [dy, x, scale], { epsilon }),
      () => overPositions(e, e.mul(dy, instanceNormal(e, x, scale, epsilon))),
      () => overPositions(e, dy),
    ];
  },
  LayerNormalization: layerNormalization,
  GroupNormalization: groupNormalization,
  RMSNormalization: rmsNormalization,
  LRN: null,
  LpNormalization: ({ e, node, x: [x], y, dy }) => {
    const { axis, p } = node.attributes;
    const at = [axis < 0 ? axis + x.type.shape.length : axis];
    if (p !== 2) return [];
    return [
      () => {
        const norm = e.b.op('ReduceL2', [x, e.b.ints(at)]);
        return e.div(e.sub(dy, e.mul(y, e.sum(e.mul(dy, y), at))), norm);
      },
    ];
  },
  /** ONNX's function body has no epsilon under the root but adds 1e-9 to the deviation. */
  MeanVarianceNormalization: ({ e, node, x: [x], dy }) => [() => normalized(e, dy, x, node.attributes.axes, 0)],
};
