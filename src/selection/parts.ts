/** Many graphs over the same images, run together: what they have in common is computed once for each batch, and compiled once for all data. */
import type { Tensor } from '../../ir/index.ts';
import { batchesOf, batchSizes, casesAtATime } from '../data/batches.ts';
import type { Dataset } from '../data/dataset.ts';
import { Runnable } from '../execution/execute.ts';
import { imagesAtATime } from '../execution/fixed-batch.ts';
import { type Execution, throwIfInterrupted } from '../execution/progress.ts';
import { type MergedPart, mergeGraphs } from './merge.ts';

/** Graphs with more nodes than this are run in several rounds, each of which computes the shared prefix anew. */
const maxNodes = 6000;

/** Images to run on. */
export interface StagedData {
  readonly dataset: Dataset;
  /** What is going on while they are, in words. */
  readonly stage: string;
}

export interface Parts<P extends MergedPart> {
  readonly parts: readonly P[];
  readonly sets: readonly StagedData[];
  /** Images at a time. Default 8. */
  readonly batch?: number | undefined;
  /** Whether each batch is a case. */
  readonly cases?: boolean;
}

/** Parts in their order, so many together that the merged graph stays within bounds. */
function rounds<P extends MergedPart>(parts: readonly P[]): readonly (readonly P[])[] {
  const result: P[][] = [[]];
  let nodes = 0;
  for (const part of parts) {
    const more = part.graph.nodes.length;
    if (nodes > 0 && nodes + more > maxNodes) {
      result.push([]);
      nodes = 0;
    }
    result.at(-1)!.push(part);
    nodes += more;
  }
  return result;
}

/**
 * Runs graphs that have the same input on all images of data sets. `take` gets the outputs of a batch by name, for the parts of
 * one round at a time, as one tensor where parts have an output in common; `set` is the number of the data set, and `first` that of the batch's first image.
 *
 * @throws SutureError `interrupted`, `option-invalid` for a number of images at a time that the network does not take.
 */
export async function runParts<P extends MergedPart>(
  { executor, onProgress, signal }: Execution,
  { parts, sets, batch, cases = false }: Parts<P>,
  take: (parts: readonly P[], outputs: Readonly<Record<string, Tensor>>, set: number, first: number) => void,
): Promise<void> {
  const all = rounds(parts);
  const works = sets.map(({ dataset, stage }) => {
    const atATime = cases
      ? casesAtATime(dataset, batch)
      : imagesAtATime([{ name: 'the stitched network', graph: parts[0].graph }], batch, 8);
    return { dataset, stage, atATime, done: 0, total: all.length * batchSizes(dataset.count, atATime).length };
  });
  if (works.length === 0) return;
  for (const round of all) {
    const runnable = new Runnable(executor, mergeGraphs('sweep', round));
    const input = runnable.graph.inputs[0].name;
    const { outputs } = runnable.graph;
    const firsts = new Map(outputs.toReversed().map(({ name, value }) => [value, name] as const));
    const fetched = [...firsts.values()];
    const run = async (images: Tensor): Promise<Readonly<Record<string, Tensor>>> => {
      const found = await runnable.run({ [input]: images }, fetched);
      return Object.fromEntries(outputs.map(({ name, value }) => [name, found[firsts.get(value)!]]));
    };
    try {
      for (const [set, work] of works.entries()) {
        const { dataset, stage, atATime, total } = work;
        onProgress?.({ stage, done: work.done, total });
        for (const { first, images } of batchesOf(dataset, atATime)) {
          throwIfInterrupted(signal, 'The sweep');
          take(round, await run(images), set, first);
          onProgress?.({ stage, done: ++work.done, total });
        }
      }
    } finally {
      runnable.dispose();
    }
  }
}
