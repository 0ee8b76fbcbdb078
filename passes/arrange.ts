import type { Graph } from '../ir/index.ts';
import { type FuseOptions, fuse } from './arrange/fuse.ts';
import { invert } from './arrange/invert.ts';
import { recompute } from './arrange/recompute.ts';
import { schedule } from './arrange/schedule.ts';

export { type FuseOptions, fuse } from './arrange/fuse.ts';
export { invert } from './arrange/invert.ts';
export { kernelGradientsAsProducts } from './arrange/kernel-gradients.ts';
export { occupancy, type Peak, peak, peakBytes } from './arrange/memory.ts';
export { isRecomputed, type RecomputeOptions, recompute } from './arrange/recompute.ts';
export { schedule } from './arrange/schedule.ts';
export { arrangeWeightTraining } from './arrange/weight-training.ts';

export interface ArrangeOptions extends FuseOptions {
  /** False: each node is a kernel of its own. Default true. */
  readonly fuse?: boolean;
  /** False: nodes run in the order given, and read what they are given to read. Default true. */
  readonly schedule?: boolean;
  /** Where the graph is a training step. */
  readonly step?: ArrangedStep;
}

export interface ArrangedStep {
  /** The output that holds the loss: what it depends on is the forward pass. */
  readonly loss: string;
  /** Bytes that the activations may take at once. What is over is computed again instead of kept. */
  readonly budget?: number;
}

/**
 * Readies a graph for an executor that plans kernels and memory: groups nodes into regions, and orders them so that the peak of the
 * activations is low.
 *
 * Requires: every extent is known (`specialize`). Guarantees: the same outputs; inputs, outputs and their names as they were.
 */
export function arrange(graph: Graph, options: ArrangeOptions = {}): Graph {
  const { fuse: fusing = true, schedule: ordering = true, step, ...rest } = options;
  const finish = (given: Graph, phase?: FuseOptions['phase']): Graph => {
    const ordered = ordering ? schedule(given) : given;
    if (!fusing) return ordered;
    const fused = fuse(ordered, { ...rest, ...(phase && { phase }) });
    return ordering ? schedule(fused) : fused;
  };
  if (!step) return finish(graph);
  const { loss, budget } = step;
  const given = ordering ? invert(graph, graph.output(loss)) : graph;
  if (budget === undefined) return finish(given);
  // A region of both passes would run in the forward pass, and keep what it computes again from then on.
  return recompute(given, { budget, loss, finish: (g, forward) => finish(g, node => forward.has(node)) });
}
