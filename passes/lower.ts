import type { Graph } from '../ir/index.ts';
import { type FuseOptions, fuse } from './lower/fuse.ts';
import { schedule } from './lower/schedule.ts';

export { type FuseOptions, fuse } from './lower/fuse.ts';
export { type Peak, peak, peakBytes } from './lower/memory.ts';
export { schedule } from './lower/schedule.ts';

export interface LowerOptions extends FuseOptions {
  /** False: each node is a kernel of its own. Default true. */
  readonly fuse?: boolean;
  /** False: nodes run in the order given. Default true. */
  readonly schedule?: boolean;
}

/**
 * Readies a graph for an executor that plans kernels and memory: groups nodes into regions, and orders them so that the peak of the
 * activations is low.
 *
 * Requires: every extent is known (`specialize`). Guarantees: the same outputs; inputs, outputs and their names as they were.
 */
export function lower(
  graph: Graph,
  { fuse: fusing = true, schedule: ordering = true, ...options }: LowerOptions = {},
): Graph {
  const ordered = ordering ? schedule(graph) : graph;
  const fused = fusing ? fuse(ordered, options) : ordered;
  return ordering && fused !== ordered ? schedule(fused) : fused;
}
