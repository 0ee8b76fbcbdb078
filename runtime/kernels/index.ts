/** The kernels: one entry for each operator of the vocabulary. */
import { SutureError } from '../../ir/errors.ts';
import type { AnyNode, Node } from '../../ir/graph.ts';
import { type ElementwiseOp, isElementwise, type OpName } from '../../ir/ops/index.ts';
import { numbersOf, type Tensor, tensorFromNumbers } from '../../ir/tensor.ts';
import { batchNormalization, localResponse, lpNormalization, meanVariance } from './channels.ts';
import { concat, split } from './concat.ts';
import { gather, gatherElements, gatherND, oneHot, scatterElements, scatterND } from './gather.ts';
import type { Epilogue, KernelContext, KernelPlan } from './kernel.ts';
import { conv, convTranspose, gemm, matMul, stitch } from './linear.ts';
import { depthToSpace, expand, pad, slice, spaceToDepth, transpose, trilu } from './movement.ts';
import {
  groupNormalization,
  instanceNormalization,
  instanceNormalizationGrad,
  instanceNormalizationGradFromOutput,
  inverseDeviation,
  layerNormalization,
  layerNormalizationGrad,
  rmsNormalization,
} from './normalization.ts';
import { requireFit } from './operands.ts';
import { averagePool, lpPool, maxPool, maxPoolGrad } from './pooling.ts';
import { argument, cumulative, globalPool, hardmax, reduce, softmax, topK } from './reduce.ts';
import { resize } from './resize.ts';
import { sizesOf } from './shape.ts';
import { adamW, featureLoss, featureLossGrad, stitchGrad, switchGrad, switchPlan } from './training.ts';
import { product } from './wgsl.ts';

/**
 * Plans a node. The plan's operands are the node's inputs and outputs by their position; the extra inputs of an epilogue
 * follow the last input that the node has.
 *
 * @throws SutureError `kernel-missing` saying what of the node no kernel computes.
 */
export interface KernelRule<K extends OpName> {
  readonly plan: (node: Node<K>, context: KernelContext, epilogue?: Epilogue) => KernelPlan;
  /** Whether the kernel computes elementwise consumers as well. */
  readonly fuses: boolean;
}

/**
 * `view`: the output is the first input's memory under another shape. `folded`: known before the run. `fused`: what it holds
 * is computed instead. `null`: there is no kernel.
 */
type Entry<K extends OpName> = KernelRule<K> | 'view' | 'folded' | 'fused' | null;

const alone = <K extends OpName>(plan: (node: Node<K>, context: KernelContext) => KernelPlan): KernelRule<K> => ({
  plan,
  fuses: false,
});

const anchor = <K extends OpName>(plan: KernelRule<K>['plan']): KernelRule<K> => ({ plan, fuses: true });

/** Every operator that is not elementwise; those are one kernel, over the expressions in `scalar.ts`. */
const kernels: { readonly [K in Exclude<OpName, ElementwiseOp>]: Entry<K> } = {
  Conv: anchor(conv),
  ConvTranspose: anchor(convTranspose),
  MatMul: anchor(matMul),
  Gemm: anchor(gemm),

  BatchNormalization: alone(batchNormalization),
  InstanceNormalization: anchor(instanceNormalization),
  LayerNormalization: anchor(layerNormalization),
  GroupNormalization: anchor(groupNormalization),
  RMSNormalization: anchor(rmsNormalization),
  LRN: alone(localResponse),
  LpNormalization: alone(lpNormalization),
  MeanVarianceNormalization: alone(meanVariance),

  MaxPool: alone(maxPool),
  AveragePool: alone(averagePool),
  LpPool: alone(lpPool),
  GlobalAveragePool: alone(globalPool),
  GlobalMaxPool: alone(globalPool),

  ReduceL1: alone(reduce),
  ReduceL2: alone(reduce),
  ReduceLogSum: alone(reduce),
  ReduceLogSumExp: alone(reduce),
  ReduceMax: alone(reduce),
  ReduceMean: alone(reduce),
  ReduceMin: alone(reduce),
  ReduceProd: alone(reduce),
  ReduceSum: alone(reduce),
  ReduceSumSquare: alone(reduce),
  ArgMax: alone(argument),
  ArgMin: alone(argument),
  Softmax: anchor(softmax),
  LogSoftmax: anchor(softmax),
  Hardmax: alone(hardmax),
  CumSum: alone(cumulative),
  CumProd: alone(cumulative),
  TopK: alone(topK),

  Identity: 'view',
  Reshape: 'view',
  Flatten: 'view',
  Squeeze: 'view',
  Unsqueeze: 'view',
  Shape: 'folded',
  Size: 'folded',
  ConstantOfShape: 'folded',
  Range: 'folded',
  Transpose: alone(transpose),
  Concat: alone(concat),
  Split: alone(split),
  Slice: alone(slice),
  Gather: alone(gather),
  GatherElements: alone(gatherElements),
  GatherND: alone(gatherND),
  ScatterElements: alone(scatterElements),
  ScatterND: alone(scatterND),
  Pad: alone(pad),
  Expand: alone(expand),
  Tile: alone(expand),
  DepthToSpace: alone(depthToSpace),
  SpaceToDepth: alone(spaceToDepth),
  Trilu: alone(trilu),
  /** How many there are is not known before the run. */
  NonZero: null,
  OneHot: alone(oneHot),
  Resize: alone(resize),

  Stitch: anchor(stitch),
  Switch: alone(switchPlan),
  FeatureLoss: alone(featureLoss),
  FeatureLossGrad: alone(featureLossGrad),
  StitchGrad: alone(stitchGrad),
  SwitchGrad: alone(switchGrad),
  InstanceNormalizationGrad: alone(instanceNormalizationGrad),
  InverseDeviation: alone(inverseDeviation),
  InstanceNormalizationGradFromOutput: alone(instanceNormalizationGradFromOutput),
  LayerNormalizationGrad: alone(layerNormalizationGrad),
  MaxPoolGrad: alone(maxPoolGrad),
  AdamW: alone(adamW),
  Fused: 'fused',
};

const entryOf = (op: OpName): Entry<OpName> | 'elementwise' =>
  isElementwise(op) ? 'elementwise' : (kernels[op] as Entry<OpName>);

/** Whether a node's output is its first input's memory. */
export const isView = (op: OpName): boolean => entryOf(op) === 'view';

/** Whether WebGPU has a kernel for an operator at all; its dtype and attributes may still be refused. */
export const hasKernel = (op: OpName): boolean => entryOf(op) !== null;

/** Whether the kernel of an operator computes elementwise consumers as well. */
export function fusesConsumers(op: OpName): boolean {
  const entry = entryOf(op);
  return entry !== null && typeof entry === 'object' && entry.fuses;
}

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
export function planNode(node: AnyNode, context: KernelContext, epilogue?: Epilogue): KernelPlan {
  const entry = entryOf(node.op);
  if (entry === null || typeof entry === 'string') throw new SutureError('kernel-missing', 'there is no kernel for it');
  if (epilogue && !entry.fuses) throw new SutureError('kernel-missing', `${node.op} takes no epilogue`);
  requireFit(node);
  return entry.plan(node as unknown as Node<OpName>, context, epilogue);
}
