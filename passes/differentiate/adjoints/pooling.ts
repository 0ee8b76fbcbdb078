import type { Value } from '../../../ir/graph.ts';
import { product, range } from '../../../ir/numbers.ts';
import type { pooling as operators } from '../../../ir/ops/pooling.ts';
import { type Window, windowOf } from '../../../ir/ops/spatial.ts';
import { staticShape } from '../../../ir/type.ts';
import { type Emit, known, unknownExtent } from '../emit.ts';
import type { AdjointArguments, AdjointTable } from '../rule.ts';
import { transposedPadding } from './linear.ts';

const spatialAxes = (x: Value): number[] => range(2, x.type.shape.length);

/** For each window along one axis the number of elements that an average divides by. */
function countsAlong(window: Window, axis: number, size: number, outputs: number, withPads: boolean): number[] {
  const rank = window.kernel.length;
  const [low, high] = withPads ? [-window.pads[axis], size + window.pads[rank + axis]] : [0, size];
  return range(0, outputs).map(o => {
    const start = o * window.strides[axis] - window.pads[axis];
    return range(0, window.kernel[axis]).filter(k => {
      const at = start + k * window.dilations[axis];
      return at >= low && at < high;
    }).length;
  });
}

/** One over the number of elements in each window, as a constant [1, 1, spatial...]; one number where all are alike. */
function inverseCounts(e: Emit, x: Value, y: Value, window: Window, withPads: boolean): Value | number {
  const from = staticShape(x.type.shape.slice(2)) ?? unknownExtent(x);
  const to = staticShape(y.type.shape.slice(2)) ?? unknownExtent(y);
  const counts = from.map((size, i) => countsAlong(window, i, size, to[i], withPads));
  const all = counts.reduce<number[]>((list, axis) => list.flatMap(c => axis.map(d => c * d)), [1]);
  if (all.every(c => c === all[0])) return 1 / all[0];
  return e.constant(
    [1, 1, ...to],
    Float64Array.from(all, c => 1 / c),
    x,
    'counts',
  );
}

/** Each output's share goes to every element of its window. */
function averagePool({ e, node, x: [x], y, dy }: AdjointArguments<'AveragePool'>): Value {
  const { attributes } = node;
  const window = windowOf(attributes, attributes.kernel_shape, x.type.shape.slice(2));
  const share = inverseCounts(e, x, y, window, attributes.count_include_pad !== 0);
  return typeof share === 'number' ? toWindows(e, x, dy, window, share) : toWindows(e, x, e.mul(dy, share), window, 1);
}

/** For each input the sum of `weight · g` over the windows that it lies in: a transposed convolution of each channel. */
function toWindows(e: Emit, x: Value, g: Value, window: Window, weight: number): Value {
  const channels = known(x.type.shape[1], x);
  const size = product(window.kernel);
  const kernel = e.constant([channels, 1, ...window.kernel], new Float64Array(channels * size).fill(weight), x, 'ones');
  const { dilations, strides } = window;
  return e.b.op('ConvTranspose', [g, kernel], {
    dilations,
    group: channels,
    strides,
    ...transposedPadding(g.type.shape.slice(2), x.type.shape.slice(2), window, x),
  });
}

/** `dX = sign(x) · |x|^(p-1) · Σ dy / y^(p-1)` over the windows that hold x. */
function lpPool({ e, node, x: [x], y, dy }: AdjointArguments<'LpPool'>): Value {
  const { attributes } = node;
  const { p } = attributes;
  const window = windowOf(attributes, attributes.kernel_shape, x.type.shape.slice(2));
  const power = (v: Value): Value => (p === 2 ? v : e.b.op('Pow', [v, e.number(p - 1, v)]));
  const shares = p === 1 ? dy : e.divOrZero(dy, power(y));
  const sums = toWindows(e, x, shares, window, 1);
  if (p === 2) return e.mul(x, sums);
  const signed = e.mul(e.b.op('Sign', [x]), sums);
  return p === 1 ? signed : e.mul(signed, power(e.b.op('Abs', [x])));
}

export const pooling: AdjointTable<keyof typeof operators> = {
  MaxPool: ({ e, node, x: [x], dy }) => {
    const { storage_order: _, ...attributes } = node.attributes;
    return [() => e.b.op('MaxPoolGrad', [dy, x], attributes)];
  },
  AveragePool: given => [() => averagePool(given)],
  LpPool: given => [() => lpPool(given)],
  GlobalAveragePool: ({ e, x: [x], dy }) => [() => e.expandLike(e.div(dy, e.count(x, spatialAxes(x))), x)],
  GlobalMaxPool: ({ e, x: [x], dy }) => [
    () => {
      const kernel = staticShape(x.type.shape.slice(2)) ?? unknownExtent(x);
      return e.b.op('MaxPoolGrad', [dy, x], { kernel_shape: kernel });
    },
  ],
};
