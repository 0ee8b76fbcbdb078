import { isOp, type Node, type Tensor, tensorFromNumbers } from '../../ir/index.ts';
import type { OpenNetwork, Role } from './weights.ts';

/** The slope below 0 that kernels are drawn for: that of nnU-Net's LeakyReLU. */
const slope = 0.01;

/** Where PRelu's slopes begin, in PyTorch. */
const firstSlope = 0.25;

/**
 * First values for every weight of an untrained network, as its operators usually begin: kernels and matrices normal with variance
 * `2 / ((1 + 0.01²) · fan-in)`, as nnU-Net draws them (He, arXiv 1502.01852, by PyTorch's count of the fan-in, that of ConvTranspose too);
 * rows that Gather looks up standard normal; biases and running means 0, scales and running variances 1, slopes of PRelu ¼. What is no weight
 * stays.
 *
 * @param normal draws from the standard normal distribution, in the order of the weights.
 */
export function freshWeights({ graph, weights, roles }: OpenNetwork, normal: () => number): Map<string, Tensor> {
  const values = new Map<string, Tensor>();
  for (const node of graph.nodes) {
    for (const [i, input] of node.inputs.entries()) {
      const given = input && weights.get(input.name);
      if (!given || values.has(input.name)) continue;
      const value = firstValue({ node, i, shape: given.shape }, roles.get(input.name)!, normal);
      values.set(
        input.name,
        tensorFromNumbers(given.dtype, given.shape, Array.from({ length: given.data.length }, value)),
      );
    }
  }
  return values;
}

/** The i-th operand of a node. */
interface Weight {
  readonly node: Node;
  readonly i: number;
  readonly shape: readonly number[];
}

/** What draws the numbers of a weight. */
function firstValue(weight: Weight, role: Role, normal: () => number): () => number {
  const { node } = weight;
  if (role === 'bias' || role === 'mean') return () => 0;
  if (role === 'variance') return () => 1;
  if (role === 'scale') return () => (node.op === 'PRelu' ? firstSlope : 1);
  if (node.op === 'Gather') return normal;
  const deviation = Math.sqrt(2 / ((1 + slope ** 2) * fanIn(weight)));
  return () => deviation * normal();
}

/** How many numbers a weight makes one of. */
function fanIn({ node, i, shape }: Weight): number {
  if (isOp(node, 'Gemm')) {
    const { transA, transB } = node.attributes;
    return i === 0 ? shape[transA ? 0 : 1] : shape[transB ? 1 : 0];
  }
  if (node.op === 'MatMul') return shape.at(i === 0 || shape.length === 1 ? -1 : -2)!;
  return shape.slice(1).reduce((product, dim) => product * dim, 1);
}
