import {
  type Graph,
  type GraphBuilder,
  type InputsOf,
  inputAt,
  isOp,
  isSutureOp,
  type OpName,
  rewrite,
  specOf,
  type Value,
} from '../../ir/index.ts';
import { producedBy, type Rule } from '../simplify/rule.ts';
import { simplify } from '../simplify.ts';
import { joinUpdates } from './joined-updates.ts';

/**
 * Readies a step that trains the weights of whole layers for ONNX Runtime on processors, whose operators differ in speed more than in what
 * they compute: few passes over the features, and no operator on a few numbers that could be one on many ({@link joinUpdates}).
 *
 * Requires: static shapes; our own operators as they are. Guarantees: the numbers but for rounding; inputs, outputs and their names. A graph
 * whose layers are constants, such as a step that trains stitches, is the same object.
 */
export function arrangeWeightTraining(graph: Graph): Graph {
  if (!trainsLayers(graph)) return graph;
  const joined = joinUpdates(graph);
  const spelled: Rule = (...shown) =>
    spelledLogSoftmax(...shown) ?? slopeInsteadOfChoice(...shown) ?? sharedNormal(...shown);
  return simplify(rewrite(joined, (node, to) => spelled(node, to, joined)));
}

/** Whether an operator is made of products with its second operand. Of stitches only the weights are trained, and no layers. */
const isLayer = (op: OpName): boolean => specOf(op).macs !== undefined && !isSutureOp(op);

function trainsLayers({ inputs, nodes }: Graph): boolean {
  const given = new Set(inputs);
  return nodes.some(({ op, inputs: [, weight] }) => isLayer(op) && weight !== undefined && given.has(weight));
}

/**
 *     LogSoftmax(%x, axis)   →   %d - Log(ReduceSum(Exp(%d))),   %d = %x - ReduceMax(%x)
 *
 * but for the last axis. ONNX Runtime moves another to the end, and back, and takes it place by place: ten times as long.
 */
const spelledLogSoftmax: Rule = (node, to) => {
  if (!isOp(node, 'LogSoftmax')) return undefined;
  const x = inputAt(node, 0);
  const rank = x.type.shape.length;
  const axis = (node.attributes.axis + rank) % rank;
  if (axis === rank - 1) return undefined;
  const axes = to.ints([axis]);
  const below = to.op('Sub', [x, to.op('ReduceMax', [x, axes])]);
  const sum = to.op('ReduceSum', [to.op('Exp', [below]), axes]);
  return to.op('Sub', [below, to.op('Log', [sum])], {}, { name: node.name });
};

/** Times this a normal number is beyond 1, and 0 stays 0. */
const steep = 1e38;

/**
 * The gradient of a leaky rectifier by its slope:
 *
 *     Where(%y > 0, %dy, %dy · α)   →   %dy · Clip(%y · 1e38, α, 1)
 *
 * ONNX Runtime's Where takes three times as long as a product.
 */
const slopeInsteadOfChoice: Rule = (node, to) => {
  if (!isOp(node, 'Where')) return undefined;
  const [condition, dy, other] = node.inputs as InputsOf<'Where'>;
  const [y, zero] = producedBy(to, condition, 'Greater')?.inputs ?? [];
  const [from, factor] = producedBy(to, other, 'Mul')?.inputs ?? [];
  const slope = numberIn(factor);
  if (y?.type.dtype !== 'float32' || numberIn(zero) !== 0 || from !== dy || slope === undefined) return undefined;
  if (slope < 0 || slope > 1) return undefined;
  const slopes = to.op('Clip', [to.op('Mul', [y, to.scalar(steep)]), to.scalar(slope), to.scalar(1)]);
  return to.op('Mul', [dy, slopes], {}, { name: node.name });
};

const numberIn = (value: Value | undefined): number | undefined =>
  value?.constant?.data.length === 1 ? Number(value.constant.data[0]) : undefined;

/**
 * The gradient of an instance normalisation by the normal that the gradient of its scale reads as well, so that it is there once:
 *
 *     InstanceNormalizationGrad(%dy, %x, %s)   →   (%dy - mean(%dy) - %n · mean(%dy · %n)) · %s/σ
 *     InstanceNormalization(%x, 1, 0)          →   %n = (%x - mean(%x)) · 1/σ
 *
 * with what is of a channel multiplied first, so that two products and two sums are all that is done of each place.
 */
const sharedNormal: Rule = (node, to) => {
  if (isOp(node, 'InstanceNormalization')) {
    const [x, scale, bias] = node.inputs as InputsOf<'InstanceNormalization'>;
    return isFilled(scale, 1) && isFilled(bias, 0) ? normalOf(to, x, node.attributes.epsilon).normal : undefined;
  }
  if (!isOp(node, 'InstanceNormalizationGrad')) return undefined;
  const [dy, x, scale] = node.inputs as InputsOf<'InstanceNormalizationGrad'>;
  const { normal, inverse, axes } = normalOf(to, x, node.attributes.epsilon);
  const times = (v: Value, w: Value): Value => to.op('Mul', [v, w]);
  const factor = times(inverse, to.op('Unsqueeze', [scale, to.ints(axes.map(axis => axis - 1))]));
  const mean = (v: Value): Value => times(to.op('ReduceMean', [v, to.ints(axes)]), factor);
  const along = to.op('Sub', [times(dy, factor), times(normal, mean(times(dy, normal)))]);
  return to.op('Sub', [along, mean(dy)], {}, { name: node.name });
};

const isFilled = ({ constant }: Value, value: number): boolean =>
  constant !== undefined && Array.from(constant.data as ArrayLike<number>).every(v => v === value);

/** `(x - μ) / σ` and `1/σ` [N, C, 1...] of each image and channel. */
function normalOf(to: GraphBuilder, x: Value, epsilon: number) {
  const axes = x.type.shape.map((_, i) => i).slice(2);
  const over = to.ints(axes);
  const centred = to.op('Sub', [x, to.op('ReduceMean', [x, over])]);
  const variance = to.op('ReduceMean', [to.op('Mul', [centred, centred]), over]);
  const inverse = to.op('Reciprocal', [to.op('Sqrt', [to.op('Add', [variance, to.scalar(epsilon)])])]);
  return { normal: to.op('Mul', [centred, inverse]), inverse, axes };
}
