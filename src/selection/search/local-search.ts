/**
 * The search as a local one about what is best so far. Each new setting is a change of one from the archive of those that nothing found
 * surpasses: it takes a set of genes that lie together in the networks from a second one (as gene-pool optimal mixing does with the linkage
 * of a graph), and then a few switches are drawn anew. Both are the archive's best along a random direction, by the scalarisation whose
 * mean over directions is the hypervolume (Zhang and Golovin, "Random Hypervolume Scalarizations for Provable Multi-Objective Black Box
 * Optimization", ICML 2020). How many switches are drawn anew follows a power law (Doerr, Le, Makhmara and Nguyen, "Fast Genetic
 * Algorithms", GECCO 2017), so that mostly one is, and sometimes many are. A share of the settings are changes of the parents as they were
 * in place of the archive's, or those that one would try.
 *
 * A run of the switches tells all outputs, so what is searched are the switches: each parent's output is tried with those that it reads.
 * What a search does follows from its seed and from scores alone: with the scores of an earlier, shorter one at hand it does the same
 * again, and goes on.
 */
import { Random } from '../../data/random.ts';
import type { Point } from '../front.ts';
import { Archive } from './archive.ts';
import { type Genome, keyOf, type SettingSpace } from './genome.ts';
import { type Family, graphLinkage } from './linkage.ts';

/** Points of settings, in their order; undefined from where the search is to end. */
export type Evaluate = (genomes: readonly Genome[]) => Promise<readonly (Point | undefined)[]>;

export interface LocalSearchOptions {
  readonly seed: number;
  /** Settings to begin with. */
  readonly begin?: readonly Genome[];
  /** Settings that one would try, the first ones first. */
  readonly natural: readonly Genome[];
}

/** Settings that are chosen by the same archive, to be evaluated together. */
const together = 8;

/** Of the settings those that are not near the archive: all of the first ones, until there is an archive to speak of. */
const anew = 0.2;

/** Of these those that one would try; the others are drawn. */
const tried = 0.25;

/** Of the changed settings those that take genes from a second one. */
const mixed = 0.8;

/** When so many settings, one after the other, were known already, the search has seen what it can. */
const patience = 5000;

/** What a setting may cost and still be of worth, as a factor of what the output ensemble does. */
const dearest = 1.1;

export class LocalSearch {
  readonly archive = new Archive<Genome>();
  readonly #space: SettingSpace;
  readonly #ask: Evaluate;
  readonly #begin: readonly Genome[];
  readonly #natural: Iterator<Genome, undefined>;
  readonly #random: Random;
  readonly #family: Family;
  /** What runs of the switches told, by the keys of genomes. */
  readonly #known = new Map<string, Point>();
  /** What bounds the hypervolume: the worse parent's scores, and a cost beyond the ensemble's. */
  #reference: Point = [];

  constructor(space: SettingSpace, ask: Evaluate, { seed, begin = [], natural }: LocalSearchOptions) {
    this.#space = space;
    this.#ask = ask;
    this.#begin = begin;
    this.#natural = natural.values();
    this.#random = Random.seeded(seed, 'search');
    this.#family = graphLinkage(space.network);
  }

  /** Searches until something is not answered any more, or nothing new is to be had. */
  async run(): Promise<void> {
    const unstitched = this.#space.joint(unchanged(this.#space));
    if (!(await this.#evaluate([unstitched, ...this.#begin.map(genome => this.#space.joint(genome))]))) return;
    this.#reference = this.#referenceBy(this.#space.toldBy(unstitched).map(genome => this.#known.get(keyOf(genome))!));
    for (let size = together - 1; ; size = together) {
      const genomes = this.#next(size, size < together ? 1 : anew);
      if (genomes.length === 0 || !(await this.#evaluate(genomes))) return;
    }
  }

  /** Evaluates runs of the switches. Returns whether all were answered. */
  async #evaluate(runs: readonly Genome[]): Promise<boolean> {
    // A run comes before what it tells, so that nothing else is run for that.
    const asked = runs.flatMap(genome => [genome, ...this.#space.toldBy(genome)]);
    const points = await this.#ask(asked);
    for (const [i, genome] of asked.entries()) {
      const point = points[i];
      if (!point) continue;
      this.#known.set(keyOf(genome), point);
      this.archive.add(genome, point);
    }
    return !points.includes(undefined);
  }

  /** By what is known of the unstitched network with each output: each parent's come first, then the ensemble. */
  #referenceBy(points: readonly Point[]): Point {
    const { length } = this.#space.network.parents;
    const cost = points[0].length - 1;
    return points[length].map((v, axis) => {
      if (axis === cost) return dearest * v;
      return Math.min(...points.slice(0, length).flatMap(point => (Number.isFinite(point[axis]) ? point[axis] : [])));
    });
  }

  /** Settings that were not evaluated yet, at most `size`, of which a share is not near the archive. */
  #next(size: number, share: number): readonly Genome[] {
    const found = new Map<string, Genome>();
    for (let failed = 0; found.size < size && failed < patience; failed++) {
      const near = this.archive.held.length > 0 && this.#random.float() >= share;
      const genome = this.#space.joint(near ? this.#near() : this.#anew());
      const key = keyOf(genome);
      if (this.#known.has(key) || found.has(key)) continue;
      found.set(key, genome);
      failed = 0;
    }
    return [...found.values()];
  }

  #anew(): Genome {
    const next = this.#random.float() < tried ? this.#natural.next().value : undefined;
    return next ?? redrawn(this.#space, unchanged(this.#space), this.#random);
  }

  #near(): Genome {
    const genome = [...this.#best()];
    if (this.#family.length > 0 && this.#random.float() < mixed) {
      const donor = this.#best();
      for (const gene of this.#family[this.#random.int(this.#family.length)]) genome[gene] = donor[gene];
    }
    return redrawn(this.#space, genome, this.#random);
  }

  /** The archive's best along a random direction from the reference. */
  #best(): Genome {
    const { held } = this.archive;
    const widths = this.#reference.map((low, axis) => {
      const most = Math.max(...held.map(({ point }) => point[axis]).filter(Number.isFinite));
      return Math.abs(this.#random.normal()) * (most - low || 1);
    });
    const worthOf = (point: Point): number => {
      const least = Math.min(...point.map((v, axis) => (v - this.#reference[axis]) / widths[axis]));
      return Number.isNaN(least) ? Number.NEGATIVE_INFINITY : least;
    };
    const worths = held.map(({ point }) => worthOf(point));
    return held[worths.indexOf(Math.max(...worths))].item;
  }
}

/** The genome of the parents as they were. */
const unchanged = ({ choices }: SettingSpace): Genome => choices.map(() => 0);

/** The power of how many switches are drawn anew. */
const tail = 1.5;

/**
 * A genome some of whose switches have other uses, drawn: any of them, any uses. There are k of them with a probability of k^-1.5 over the
 * sum of these.
 */
export function redrawn({ choices }: SettingSpace, genome: Genome, random: Random): Genome {
  const count = choices.length - 1;
  const powers = Array.from({ length: count }, (_, i) => (i + 1) ** -tail);
  let left = random.float() * powers.reduce((sum, p) => sum + p, 0);
  let switches = 0;
  while (switches < count && left >= 0) left -= powers[switches++];
  const found = [...genome];
  for (const gene of random.permutation(count).subarray(0, switches)) {
    if (choices[gene] > 1) found[gene] = (genome[gene] + 1 + random.int(choices[gene] - 1)) % choices[gene];
  }
  return found;
}
