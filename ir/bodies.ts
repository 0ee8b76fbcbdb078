import { GraphBuilder } from './builder.ts';
import type { Graph, Node, Value } from './graph.ts';
import { range } from './numbers.ts';
import { normalizeAxis } from './operator.ts';
import type { SutureOp } from './ops/index.ts';
import { channelAxis } from './ops/stitching.ts';

/**
 * What our own operators mean, in ONNX's: one graph for each, over the types of the node's operands. It is what the exporter
 * writes as a model-local function, what ONNX Runtime runs, and what kernels are checked against.
 */
const bodies: { readonly [K in SutureOp]: (node: Node<K>) => Graph } = {
  Stitch: node =>
    body(node, (b, [x, weight, bias]) => {
      const rank = x.type.shape.length;
      if (rank === 2) return [b.op('Gemm', [x, weight, bias], { transB: 1 })];
      if (channelAxis(rank) === 2)
        return [b.op('Add', [b.op('MatMul', [x, b.op('Transpose', [weight], { perm: [1, 0] })]), bias])];
      return [b.op('Conv', [x, b.op('Unsqueeze', [weight, b.ints(range(2, rank))]), bias])];
    }),

  Switch: node =>
    body(node, (b, [weights, ...features]) => {
      const terms = features.map((feature, s) => b.op('Mul', [feature, weightOf(b, weights, s, feature)]));
      return [terms.reduce((sum, term) => b.op('Add', [sum, term]))];
    }),

  FeatureLoss: node =>
    body(node, (b, [x, reference]) => {
      const difference = b.op('Sub', [x, reference]);
      const mean = meanOfSquares(b, difference);
      const divisor = node.attributes.normalize ? variance(b, reference) : number(b, 1, x);
      const loss = node.attributes.normalize ? b.op('Div', [mean, divisor]) : mean;
      return node.outputs.length > 1 ? [loss, divisor] : [loss];
    }),

  FeatureLossGrad: node =>
    body(node, (b, [dloss, x, reference, given]) => {
      const count = b.op('Cast', [b.op('Size', [x])], { to: x.type.dtype });
      const mean = b.op('Div', [b.op('Mul', [dloss, number(b, 2, x)]), count]);
      const factor = node.attributes.normalize ? b.op('Div', [mean, given ?? variance(b, reference)]) : mean;
      return [b.op('Mul', [b.op('Sub', [x, reference]), factor])];
    }),

  StitchGrad: node =>
    body(node, (b, [dy, x]) => {
      const rank = x.type.shape.length;
      const axis = channelAxis(rank);
      const dbias = sumOver(
        b,
        dy,
        range(0, rank).filter(i => i !== axis),
      );
      if (axis === rank - 1) {
        const rows = (v: Value) => b.op('Reshape', [v, b.ints([-1, channelsOf(v, axis)])]);
        return [b.op('MatMul', [b.op('Transpose', [rows(dy)], { perm: [1, 0] }), rows(x)]), dbias];
      }
      const columns = (v: Value) => b.op('Reshape', [v, b.ints([0, 0, -1])]);
      const products = b.op('MatMul', [columns(dy), b.op('Transpose', [columns(x)], { perm: [0, 2, 1] })]);
      return [sumOver(b, products, [0]), dbias];
    }),

  SwitchGrad: node =>
    body(node, (b, [dy, weights, ...features]) => {
      const rest = weights.type.shape.slice(1);
      const rank = dy.type.shape.length;
      const summed = range(0, rank).filter(i => i >= rest.length || rest[i] === 1);
      const rows = features.map(feature => {
        const product = b.op('Mul', [dy, feature]);
        const sum = summed.length === 0 ? product : b.op('ReduceSum', [product, b.ints(summed)], { keepdims: 1 });
        const tail = range(rest.length, rank);
        const kept = tail.length === 0 ? sum : b.op('Squeeze', [sum, b.ints(tail)]);
        return b.op('Unsqueeze', [kept, b.ints([0])]);
      });
      return [b.op('Concat', rows, { axis: 0 })];
    }),

  InstanceNormalizationGrad: node =>
    body(node, (b, [dy, x, scale]) => {
      const rank = x.type.shape.length;
      const perChannel = b.op('Unsqueeze', [scale, b.ints(range(1, rank - 1))]);
      return [normalizationGrad(b, b.op('Mul', [dy, perChannel]), x, range(2, rank), node.attributes.epsilon)];
    }),

  InverseDeviation: node =>
    body(node, (b, [x]) => {
      const axes = range(2, x.type.shape.length);
      const [, spread] = centred(b, x, axes, node.attributes.epsilon);
      return [b.op('Squeeze', [b.op('Reciprocal', [spread]), b.ints(axes)])];
    }),

  InstanceNormalizationGradFromOutput: node =>
    body(node, (b, [dy, y, scale, bias, inverse]) => {
      const axes = range(2, y.type.shape.length);
      const perChannel = (v: Value) => b.op('Unsqueeze', [v, b.ints(axes.map(i => i - 1))]);
      const normal = b.op('Div', [b.op('Sub', [y, perChannel(bias)]), perChannel(scale)]);
      const slopes = projected(b, b.op('Mul', [dy, perChannel(scale)]), normal, axes);
      return [b.op('Mul', [slopes, b.op('Unsqueeze', [inverse, b.ints(axes)])])];
    }),

  LayerNormalizationGrad: node =>
    body(node, (b, [dy, x, scale]) => {
      const rank = x.type.shape.length;
      const first = normalizeAxis(node.attributes.axis, rank);
      return [normalizationGrad(b, b.op('Mul', [dy, scale]), x, range(first, rank), node.attributes.epsilon)];
    }),

  MaxPoolGrad: node =>
    body(node, (b, [dy, x]) => {
      const [, indices] = b.ops('MaxPool', [x], node.attributes, { outputs: ['y', 'indices'] });
      const flat = (v: Value) => b.op('Reshape', [v, b.ints([-1])]);
      const zeros = b.op('ConstantOfShape', [b.op('Unsqueeze', [b.op('Size', [x]), b.ints([0])])]);
      const sum = b.op('ScatterElements', [zeros, flat(indices), flat(dy)], { axis: 0, reduction: 'add' });
      return [b.op('Reshape', [sum, b.op('Shape', [x])])];
    }),

  AdamW: node =>
    body(node, (b, [parameter, gradient, m, v, learningRate, bias1, bias2]) => {
      const { beta1, beta2, epsilon, weight_decay } = node.attributes;
      const blend = (old: Value, now: Value, beta: number) =>
        b.op('Add', [b.op('Mul', [old, b.scalar(beta)]), b.op('Mul', [now, b.scalar(1 - beta)])]);
      const newM = blend(m, gradient, beta1);
      const newV = blend(v, b.op('Mul', [gradient, gradient]), beta2);
      const root = b.op('Sqrt', [b.op('Div', [newV, bias2])]);
      const step = b.op('Div', [b.op('Div', [newM, bias1]), b.op('Add', [root, b.scalar(epsilon)])]);
      const decay = b.op('Mul', [learningRate, b.scalar(weight_decay)]);
      const decayed = b.op('Sub', [parameter, b.op('Mul', [parameter, decay])]);
      return [b.op('Sub', [decayed, b.op('Mul', [step, learningRate])]), newM, newV];
    }),

  Fused: node => node.attributes.body,
};

/** The body of any of our operators. */
export const bodyOf = (node: Node<SutureOp>): Graph => (bodies[node.op] as (node: Node<SutureOp>) => Graph)(node);

function body(node: Node, make: (b: GraphBuilder, inputs: readonly Value[]) => readonly Value[]): Graph {
  const b = new GraphBuilder(node.op);
  const inputs = node.inputs.map((v, i) => b.input(`x${i}`, v!.type));
  for (const [i, value] of make(b, inputs).entries()) b.output(`y${i}`, value);
  return b.build();
}

const number = (b: GraphBuilder, value: number, like: Value): Value =>
  like.type.dtype === 'float32' ? b.scalar(value) : b.op('Cast', [b.number(value, 'float32')], { to: like.type.dtype });

function channelsOf(value: Value, axis: number): number {
  const channels = value.type.shape[axis];
  if (typeof channels !== 'number') throw new RangeError(`the channels of ${value} must be known`);
  return channels;
}

const sumOver = (b: GraphBuilder, x: Value, axes: readonly number[]): Value =>
  axes.length === 0 ? x : b.op('ReduceSum', [x, b.ints(axes)], { keepdims: 0 });

const meanOfSquares = (b: GraphBuilder, x: Value): Value => b.op('ReduceMean', [b.op('Mul', [x, x])], { keepdims: 0 });

/** Keeps the normalised loss of a feature that never varies finite. */
const varianceFloor = 1e-8;

function variance(b: GraphBuilder, x: Value): Value {
  const centred = b.op('Sub', [x, b.op('ReduceMean', [x], { keepdims: 0 })]);
  return b.op('Add', [meanOfSquares(b, centred), number(b, varianceFloor, x)]);
}

/** The weight of source `s`, shaped so that it broadcasts over a feature from the left. */
function weightOf(b: GraphBuilder, weights: Value, s: number, feature: Value): Value {
  const one = b.op('Squeeze', [b.op('Slice', [weights, b.ints([s]), b.ints([s + 1]), b.ints([0])]), b.ints([0])]);
  const missing = range(weights.type.shape.length - 1, feature.type.shape.length);
  return missing.length === 0 || weights.type.shape.length === 1 ? one : b.op('Unsqueeze', [one, b.ints(missing)]);
}

/** `(g - mean(g) - x̂ · mean(g · x̂)) / σ` over `axes`, where g is the gradient of x̂. */
function normalizationGrad(b: GraphBuilder, g: Value, x: Value, axes: readonly number[], epsilon: number): Value {
  const [difference, spread] = centred(b, x, axes, epsilon);
  return b.op('Div', [projected(b, g, b.op('Div', [difference, spread]), axes), spread]);
}

const meanOver = (b: GraphBuilder, x: Value, axes: readonly number[]): Value => b.op('ReduceMean', [x, b.ints(axes)]);

/** `x - mean(x)` and `σ` over `axes`. */
function centred(b: GraphBuilder, x: Value, axes: readonly number[], epsilon: number): readonly [Value, Value] {
  const difference = b.op('Sub', [x, meanOver(b, x, axes)]);
  const variance = meanOver(b, b.op('Mul', [difference, difference]), axes);
  return [difference, b.op('Sqrt', [b.op('Add', [variance, number(b, epsilon, x)])])];
}

/** `g - mean(g) - x̂ · mean(g · x̂)` over `axes`. */
function projected(b: GraphBuilder, g: Value, normal: Value, axes: readonly number[]): Value {
  const along = b.op('Mul', [normal, meanOver(b, b.op('Mul', [g, normal]), axes)]);
  return b.op('Sub', [b.op('Sub', [g, meanOver(b, g, axes)]), along]);
}
