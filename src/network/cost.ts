/**
 * What a network costs: multiplications and additions of its convolutions, matrix products and stitches, each counted as
 * two operations. Normalisations, activations and pooling are not counted, as is customary.
 */
import { type Graph, isFloat, isStatic, macsOf, productOf, substitute, symbolsOf } from '../../ir/index.ts';

/** The cost of one sample; undefined where it depends on a size that the network leaves open. */
export function flopsPerSample(graph: Graph): number | undefined {
  const batch = graph.inputs[0]?.type.shape[0];
  const one = batch === undefined || isStatic(batch) ? {} : Object.fromEntries([...symbolsOf(batch)].map(s => [s, 1]));
  let sum = 0;
  for (const node of graph.nodes) {
    const flops = substitute(productOf([2, macsOf(node)]), one);
    if (!isStatic(flops)) return undefined;
    sum += flops;
  }
  return isStatic(batch ?? 1) ? sum / ((batch as number | undefined) ?? 1) : sum;
}

/** The number of elements of a graph's floating-point constants. */
export const parameterCount = (graph: Graph): number =>
  graph.constants().reduce((sum, { constant }) => sum + (isFloat(constant.dtype) ? constant.data.length : 0), 0);
