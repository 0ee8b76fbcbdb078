/** What settings cost, relative to the plain output ensemble. */
import type { Graph } from '../../../ir/index.ts';
import { batchesOf } from '../../data/batches.ts';
import type { Dataset } from '../../data/dataset.ts';
import { Runnable } from '../../execution/execute.ts';
import { imagesAtATime } from '../../execution/fixed-batch.ts';
import type { Execution } from '../../execution/progress.ts';
import { flopsPerSample } from '../../network/cost.ts';
import { type DiscreteSetting, settleDiscrete } from '../../network/discrete.ts';
import type { TrainedNetwork } from '../../network/network.ts';
import { graphForImages } from '../../network/sizes.ts';

export const ensemble: DiscreteSetting = { uses: {}, output: 'mean' };

export const costKinds = ['flops', 'time'] as const;
/** The cost of a setting as a share of the plain output ensemble's. */
export type CostKind = (typeof costKinds)[number];

/**
 * Costs as the operations of the settled graph, dead branches gone and stitches merged where that costs nothing, on one image of the data.
 * What a gate takes is not counted: see `flopsPerSample`.
 */
export function costsOf(
  { network, parameters }: TrainedNetwork,
  dataset: Dataset,
): (setting: DiscreteSetting) => number {
  const flopsOf = (graph: Graph): number => flopsPerSample(graphForImages(graph, dataset, 'the stitched network'))!;
  const known = new Map<string, number>();
  const operations = (setting: DiscreteSetting): number => {
    // A gate is of operations that are not counted.
    const plain = setting.output === 'gated' ? { ...setting, output: 'mean' } : setting;
    const key = JSON.stringify(plain);
    const flops = known.get(key) ?? flopsOf(settleDiscrete(network, plain, parameters));
    known.set(key, flops);
    return flops;
  };
  return setting => operations(setting) / operations(ensemble);
}

/** How often a network is run, after once for warming up. */
const runs = 5;

/**
 * Costs as measured, in the order of the settings: the least time of a few runs of the settled network on a batch of the data, over the
 * least of as many runs of the output ensemble in between. Other work on the machine only ever adds to a time, and what slows it for
 * long slows both.
 */
export async function measuredCosts(
  { executor }: Pick<Execution, 'executor'>,
  { network, parameters }: TrainedNetwork,
  dataset: Dataset,
  settings: readonly DiscreteSetting[],
): Promise<readonly number[]> {
  const runnableOf = (setting: DiscreteSetting): Runnable =>
    new Runnable(executor, settleDiscrete(network, setting, parameters));
  const whole = runnableOf(ensemble);
  const atATime = imagesAtATime([{ name: 'the output ensemble', graph: whole.graph }], undefined, 8);
  const { value: batch } = batchesOf(dataset, atATime).next();
  const secondsOf = async (runnable: Runnable): Promise<number> => {
    const since = performance.now();
    await runnable.run({ [runnable.graph.inputs[0].name]: batch!.images });
    return performance.now() - since;
  };
  const costOf = async (setting: DiscreteSetting): Promise<number> => {
    const runnable = runnableOf(setting);
    try {
      await secondsOf(runnable);
      let [least, leastOfWhole] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
      for (let i = 0; i < runs; i++) {
        least = Math.min(least, await secondsOf(runnable));
        leastOfWhole = Math.min(leastOfWhole, await secondsOf(whole));
      }
      return least / leastOfWhole;
    } finally {
      runnable.dispose();
    }
  };
  try {
    await secondsOf(whole);
    const costs: number[] = [];
    for (const setting of settings) costs.push(await costOf(setting));
    return costs;
  } finally {
    whole.dispose();
  }
}
