/** What settings cost, relative to the plain output ensemble. */
import type { Graph } from '../../../ir/index.ts';
import type { Dataset } from '../../data/dataset.ts';
import { flopsPerSample } from '../../network/cost.ts';
import type { TrainedNetwork } from '../../network/network.ts';
import { graphForImages } from '../../network/sizes.ts';
import { type DiscreteSetting, settleDiscrete } from './discrete.ts';

export const ensemble: DiscreteSetting = { uses: {}, output: 'mean' };

/** The cost of a setting: 1 is that of the plain output ensemble. */
export type CostOf = (setting: DiscreteSetting) => number;

/**
 * Costs as the operations of the settled graph, dead branches gone and stitches merged where that costs nothing, on one image of the data.
 * What a gate takes is not counted: see `flopsPerSample`.
 */
export function costsOf({ network, parameters }: TrainedNetwork, dataset: Dataset): CostOf {
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
