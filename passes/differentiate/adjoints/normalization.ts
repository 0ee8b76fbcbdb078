import { productOf } from '../../../ir/dim.ts';
import type { Value } from '../../../ir/graph.ts';
import { range } from '../../../ir/numbers.ts';
import { normalizeAxis } from '../../../ir/operator.ts';
import type { normalization as operators } from '../../../ir/ops/normalization.ts';
import { numbersOf, tensorFromNumbers } from '../../../ir/tensor.ts';
import { type Emit, known, once } from '../emit.ts';
import type { AdjointArguments, AdjointTable } from '../rule.ts';
import { overPositions } from './linear.ts';

/** `x̂` of an instance normalisation: the normalisation with scale 1 and bias 0. */
function instanceNormal(e: Emit, x: Value, scale: Value, epsilon: number): Value {
  return e.b.op('InstanceNormalization', [x, e.filled(1, scale), e.filled(0, scale)], { epsilon });
}

/** `(g - mean(g) - x̂ · mean(g·x̂)) / σ` over `axes`; ONNX's function body adds 1e-9 to the deviation. */
function normalized(e: Emit, g: Value, x: Value, axes: readonly number[]): Value {
  const centred = e.sub(x, e.mean(x, axes));
  const spread = e.add(e.b.op('Sqrt', [e.mean(e.square(centred), axes)]), 1e-9);
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
  const inverse = once((): Value => {
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
  });
  const slope = once((): Value => {
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
  });
  const total = once((): Value => overPositions(e, dy));
  const along = once((): Value => {
    const normal = e.mul(e.sub(x, e.perChannel(mean, rank)), e.perChannel(inverse(), rank));
    return overPositions(e, e.mul(dy, normal));
  });
  return [
    () => e.mul(dy, e.perChannel(slope(), rank)),
    along,
    total,
    () => e.neg(e.mul(slope(), total())),
    () => e.mul(e.mul(slope(), e.mul(inverse(), along())), -0.5),
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
  const axes = range(normalizeAxis(node.attributes.axis, rank), rank);
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

/** With `s = bias + alpha / size · Σ x²` over neighbouring channels: `dy · s^-β - 2·alpha·β / size · x · Σ dy · y / s` over those. */
const localResponse = ({ e, node, x: [x], y, dy }: AdjointArguments<'LRN'>) => {
  const { alpha, beta, bias, size } = node.attributes;
  return [
    () => {
      const channels = known(x.type.shape[1], x);
      const [before, after] = [Math.floor((size - 1) / 2), Math.ceil((size - 1) / 2)];
      const near = (c: number, other: number): number => (other >= c - before && other <= c + after ? 1 : 0);
      const matrix = (f: (row: number, column: number) => number) =>
        range(0, channels).map(i => Float64Array.from({ length: channels }, (_, j) => f(i, j)));
      const sums = e.along(e.square(x), 1, matrix(near));
      const spread = e.add(e.mul(sums, alpha / size), bias);
      const direct = e.mul(dy, e.b.op('Pow', [spread, e.number(-beta, spread)]));
      const shares = e.along(
        e.div(e.mul(dy, y), spread),
        1,
        matrix((i, j) => near(j, i)),
      );
      return e.sub(direct, e.mul(e.mul(x, (2 * alpha * beta) / size), shares));
    },
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
  LRN: localResponse,
  LpNormalization: ({ e, node, x: [x], y, dy }) => {
    const { axis, p } = node.attributes;
    const at = [axis < 0 ? axis + x.type.shape.length : axis];
    return [
      () => {
        const norm = e.b.op(p === 1 ? 'ReduceL1' : 'ReduceL2', [x, e.b.ints(at)]);
        const along = e.sum(e.mul(dy, y), at);
        return e.divOrZero(e.sub(dy, e.mul(p === 1 ? e.b.op('Sign', [x]) : y, along)), norm);
      },
    ];
  },
  MeanVarianceNormalization: ({ e, node, x: [x], dy }) => [
    () => {
      const rank = x.type.shape.length;
      return normalized(
        e,
        dy,
        x,
        node.attributes.axes.map(a => (a < 0 ? a + rank : a)),
      );
    },
  ],
};
