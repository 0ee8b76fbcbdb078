/**
 * What a network costs: multiplications and additions of its convolutions, matrix products and stitches, each counted as
 * two operations. Normalisations, activations and pooling are not counted, as is customary.
 */
import { type AnyNode, type Dim, type Graph, isStatic, productOf, substitute, symbolsOf } from '../ir/index.ts';

function flopsOf(node: AnyNode): Dim {
  const shape = (i: number): readonly Dim[] => node.inputs[i]?.type.shape ?? [];
  const output = productOf(node.outputs[0]!.type.shape);
  switch (node.op) {
    case 'Conv':
      return productOf([2, output, ...shape(1).slice(1)]);
    case 'ConvTranspose':
      return productOf([2, ...shape(0), ...shape(1).slice(1)]);
    case 'MatMul':
      return productOf([2, output, shape(0).at(-1) ?? 1]);
    case 'Gemm':
      return productOf([2, output, shape(0)[node.attributes.transA ? 0 : 1] ?? 1]);
    case 'Stitch':
      return productOf([2, output, shape(1)[1] ?? 1]);
    default:
      return 0;
  }
}

/** The cost of one sample; undefined where it depends on a size that the network leaves open. */
export function flopsPerSample(graph: Graph): number | undefined {
  const batch = graph.inputs[0]?.type.shape[0];
  const one = batch === undefined || isStatic(batch) ? {} : Object.fromEntries([...symbolsOf(batch)].map(s => [s, 1]));
  let sum = 0;
  for (const node of graph.nodes) {
    const flops = substitute(flopsOf(node), one);
    if (!isStatic(flops)) return undefined;
    sum += flops;
  }
  return isStatic(batch ?? 1) ? sum / ((batch as number | undefined) ?? 1) : sum;
}
