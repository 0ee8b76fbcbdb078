/**
 * Federated averaging (arXiv 1602.05629): in each round every site trains the common network on its own data for some steps, and the mean of
 * what comes out, weighed by numbers of images, is the network of the next round. Nothing but weights leaves a site. The optimiser's moments
 * begin anew in each round; the learning rate goes on along one schedule.
 */
import { type Tensor, tensorFromNumbers } from '../../ir/index.ts';
import type { TrainingStep } from '../../passes/index.ts';

/** What a network learned, by the names of a step's inputs: weights, and running statistics. */
export type Weights = ReadonlyMap<string, Tensor>;

/** The mean of the sites' weights, each counted as often as it has images. */
export function averaged(sites: readonly Weights[], images: readonly number[]): Weights {
  const total = images.reduce((sum, n) => sum + n, 0);
  const mean = (name: string, { dtype, shape, data }: Tensor): Tensor => {
    const parts = sites.map(weights => weights.get(name)!.data);
    const numbers = new Float64Array(data.length);
    for (const [k, part] of parts.entries()) {
      for (let i = 0; i < numbers.length; i++) numbers[i] += (images[k] / total) * Number(part[i]);
    }
    return tensorFromNumbers(dtype, shape, numbers);
  };
  return new Map(Array.from(sites[0], ([name, value]) => [name, mean(name, value)]));
}

/** What a site's steps begin with in a round. @param done how many steps each site has done before. */
export const roundStart = ({ state, counter }: TrainingStep, common: Weights, done: number): Weights =>
  new Map([...common, ...state, [counter, tensorFromNumbers('float32', [], [done])]]);
