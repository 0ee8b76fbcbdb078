import fc from 'fast-check';
import { createDag, type Dag, type Edge, relabelDag } from '../../../passes/match/dag.ts';
import type { MatchProblem } from '../../../passes/match/problem.ts';
import { positionalProgress } from '../../../passes/match/progress.ts';
import { matrixScores, progressScores, type ScoredSide } from '../../../passes/match/scores.ts';

/**
 * A random network: vertex 0 is the input and the last one the output, every vertex lies on a path between them. Layers
 * read one to three earlier ones, mostly recent ones, so that chains, skips and branches all occur; classes ("resolutions")
 * mostly grow along the way.
 */
export interface Network {
  readonly dag: Dag;
  readonly side: ScoredSide;
}

export interface NetworkOptions {
  readonly maxLayers: number;
  readonly chain?: boolean;
}

export function networks({ maxLayers, chain = false }: NetworkOptions): fc.Arbitrary<Network> {
  const layer = fc.record({
    inputs: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 3 }),
    kind: fc.integer({ min: 0, max: 2 }),
  });
  return fc.array(layer, { minLength: 1, maxLength: maxLayers }).map(layers => {
    const output = layers.length + 1;
    const edges: Edge[] = [];
    layers.forEach(({ inputs }, i) => {
      const own = i + 1;
      for (const back of chain ? [1] : inputs) edges.push([Math.max(0, own - back), own]);
    });
    for (let v = 0; v < output; v++) if (!edges.some(([from]) => from === v)) edges.push([v, output]);
    const dag = createDag(output + 1, edges);
    const classes = Int32Array.from([-1, ...layers.map(({ kind }) => kind), -1]);
    return { dag, side: { classes, progress: positionalProgress(dag, [0], [output]) } };
  });
}

/** Two networks, scored by structure. Many pairs score the same. */
export function structuredProblems(options: NetworkOptions): fc.Arbitrary<MatchProblem> {
  return fc
    .tuple(networks(options), networks(options))
    .map(([a, b]) => ({ a: a.dag, b: b.dag, scores: progressScores(a.side, b.side) }));
}

/** Two networks of which pairs of equal class have random scores, all different. */
export function distinctProblems(options: NetworkOptions): fc.Arbitrary<MatchProblem> {
  return fc.tuple(networks(options), networks(options), fc.integer()).map(([a, b, seed]) => {
    const random = mulberry(seed);
    const values: number[] = [];
    for (const kindA of a.side.classes) {
      for (const kindB of b.side.classes) values.push(kindA >= 0 && kindA === kindB ? 0.5 + random() / 2 : Number.NaN);
    }
    return { a: a.dag, b: b.dag, scores: matrixScores(a.dag.size, b.dag.size, Float64Array.from(values)) };
  });
}

export function transposed(problem: MatchProblem): MatchProblem {
  return { a: problem.b, b: problem.a, scores: problem.scores.transpose() };
}

/** The same problem with vertex `v` of A called `namesA[v]`, and so for B. */
export function renamed(problem: MatchProblem, namesA: Int32Array, namesB: Int32Array): MatchProblem {
  return {
    a: relabelDag(problem.a, namesA),
    b: relabelDag(problem.b, namesB),
    scores: problem.scores.relabel(inverse(namesA), inverse(namesB)),
  };
}

function inverse(names: Int32Array): Int32Array {
  const old = new Int32Array(names.length);
  names.forEach((name, v) => {
    old[name] = v;
  });
  return old;
}

/** A random permutation of `0 .. length - 1`. */
export function permutation(length: number, seed: number): Int32Array {
  const random = mulberry(seed);
  const names = Int32Array.from({ length }, (_, v) => v);
  for (let i = length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [names[i], names[j]] = [names[j], names[i]];
  }
  return names;
}

export function mulberry(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Largest total score of an alignment of rows and columns in the order given: the recursion, written down. */
export function bestAlignment(scores: (row: number, column: number) => number, rows: number, columns: number): number {
  const best = Array.from({ length: rows + 1 }, () => new Float64Array(columns + 1));
  for (let i = 1; i <= rows; i++) {
    for (let j = 1; j <= columns; j++) {
      best[i][j] = Math.max(best[i - 1][j], best[i][j - 1], best[i - 1][j - 1] + scores(i - 1, j - 1));
    }
  }
  return best[rows][columns];
}

/** Largest total score of any matching with an acyclic contraction, by trying every set of pairs. Small problems only. */
export function exhaustiveOptimum({ a, b, scores }: MatchProblem): number {
  const size = a.size + b.size;
  const edges: [number, number][] = [];
  for (const [dag, offset] of [
    [a, 0],
    [b, a.size],
  ] as const) {
    for (let v = 0; v < dag.size; v++) {
      for (const w of dag.successors.subarray(dag.successorStart[v], dag.successorStart[v + 1])) {
        edges.push([v + offset, w + offset]);
      }
    }
  }
  const merged = Int32Array.from({ length: size }, (_, v) => v);
  const usedB = new Set<number>();

  /** Repeatedly drops vertices that nothing points to; a cycle never drops out. */
  const isAcyclic = (): boolean => {
    let rest = edges.map(([from, to]) => [merged[from], merged[to]]);
    for (;;) {
      const targets = new Set(rest.map(([, to]) => to));
      const left = rest.filter(([from]) => targets.has(from));
      if (left.length === rest.length) return left.length === 0;
      rest = left;
    }
  };

  const from = (v: number): number => {
    if (v === a.size) return 0;
    let best = from(v + 1);
    for (let w = 0; w < b.size; w++) {
      const score = scores.at(v, w);
      if (score === -Infinity || usedB.has(w)) continue;
      merged[a.size + w] = v;
      usedB.add(w);
      // Pairs added later only add cycles, so a cycle ends this branch.
      if (isAcyclic()) best = Math.max(best, score + from(v + 1));
      usedB.delete(w);
      merged[a.size + w] = a.size + w;
    }
    return best;
  };
  return from(0);
}
