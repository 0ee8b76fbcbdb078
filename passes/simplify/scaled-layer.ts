import {
  type AnyNode,
  nodeWith,
  numbersOf,
  staticShape,
  type Tensor,
  tensorFromNumbers,
  type Value,
} from '../../ir/index.ts';

/** New constant operands of a linear layer, and what changes in its attributes. */
export interface LayerParameters {
  readonly weight: Tensor;
  readonly bias: Tensor;
  readonly attributes: object;
}

/** The numbers of a constant; undefined for other values. */
export const numbers = (value: Value | undefined): Float64Array | undefined =>
  value?.constant && Float64Array.from(numbersOf(value.constant));

/**
 * A linear layer with constant parameters (Conv, ConvTranspose, Gemm, Stitch), its output channel c multiplied by `scale[c]`
 * and its bias mapped by `shift`: computed in double precision. undefined for other nodes.
 */
export function scaledLayer(
  layer: AnyNode,
  scale: ArrayLike<number>,
  shift: (bias: number, channel: number) => number = (bias, c) => bias * scale[c],
): LayerParameters | undefined {
  const [, w, b] = layer.inputs;
  const weights = numbers(w);
  const given = numbers(b);
  const shape = w && staticShape(w.type.shape);
  if (!weights || !shape || (b && !given)) return undefined;
  const channelOf = outputChannelOf(layer, shape);
  if (!channelOf) return undefined;
  const gemm = layer.op === 'Gemm' ? layer.attributes : undefined;
  // A Gemm's bias may be one number for all channels, or a matrix, and counts `beta` times.
  if (given && given.length !== scale.length) return undefined;
  const bias = Float64Array.from({ length: scale.length }, (_, c) => shift((given?.[c] ?? 0) * (gemm?.beta ?? 1), c));
  const { dtype } = w.type;
  return {
    weight: tensorFromNumbers(
      dtype,
      shape,
      weights.map((v, i) => v * scale[channelOf(i)]),
    ),
    bias: tensorFromNumbers(dtype, [scale.length], bias),
    attributes: gemm ? { beta: 1 } : {},
  };
}

/** The output channel that element `i` of a layer's weight belongs to. */
function outputChannelOf(layer: AnyNode, shape: readonly number[]): ((i: number) => number) | undefined {
  const inner = (from: number) => shape.slice(from).reduce((a, b) => a * b, 1);
  switch (layer.op) {
    case 'Conv':
    case 'Stitch':
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

/** The same node with other parameters. */
export function withParameters(
  node: AnyNode,
  parameters: LayerParameters,
  constant: (tensor: Tensor, name: string) => Value,
): AnyNode {
  const [x, weight, bias] = node.inputs;
  return nodeWith(node, {
    attributes: { ...node.attributes, ...parameters.attributes },
    inputs: [
      x,
      constant(parameters.weight, weight!.name),
      constant(parameters.bias, bias?.name ?? `${node.name}/bias`),
    ],
  });
}
