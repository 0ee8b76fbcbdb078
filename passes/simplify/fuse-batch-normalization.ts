import { type AnyNode, numbersOf, staticShape, type Tensor, tensorFromNumbers, type Value } from '../../ir/index.ts';
import { inPlace, type Rule, readOnce } from './rule.ts';

/**
 * A BatchNormalization behind a linear layer that nothing else reads goes into the layer's weight and bias:
 *
 *     BatchNormalization(Conv(%x, W, b), γ, β, μ, σ²)   →  Conv(%x, W · γ/√(σ² + ε), (b - μ) · γ/√(σ² + ε) + β)
 *
 * The same for ConvTranspose and Gemm. Exact in real numbers, not bit for bit: for deployment only.
 */
export const fuseBatchNormalization: Rule = (node, to, graph) => {
  if (node.op !== 'BatchNormalization') return undefined;
  const layer = to.producer(node.inputs[0]!);
  const original = graph.nodes.find(n => n.name === node.name);
  if (!layer || !original || !readOnce(graph, original.inputs[0]!)) return undefined;
  const [gamma, beta, mean, variance] = node.inputs.slice(1).map(numbers);
  if (!gamma || !beta || !mean || !variance) return undefined;
  const scale = Float64Array.from(gamma, (g, c) => g / Math.sqrt(variance[c] + node.attributes.epsilon));
  const scaled = scaledLayer(layer, scale, (bias, c) => (bias - mean[c]) * scale[c] + beta[c]);
  if (!scaled) return undefined;
  return inPlace(to, {
    ...layer,
    name: node.name,
    outputs: node.outputs,
    attributes: { ...layer.attributes, ...scaled.attributes },
    inputs: [
      layer.inputs[0],
      to.constant(scaled.weight, `${layer.inputs[1]!.name}/normalized`),
      to.constant(scaled.bias, `${node.inputs[2]!.name}/normalized`),
    ],
  } as AnyNode);
};

const numbers = (value: Value | undefined): Float64Array | undefined =>
  value?.constant && Float64Array.from(numbersOf(value.constant));

interface ScaledLayer {
  readonly weight: Tensor;
  readonly bias: Tensor;
  readonly attributes: object;
}

/**
 * The weight with output channel c multiplied by `scale[c]`, and the bias mapped by `shift`, for a layer with constant
 * parameters; computed in double precision. undefined for other nodes.
 */
export function scaledLayer(
  layer: AnyNode,
  scale: ArrayLike<number>,
  shift: (bias: number, channel: number) => number,
): ScaledLayer | undefined {
  const [, w, b] = layer.inputs;
  const shape = w && staticShape(w.type.shape);
  if (!w?.constant || !shape || (b && !b.constant)) return undefined;
  const channelOf = outputChannelOf(layer, shape);
  if (!channelOf) return undefined;
  const { dtype } = w.type;
  const weight = Float64Array.from(numbersOf(w.constant), (v, i) => v * scale[channelOf(i)]);
  const given = b?.constant && numbersOf(b.constant);
  const gemm = layer.op === 'Gemm' ? layer.attributes : undefined;
  if (gemm && given && given.length !== scale.length) return undefined;
  // A Gemm's bias counts `beta` times, its weight `alpha` times.
  const bias = Float64Array.from({ length: scale.length }, (_, c) => shift((given?.[c] ?? 0) * (gemm?.beta ?? 1), c));
  return {
    weight: tensorFromNumbers(dtype, shape, weight),
    bias: tensorFromNumbers(dtype, [scale.length], bias),
    attributes: gemm ? { beta: 1 } : {},
  };
}

/** The output channel that element `i` of a layer's weight belongs to. */
function outputChannelOf(layer: AnyNode, shape: readonly number[]): ((i: number) => number) | undefined {
  const inner = (from: number) => shape.slice(from).reduce((a, b) => a * b, 1);
  switch (layer.op) {
    case 'Conv':
      return i => Math.floor(i / inner(1));
    case 'ConvTranspose': {
      const [inputs, perGroup] = shape;
      const { group } = layer.attributes;
      const [row, kernel] = [inner(1), inner(2)];
      return i => Math.floor(Math.floor(i / row) / (inputs / group)) * perGroup + (Math.floor(i / kernel) % perGroup);
    }
    case 'Gemm':
      return layer.attributes.transB ? i => Math.floor(i / shape[1]) : i => i % shape[1];
    default:
      return undefined;
  }
}
