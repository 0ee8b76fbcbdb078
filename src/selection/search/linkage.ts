/** Which genes are changed together: families of sets of genes, smaller ones in larger ones. */
import type { SuperNetwork } from '../../../passes/index.ts';
import type { Genome } from './genome.ts';
import { sharedTrunks } from './trunks.ts';

export const linkages = ['graph', 'learned'] as const;

/** `graph`: what lies together in the networks; `learned`: what goes together in the population. */
export type Linkage = (typeof linkages)[number];

/** Sets of genes, each by their numbers. */
export type Family = readonly (readonly number[])[];

/**
 * What lies together: each gene; the switches of one position; of each parent's switches in the network's order every 2, 4, 8, … from the
 * first on; the switches that shared trunks take.
 */
export function graphLinkage(network: SuperNetwork): Family {
  const { switches, parents, positions } = network;
  const numbers = switches.map((_, i) => i);
  const singles = [...numbers, numbers.length].map(gene => [gene]);
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
  const sets = [...singles, ...together, ...runs, ...trunks].filter(set => set.length > 0);
  return [...new Map(sets.map(set => [set.join(), set])).values()];
}

/**
 * What goes together in a population: a tree of genes, joined two and two by the mean of their normalised mutual information (UPGMA), all
 * sets but the whole. Genes that tell nothing of each other are not joined.
 */
export function learnedLinkage(population: readonly Genome[], choices: readonly number[]): Family {
  const count = choices.length;
  const near = similarities(population, choices);
  const sets: number[][] = choices.map((_, i) => [i]);
  const family: number[][] = [...sets];
  const at = (i: number, j: number): number => near[i * count + j];
  const active = new Set(sets.keys());
  while (active.size > 2) {
    let [best, left, right] = [0, -1, -1];
    for (const i of active) {
      for (const j of active) {
        if (j <= i || at(i, j) <= best) continue;
        [best, left, right] = [at(i, j), i, j];
      }
    }
    if (left < 0) break;
    const [p, q] = [sets[left].length, sets[right].length];
    for (const k of active) {
      if (k === left || k === right) continue;
      const mean = (p * at(left, k) + q * at(right, k)) / (p + q);
      near[left * count + k] = mean;
      near[k * count + left] = mean;
    }
    sets[left] = [...sets[left], ...sets[right]];
    active.delete(right);
    family.push(sets[left]);
  }
  return family;
}

/** Mutual information of each two genes over their joint entropy, from 0 to 1. */
function similarities(population: readonly Genome[], choices: readonly number[]): Float64Array {
  const count = choices.length;
  const entropy = (values: readonly number[], size: number): number => {
    const counts = new Float64Array(size);
    for (const value of values) counts[value]++;
    return counts.reduce((sum, n) => (n === 0 ? sum : sum - (n / values.length) * Math.log(n / values.length)), 0);
  };
  const columns = choices.map((_, i) => population.map(genome => genome[i]));
  const alone = columns.map((column, i) => entropy(column, choices[i]));
  const result = new Float64Array(count * count);
  for (let i = 0; i < count; i++) {
    for (let j = i + 1; j < count; j++) {
      if (alone[i] === 0 || alone[j] === 0) continue;
      const pairs = columns[i].map((value, n) => value * choices[j] + columns[j][n]);
      const joint = entropy(pairs, choices[i] * choices[j]);
      const shared = Math.max(0, (alone[i] + alone[j] - joint) / joint);
      result[i * count + j] = shared;
      result[j * count + i] = shared;
    }
  }
  return result;
}
