/** Many graphs over the same images, run together: what they have in common is computed once for each batch. */
import type { Tensor } from '../../ir/index.ts';
import { batchesOf, batchSizes } from '../data/batches.ts';
import type { Dataset } from '../data/dataset.ts';
import { Runnable } from '../execution/execute.ts';
import { type Execution, throwIfInterrupted } from '../execution/progress.ts';
import { type MergedPart, mergeGraphs } from './merge.ts';

/** Graphs with more nodes than this are run in several rounds, each of which computes the shared prefix anew. */
const maxNodes = 6000;

/** Graphs that are wanted at the same time: they stay in one round. */
export type Bundle = readonly [MergedPart, ...MergedPart[]];

export interface Parts {
  readonly bundles: readonly Bundle[];
  readonly dataset: Dataset;
  /** What is going on, in words. */
  readonly stage: string;
  /** Images at a time. Default 8. */
  readonly batch?: number | undefined;
}

/** Bundles in their order, so many together that the merged graph stays within bounds. */
function rounds(bundles: readonly Bundle[]): readonly (readonly Bundle[])[] {
  const result: Bundle[][] = [[]];
  let nodes = 0;
  for (const bundle of bundles) {
    const more = bundle.reduce((sum, { graph }) => sum + graph.nodes.length, 0);
    if (nodes > 0 && nodes + more > maxNodes) {
      result.push([]);
      nodes = 0;
    }
    result.at(-1)!.push(bundle);
    nodes += more;
  }
  return result;
}

/**
 * Runs graphs that have the same input on all images of a data set. `take` gets the outputs of a batch by name, for the bundles
 * of one round at a time; `first` is the number of the batch's first image.
 *
 * @throws SutureError `interrupted`.
 */
export async function runParts(
  { executor, onProgress, signal }: Execution,
  { bundles, dataset, stage, batch = 8 }: Parts,
  take: (bundles: readonly Bundle[], outputs: Readonly<Record<string, Tensor>>, first: number) => void,
): Promise<void> {
  const all = rounds(bundles);
  const total = all.length * batchSizes(dataset.count, batch).length;
  let done = 0;
  onProgress?.({ stage, done, total });
  for (const round of all) {
    const runnable = new Runnable(executor, mergeGraphs('sweep', round.flat()));
    const input = runnable.graph.inputs[0]!.name;
    try {
      for (const { first, images } of batchesOf(dataset, batch)) {
        throwIfInterrupted(signal, 'The sweep');
        take(round, await runnable.run({ [input]: images }), first);
        onProgress?.({ stage, done: ++done, total });
      }
    } finally {
      runnable.dispose();
    }
  }
}
