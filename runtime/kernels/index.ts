/** The kernels: one entry for each operator of the vocabulary. */
import { SutureError } from '../../ir/errors.ts';
import type { AnyNode, Node } from '../../ir/graph.ts';
import { product } from '../../ir/numbers.ts';
import { type ElementwiseOp, type OpName, type OpWith, specOf } from '../../ir/ops/index.ts';
import { numbersOf, type Tensor, tensorFromNumbers } from '../../ir/tensor.ts';
import { adamW } from './adamw.ts';
import { batchNormalization, localResponse, lpNormalization, meanVariance } from './channels.ts';
import { concat, split } from './concat.ts';
import { featureLoss, featureLossGrad } from './feature-loss.ts';
import { gather, gatherElements, gatherND, oneHot, scatterElements, scatterND } from './gather.ts';
import type { KernelContext, KernelPlan } from './kernel.ts';
import { conv, convTranspose, gemm, matMul, stitch } from './linear.ts';
import { depthToSpace, expand, pad, slice, spaceToDepth, transpose, trilu } from './movement.ts';
import {
  groupNormalization,
  instanceNormalization,
  instanceNormalizationGrad,
  instanceNormalizationGradFromOutput,
  inverseDeviation,
  layerNormalizationGrad,
  normalizationOverLast,
} from './normalization.ts';
import { requireFit } from './operands.ts';
import { averagePool, lpPool, maxPool, maxPoolGrad } from './pooling.ts';
import { argument, cumulative, globalPool, hardmax, reduce, softmax, topK } from './reduce.ts';
import { resize } from './resize.ts';
import { sizesOf } from './shape.ts';
import { stitchGrad } from './stitch-grad.ts';
import { switchGrad, switchPlan } from './switch.ts';

/**
 * Plans a node. The plan's operands are the node's inputs and outputs by their position; the extra inputs of an epilogue, which only
 * operators with that trait are given, follow the last input that the node has.
 *
 * @throws SutureError `kernel-missing` saying what of the node no kernel computes.
 */
type KernelRule<K extends OpName> = (node: Node<K>, context: KernelContext) => KernelPlan;

/** `folded`: known before the run. `fused`: what it holds is computed instead. `null`: there is no kernel. */
type Entry<K extends OpName> = KernelRule<K> | 'folded' | 'fused' | null;

/** Every operator that is not elementwise (those are one kernel, over the expressions in `scalar.ts`) nor a view, which needs none. */
const kernels: { readonly [K in Exclude<OpName, ElementwiseOp | OpWith<'view'>>]: Entry<K> } = {
  Conv: conv,
  ConvTranspose: convTranspose,
  MatMul: matMul,
  Gemm: gemm,

  BatchNormalization: batchNormalization,
  InstanceNormalization: instanceNormalization,
  LayerNormalization: normalizationOverLast,
  GroupNormalization: groupNormalization,
  RMSNormalization: normalizationOverLast,
  LRN: localResponse,
  LpNormalization: lpNormalization,
  MeanVarianceNormalization: meanVariance,

  MaxPool: maxPool,
  AveragePool: averagePool,
  LpPool: lpPool,
  GlobalAveragePool: globalPool,
  GlobalMaxPool: globalPool,

  ReduceL1: reduce,
  ReduceL2: reduce,
  ReduceLogSum: reduce,
  ReduceLogSumExp: reduce,
  ReduceMax: reduce,
  ReduceMean: reduce,
  ReduceMin: reduce,
  ReduceProd: reduce,
  ReduceSum: reduce,
  ReduceSumSquare: reduce,
  ArgMax: argument,
  ArgMin: argument,
  Softmax: softmax,
  LogSoftmax: softmax,
  Hardmax: hardmax,
  CumSum: cumulative,
  CumProd: cumulative,
  TopK: topK,

  Shape: 'folded',
  Size: 'folded',
  ConstantOfShape: 'folded',
  Range: 'folded',
  Transpose: transpose,
  Concat: concat,
  Split: split,
  Slice: slice,
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: gatherND,
  ScatterElements: scatterElements,
  ScatterND: scatterND,
  Pad: pad,
  Expand: expand,
  Tile: expand,
  DepthToSpace: depthToSpace,
  SpaceToDepth: spaceToDepth,
  Trilu: trilu,
  /** How many there are is not known before the run. */
  NonZero: null,
  OneHot: oneHot,
  Resize: resize,

  Stitch: stitch,
  Switch: switchPlan,
  FeatureLoss: featureLoss,
  FeatureLossGrad: featureLossGrad,
  StitchGrad: stitchGrad,
  SwitchGrad: switchGrad,
  InstanceNormalizationGrad: instanceNormalizationGrad,
  InverseDeviation: inverseDeviation,
  InstanceNormalizationGradFromOutput: instanceNormalizationGradFromOutput,
  LayerNormalizationGrad: layerNormalizationGrad,
  MaxPoolGrad: maxPoolGrad,
  AdamW: adamW,
  Fused: 'fused',
};

const entryOf = (op: OpName): Entry<OpName> => kernels[op as keyof typeof kernels] as Entry<OpName>;

/** Whether a node's output is its first input's memory. */
export const isView = (op: OpName): boolean => specOf(op).view === true;

/**
 * The tensor that a node gives whatever runs, or undefined when it depends on data. Shape arithmetic that simplification left.
 */
export function foldedTensor(node: AnyNode): Tensor | undefined {
  if (entryOf(node.op) !== 'folded') return undefined;
  const [value] = node.outputs;
  const { dtype } = value.type;
  const shape = sizesOf(value);
  if (node.op === 'ConstantOfShape') {
    const [fill] = numbersOf(node.attributes.value);
    return tensorFromNumbers(dtype, shape, Array<number>(product(shape)).fill(fill));
  }
  const { elements } = value;
  if (!elements?.every(e => typeof e === 'number')) {
    throw new SutureError('kernel-missing', 'its result depends on data, and sizes must be known before the run');
  }
  return tensorFromNumbers(dtype, shape, elements as readonly number[]);
}

/** Plans a node that is neither elementwise nor a view nor folded. */
export function planNode(node: AnyNode, context: KernelContext): KernelPlan {
  const plan = entryOf(node.op);
  if (typeof plan !== 'function') throw new SutureError('kernel-missing', 'there is no kernel for it');
  if (context.epilogue && !specOf(node.op).epilogue) {
    throw new SutureError('kernel-missing', `${node.op} takes no epilogue`);
  }
  requireFit(node);
  return (plan as (node: AnyNode, context: KernelContext) => KernelPlan)(node, context);
}
