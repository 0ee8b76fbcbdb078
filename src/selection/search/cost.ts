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
export type CostKind = (typeof costKinds)[number];

/** The cost of a setting: 1 is that of the plain output ensemble. */
export type CostOf = (setting: DiscreteSetting) => number | Promise<number>;

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

/** Costs as measured: the median of a few runs of the settled network on a batch of the data. */
export async function timesOf(
  { executor }: Execution,
  { network, parameters }: TrainedNetwork,
  dataset: Dataset,
): Promise<CostOf> {
  const secondsOf = async (setting: DiscreteSetting): Promise<number> => {
    const graph = settleDiscrete(network, setting, parameters);
    const atATime = imagesAtATime([{ name: 'the stitched network', graph }], undefined, 8);
    const { value: batch } = batchesOf(dataset, atATime).next();
    const runnable = new Runnable(executor, graph);
    try {
      const seconds: number[] = [];
      for (let i = 0; i <= runs; i++) {
        const since = performance.now();
        await runnable.run({ [graph.inputs[0].name]: batch.images });
        seconds.push(performance.now() - since);
      }
      return seconds.slice(1).sort((p, q) => p - q)[Math.floor(runs / 2)];
    } finally {
      runnable.dispose();
    }
  };
  const whole = await secondsOf(ensemble);
  return async setting => (await secondsOf(setting)) / whole;
}
