import { type Dag, topologicalOrder } from './dag.ts';

/**
 * The partial order that a graph's reachability puts on some of its vertices, numbered `0 .. size - 1`.
 *
 * Whether a contraction is acyclic depends on nothing else of a graph: a cycle runs through matched vertices and paths
 * between them. So the exact matcher forgets edges and all vertices without a possible partner.
 */
export interface Poset {
  readonly size: number;
  /** Vertex of the graph that each element is; ascending. */
  readonly vertex: Int32Array;
  /** The elements that cover each element (the transitive reduction), ascending, in compressed sparse rows. */
  readonly coverStart: Int32Array;
  readonly covers: Int32Array;
  /** How many elements lie strictly below and strictly above each element. */
  readonly countBelow: Int32Array;
  readonly countAbove: Int32Array;
  /** For each element the elements strictly below it: a bit set of `words` 32-bit words. */
  readonly below: Uint32Array;
  readonly words: number;
}

/** How many elements lie below and above each element: all that windows are made of, and much less work than the order. */
export type OrderCounts = Pick<Poset, 'size' | 'vertex' | 'countBelow' | 'countAbove'>;

/** Counts below and above those vertices of `dag` for which `keep` says so. */
export function orderCounts(dag: Dag, keep: (vertex: number) => boolean): OrderCounts {
  const { size, vertex, below, words } = reachability(dag, keep);
  const countBelow = new Int32Array(size);
  const countAbove = new Int32Array(size);
  for (let i = 0; i < size; i++) {
    for (let w = 0; w < words; w++) {
      for (let word = below[i * words + w]; word !== 0; word &= word - 1) {
        countBelow[i]++;
        countAbove[32 * w + 31 - Math.clz32(word & -word)]++;
      }
    }
  }
  return { size, vertex, countBelow, countAbove };
}

/** Builds the order on those vertices of `dag` for which `keep` says so. */
export function posetOf(dag: Dag, keep: (vertex: number) => boolean): Poset {
  const { size, vertex, below, words } = reachability(dag, keep);
  const countBelow = new Int32Array(size);
  const countAbove = new Int32Array(size);
  const coveredBy: number[][] = Array.from({ length: size }, () => []);
  const indirect = new Uint32Array(words);
  for (let i = 0; i < size; i++) {
    indirect.fill(0);
    for (const j of elementsOf(below, i * words, words)) {
      countBelow[i]++;
      countAbove[j]++;
      for (let w = 0; w < words; w++) indirect[w] |= below[j * words + w];
    }
    for (const j of elementsOf(below, i * words, words)) {
      if ((indirect[j >> 5] & (1 << (j & 31))) === 0) coveredBy[j].push(i);
    }
  }
  const coverStart = new Int32Array(size + 1);
  for (let i = 0; i < size; i++) coverStart[i + 1] = coverStart[i] + coveredBy[i].length;
  return {
    size,
    vertex,
    coverStart,
    covers: Int32Array.from(coveredBy.flat()),
    countBelow,
    countAbove,
    below,
    words,
  };
}

/** What lies strictly below every element. */
function reachability(dag: Dag, keep: (vertex: number) => boolean): Pick<Poset, 'size' | 'vertex' | 'below' | 'words'> {
  const vertex = Int32Array.from({ length: dag.size }, (_, v) => v).filter(keep);
  const size = vertex.length;
  const words = Math.max(1, (size + 31) >> 5);
  const element = new Int32Array(dag.size).fill(-1);
  for (let i = 0; i < size; i++) element[vertex[i]] = i;

  const ancestors = new Uint32Array(dag.size * words);
  for (const v of topologicalOrder(dag)) {
    for (let e = dag.predecessorStart[v]; e < dag.predecessorStart[v + 1]; e++) {
      const u = dag.predecessors[e];
      for (let w = 0; w < words; w++) ancestors[v * words + w] |= ancestors[u * words + w];
      const i = element[u];
      if (i >= 0) ancestors[v * words + (i >> 5)] |= 1 << (i & 31);
    }
  }
  const below = new Uint32Array(size * words);
  for (let i = 0; i < size; i++) {
    below.set(ancestors.subarray(vertex[i] * words, (vertex[i] + 1) * words), i * words);
  }
  return { size, vertex, below, words };
}

/** The members of the bit set that starts at `offset`, ascending. */
export function elementsOf(bits: Uint32Array, offset: number, words: number): number[] {
  const members: number[] = [];
  for (let w = 0; w < words; w++) {
    let word = bits[offset + w];
    while (word !== 0) {
      const lowest = word & -word;
      members.push(32 * w + 31 - Math.clz32(lowest));
      word ^= lowest;
    }
  }
  return members;
}
