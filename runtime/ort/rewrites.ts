/**
 * Rewrites of ONNX Runtime that find nothing in a graph. Each of them walks all nodes, some several times, and for training steps of
 * thousands of nodes these walks take a third of the time in which a session opens.
 */
import type { OpName } from '../../ir/index.ts';
import type { MessageInit } from '../../ir/onnx/proto/schema.ts';

type Model = MessageInit<'ModelProto'>;

/** Rewrites of what no graph of ours has: quantised operators, those of language models, dropout. */
const never = [
  ...['DoubleQDQPairsRemover', 'QDQPropagationTransformer', 'WeightBiasQuantization', 'WhereDummyDq'],
  ...[
    'QDQS8ToU8Transformer',
    'QDQSelectorActionTransformer',
    'QDQFinalCleanupTransformer',
    'EnsureUniqueDQForNodeUnit',
  ],
  ...['MatMulIntegerToFloatFusion', 'DynamicQuantizeMatMulFusion', 'MatMulNBitsFusion'],
  ...['GroupQueryAttentionFusion', 'GroupQueryAttentionPreNormFusion', 'BiasDropoutFusion'],
];

/** What normalises over axes, and operators that ONNX Runtime spells out by such. */
const normalizations: readonly OpName[] = [
  'ReduceMean',
  'LayerNormalization',
  'RMSNormalization',
  'GroupNormalization',
  'MeanVarianceNormalization',
];

/** By rewrites, operators of which a graph must have one for them to find anything. */
const wanted: Readonly<Record<string, readonly OpName[]>> = {
  GeluFusionL1: ['Erf', 'Gelu'],
  GeluFusionL2: ['Erf', 'Gelu'],
  FastGeluFusion: ['Erf', 'Tanh', 'Gelu', 'Mish'],
  BiasGeluFusion: ['Erf', 'Tanh', 'Gelu', 'Mish'],
  QuickGeluFusion: ['Sigmoid', 'Swish'],
  BiasSoftmaxFusion: ['Softmax'],
  AttentionFusion: ['Softmax'],
  EmbedLayerNormFusion: ['Gather'],
  GatherToSliceFusion: ['Gather'],
  GatherSliceToSplitFusion: ['Gather', 'Slice'],
  SliceConcatToSpaceToDepthFusion: ['Slice'],
  ReshapeFusion: ['Reshape'],
  GemmActivationFusion: ['Gemm', 'MatMul'],
  MatMulAddFusion: ['MatMul'],
  MatmulTransposeFusion: ['MatMul'],
  MatMulScaleFusion: ['MatMul'],
  MatMulActivationFusion: ['MatMul'],
  ConvActivationFusion: ['Conv'],
  ConvAddActivationFusion: ['Conv'],
  LayerNormFusionL1: normalizations,
  LayerNormFusionL2: normalizations,
  SimplifiedLayerNormFusion: normalizations,
  SkipLayerNormFusion: normalizations,
  BiasSkipLayerNormFusion: normalizations,
};

/** Names of rewrites that leave a model of ours as it is, by the operators that it and its functions have. */
export function idleRewrites({ graph, functions = [] }: Model): readonly string[] {
  const nodes = [...(graph?.node ?? []), ...functions.flatMap(({ node = [] }) => node)];
  const present = new Set(nodes.map(({ opType }) => opType));
  return [...never, ...Object.keys(wanted).filter(name => !wanted[name].some(op => present.has(op)))];
}
