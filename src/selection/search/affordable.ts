/** How long a search is where nothing else is said. */
import type { LabelledData } from '../../metrics/labelled.ts';
import { flopsPerSample } from '../../network/cost.ts';
import { settleDiscrete } from '../../network/discrete.ts';
import type { TrainedNetwork } from '../../network/network.ts';
import { graphForImages } from '../../network/sizes.ts';
import { ensemble } from './cost.ts';

/** What a search may cost: some minutes of a processor of two cores. */
const mostFlops = 2e13;

/** Fewer find little, more are for those who ask. */
const [fewest, most] = [64, 1000];

/** As many evaluations as take about as long as there is patience for, each as long as the output ensemble on all images. */
export function affordable({ network, parameters }: TrainedNetwork, sets: readonly LabelledData[]): number {
  const graph = settleDiscrete(network, ensemble, parameters);
  const flops = sets.reduce((sum, { dataset }) => {
    const each = flopsPerSample(graphForImages(graph, dataset, 'the output ensemble')) ?? 0;
    return sum + each * dataset.count;
  }, 0);
  return Math.max(fewest, Math.min(most, Math.floor(mostFlops / Math.max(1, flops))));
}
