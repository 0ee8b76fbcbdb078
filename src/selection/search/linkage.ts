/** Which genes are taken together: families of sets of genes, smaller ones in larger ones. */
import type { SuperNetwork } from '../../../passes/index.ts';
import { sharedTrunks } from './trunks.ts';

/** Sets of genes, each by their numbers. */
export type Family = readonly (readonly number[])[];

/**
 * Several switches that lie together: those of one position; of each parent's switches in the network's order every 2, 4, 8, … from the
 * first on; those that shared trunks take.
 */
export function graphLinkage(network: SuperNetwork): Family {
  const { switches, parents, positions } = network;
  const numbers = switches.map((_, i) => i);
  const together = positions.map(({ id }) => numbers.filter(i => switches[i].position === id));
  const runs = parents.flatMap(({ tag }) => {
    const own = numbers.filter(i => switches[i].parent === tag);
    const sizes: number[] = [];
    for (let size = 2; size < own.length; size *= 2) sizes.push(size);
    return sizes.flatMap(size =>
      Array.from({ length: Math.ceil(own.length / size) }, (_, i) => own.slice(i * size, (i + 1) * size)),
    );
  });
  const trunks = sharedTrunks(network).map(({ setting }) => numbers.filter(i => switches[i].weights in setting.uses));
  const sets = [...together, ...runs, ...trunks].filter(set => set.length > 1);
  return [...new Map(sets.map(set => [set.join(), set])).values()];
}
