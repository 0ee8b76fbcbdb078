/**
 * Multi-objective gene-pool optimal mixing (MO-GOMEA: Luong, La Poutré and Bosman, GECCO 2014): each setting of a population takes sets of
 * genes from others of its cluster in the space of scores, one set after the other, and keeps what makes it no worse; an elitist archive
 * holds what nothing surpasses; a setting that nothing helped takes genes from the archive.
 *
 * All settings of a population take their next set at the same time, so that their networks can be evaluated together: donors are those of
 * the generation before, so only the archive sees the difference. Populations follow each other, each twice as large as the last, when
 * one brings the archive nothing new. What a search does follows from its seed and from scores alone: with the scores of an earlier, shorter one at
 * hand it does the same again, and goes on.
 */
import { Random } from '../../data/random.ts';
import { dominates, type Point } from '../front.ts';
import { Archive } from './archive.ts';
import { type Genome, keyOf, type SettingSpace } from './genome.ts';
import { type Family, graphLinkage, type Linkage, learnedLinkage } from './linkage.ts';

/** Points of settings, in their order; undefined from where the search is to end. */
export type Evaluate = (genomes: readonly Genome[]) => Promise<readonly (Point | undefined)[]>;

export interface EvolveOptions {
  readonly seed: number;
  readonly linkage: Linkage;
  /** Settings to begin with: the first population, and what there is room for in later ones. */
  readonly natural: readonly Genome[];
  /** How many of a point's coordinates are scores; the others are costs. */
  readonly scores: number;
}

/** Of the first population. */
const firstSize = 8;

/** When so many populations, one after the other, have asked for nothing that was not known, the search has seen what it can. */
const idlePopulations = 4;

interface Member {
  genome: Genome;
  point: Point;
  /** Generations since it was last changed for the better. */
  waiting: number;
}

interface Cluster {
  /** Of its members, as the generation began. */
  readonly genomes: readonly Genome[];
  readonly family: Family;
  /** The one score that counts here, in the clusters at the ends; undefined where all do. */
  readonly only: number | undefined;
}

/** The end of the budget. */
class Spent extends Error {}

export class Evolution {
  readonly archive = new Archive<Genome>();
  readonly #space: SettingSpace;
  readonly #ask: Evaluate;
  readonly #options: EvolveOptions;
  readonly #random: Random;
  readonly #family: Family;
  readonly #known = new Map<string, Point>();

  constructor(space: SettingSpace, ask: Evaluate, options: EvolveOptions) {
    this.#space = space;
    this.#ask = ask;
    this.#options = options;
    this.#random = Random.seeded(options.seed, 'search');
    this.#family = graphLinkage(space.network);
  }

  /** Searches until nothing is answered any more, or nothing new is to be had. */
  async run(): Promise<void> {
    try {
      for (let [size, idle] = [firstSize, 0]; idle < idlePopulations; ) {
        const known = this.#known.size;
        await this.#population(size);
        idle = this.#known.size === known ? idle + 1 : 0;
        if (idle === 0) size *= 2;
      }
    } catch (error) {
      if (!(error instanceof Spent)) throw error;
    }
  }

  async #population(size: number): Promise<void> {
    const { natural } = this.#options;
    const seeds = size === firstSize ? natural.slice(0, size) : natural.slice(size / 2, size);
    const drawn = Array.from({ length: size - seeds.length }, () => this.#space.draw(this.#random));
    const genomes = [...seeds, ...drawn];
    const points = await this.#points(genomes);
    const members = genomes.map((genome, i): Member => ({ genome, point: points[i], waiting: 0 }));
    for (let improved = true; improved; ) improved = await this.#generation(members);
  }

  /** Points of canonical genomes. They and what their runs tell of other outputs are offered to the archive. @throws Spent */
  async #points(genomes: readonly Genome[]): Promise<readonly Point[]> {
    const unknown = genomes.filter(genome => !this.#known.has(keyOf(genome)));
    const asked = [...unknown, ...unknown.flatMap(genome => this.#space.toldBy(genome))];
    const found = asked.length === 0 ? [] : await this.#ask(asked);
    for (const [i, genome] of asked.entries()) {
      const point = found[i];
      if (!point || this.#known.has(keyOf(genome))) continue;
      this.#known.set(keyOf(genome), point);
      this.archive.add(genome, point);
    }
    if (found.includes(undefined)) throw new Spent();
    return genomes.map(genome => this.#known.get(keyOf(genome))!);
  }

  /** Returns whether it brought the archive anything. */
  async #generation(members: Member[]): Promise<boolean> {
    const before = new Set(this.archive.held.map(({ item }) => item));
    const own = this.#clustersOf(members);
    const helped = await this.#mix(members, {
      sets: i => own[i].family,
      donor: i => pick(own[i].genomes, this.#random),
      accepts: (i, old, point) =>
        accepts(own[i].only, old, point) || (own[i].only === undefined && this.archive.welcomes(point)),
    });
    const patience = 1 + Math.floor(Math.log10(members.length));
    for (const [i, member] of members.entries()) member.waiting = helped[i] ? 0 : member.waiting + 1;
    await this.#force(members, own, patience);
    return this.archive.held.some(({ item }) => !before.has(item));
  }

  /** Forced improvement: what waits too long takes genes from the archive until something helps, or is what the archive has. */
  async #force(members: Member[], own: readonly Cluster[], patience: number): Promise<void> {
    const stuck = members.flatMap((member, i) => (member.waiting > patience ? [{ member, cluster: own[i] }] : []));
    if (stuck.length === 0) return;
    const elite = stuck.map(({ cluster: { only } }) => this.#elite(only));
    const helped = await this.#mix(
      stuck.map(({ member }) => member),
      {
        sets: i => stuck[i].cluster.family,
        donor: i => elite[i].item,
        accepts: (i, old, point) => {
          const { only } = stuck[i].cluster;
          return only === undefined ? dominates(point, old) : point[only] > old[only];
        },
        once: true,
      },
    );
    for (const [i, { member }] of stuck.entries()) {
      member.waiting = 0;
      if (helped[i]) continue;
      member.genome = elite[i].item;
      member.point = elite[i].point;
    }
  }

  /** One of the archive: by one score the best. */
  #elite(only: number | undefined) {
    const { held } = this.archive;
    if (only === undefined) return pick(held, this.#random);
    return held.reduce((p, q) => (q.point[only] > p.point[only] ? q : p));
  }

  /** Lets members take sets of genes from donors, all at a time. Returns which of them became better. */
  async #mix(
    members: readonly Member[],
    how: {
      readonly sets: (member: number) => Family;
      readonly donor: (member: number) => Genome;
      readonly accepts: (member: number, old: Point, point: Point) => boolean;
      /** Whether the first help is enough. */
      readonly once?: boolean;
    },
  ): Promise<readonly boolean[]> {
    const orders = members.map((_, i) => {
      const family = how.sets(i);
      return Array.from(this.#random.permutation(family.length), at => family[at]);
    });
    const helped = members.map(() => false);
    const parents = members.map(({ genome }) => genome);
    const longest = Math.max(...orders.map(order => order.length));
    for (let step = 0; step < longest; step++) {
      const tried = members.flatMap((member, i) => {
        const set = orders[i][step];
        if (!set || (how.once && helped[i])) return [];
        const donor = how.donor(i);
        const mixed = [...member.genome];
        for (const gene of set) mixed[gene] = donor[gene];
        const genome = this.#space.canonical(mixed);
        return keyOf(genome) === keyOf(member.genome) ? [] : [{ i, member, genome }];
      });
      if (tried.length === 0) continue;
      const points = await this.#points(tried.map(({ genome }) => genome));
      for (const [at, { i, member, genome }] of tried.entries()) {
        const point = points[at];
        if (!how.accepts(i, member.point, point)) continue;
        if (dominates(point, member.point) || keyOf(genome) !== keyOf(parents[i])) helped[i] = true;
        member.genome = genome;
        member.point = point;
      }
    }
    return helped;
  }

  /** Each member's cluster: of equal size about centres that lie far from each other, which may overlap. */
  #clustersOf(members: readonly Member[]): readonly Cluster[] {
    const { scores, linkage } = this.#options;
    const count = members[0].point.length + 1;
    const at = scaled(members.map(m => m.point));
    const centres = [this.#random.int(members.length)];
    while (centres.length < count) {
      const distances = at.map(p => Math.min(...centres.map(c => distance(p, at[c]))));
      centres.push(distances.indexOf(Math.max(...distances)));
    }
    const size = Math.max(2, Math.ceil((2 * members.length) / count));
    const numbers = members.map((_, i) => i);
    const groups = centres.map(centre => {
      const far = numbers.map(i => distance(at[i], at[centre]));
      return numbers.toSorted((i, j) => far[i] - far[j]).slice(0, size);
    });
    const means = groups.map(group => meanOf(group.map(i => at[i])));
    // Where a score is best on average, it alone counts.
    const ends = new Map<number, number>();
    for (let axis = 0; axis < scores; axis++) {
      const values = means.map(mean => mean[axis]);
      ends.set(values.indexOf(Math.max(...values)), axis);
    }
    const clusters = groups.map((group, i): Cluster => {
      const genomes = group.map(member => members[member].genome);
      const family = linkage === 'graph' ? this.#family : learnedLinkage(genomes, this.#space.choices);
      return { genomes, family, only: ends.get(i) };
    });
    return at.map(p => {
      const far = means.map(mean => distance(p, mean));
      return clusters[far.indexOf(Math.min(...far))];
    });
  }
}

const pick = <T>(from: readonly T[], random: Random): T => from[random.int(from.length)];

const worth = (value: number): number => (Number.isFinite(value) ? value : 0);

/** Every coordinate from 0 to 1 over the points. */
function scaled(points: readonly Point[]): readonly Point[] {
  const ranges = points[0].map((_, axis) => {
    const values = points.map(p => worth(p[axis]));
    const low = Math.min(...values);
    return { low, span: Math.max(...values) - low || 1 };
  });
  return points.map(p => p.map((v, axis) => (worth(v) - ranges[axis].low) / ranges[axis].span));
}

const distance = (p: Point, q: Point): number => Math.hypot(...p.map((v, i) => v - q[i]));

/** Whether a change is kept: no worse in all that counts. */
const accepts = (only: number | undefined, old: Point, point: Point): boolean =>
  only === undefined ? dominates(point, old) || point.every((v, i) => v === old[i]) : point[only] >= old[only];

const meanOf = (points: readonly Point[]): Point =>
  points[0].map((_, axis) => points.reduce((sum, p) => sum + p[axis], 0) / points.length);
