import { inputAt, nodeWith } from '../../ir/index.ts';
import { inPlace, nodeNamed, type Rule, readOnce } from './rule.ts';
import { numbers, scaledLayer, withParameters } from './scaled-layer.ts';

/**
 * A BatchNormalization behind a linear layer that nothing else reads goes into the layer's weight and bias:
 *
 *     BatchNormalization(Conv(%x, W, b), γ, β, μ, σ²)   →  Conv(%x, W · γ/√(σ² + ε), (b - μ) · γ/√(σ² + ε) + β)
 *
 * The same for ConvTranspose and Gemm. Exact in real numbers, not bit for bit: for deployment only.
 */
export const fuseBatchNormalization: Rule = (node, to, graph) => {
  if (node.op !== 'BatchNormalization') return undefined;
  const layer = to.producer(inputAt(node, 0));
  const original = nodeNamed(graph, node.name);
  if (!layer || !original || !readOnce(graph, inputAt(original, 0))) return undefined;
  const [gamma, beta, mean, variance] = node.inputs.slice(1).map(numbers);
  if (!gamma || !beta || !mean || !variance) return undefined;
  const scale = Float64Array.from(gamma, (g, c) => g / Math.sqrt(variance[c] + node.attributes.epsilon));
  const scaled = scaledLayer(layer, scale, (bias, c) => (bias - mean[c]) * scale[c] + beta[c]);
  if (!scaled) return undefined;
  const named = nodeWith(layer, { name: node.name, outputs: node.outputs });
  return inPlace(
    to,
    withParameters(named, scaled, (tensor, name) => to.constant(tensor, name)),
  );
};
