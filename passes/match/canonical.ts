import { type Dag, depths, relabelDag, topologicalOrder } from './dag.ts';
import type { MatchProblem, VertexMatching } from './problem.ts';
import type { PairScores } from './scores.ts';

/**
 * A matching problem in canonical form: vertices renumbered, and the graphs exchanged if need be, by structure alone.
 *
 * Matchings are far from unique, and every matcher has to break ties somewhere. Breaking them by vertex number would let
 * the answer depend on the order of nodes in a file, and on which network was named first. So all matchers work on the
 * canonical form, where ties may be broken by number freely, and their answers are translated back:
 *
 * - vertices are numbered by depth (hence topologically), then by a structural colour. Colours start from what the
 *   scores and the caller say of a vertex, and are refined by sweeps along the edges, forwards and backwards, until no
 *   further vertices are told apart. Vertices that remain alike are told apart one at a time (individualise and refine);
 *   as they are images of each other under an automorphism, or nearly always so, it does not matter which one goes first;
 * - of two graphs, the one with the smaller fingerprint is called A.
 */
export interface CanonicalForm {
  readonly problem: MatchProblem;
  /** Translates a matching of `problem` to the vertices of the original. */
  restore(matching: VertexMatching): VertexMatching;
}

export function canonicalForm(original: MatchProblem): CanonicalForm {
  const transposed = original.scores.transpose();
  const sideA = canonicalSide(original.a, original.scores, original.coloursA);
  const sideB = canonicalSide(original.b, transposed, original.coloursB);
  const exchange = compareLexically(sideA.fingerprint, sideB.fingerprint) > 0;
  const [first, second] = exchange ? [sideB, sideA] : [sideA, sideB];
  const scores = (exchange ? transposed : original.scores).relabel(first.order, second.order);
  return {
    problem: { a: first.dag, b: second.dag, scores },
    restore(matching) {
      const pairs = matching.pairs.map(({ a, b }) => {
        const inFirst = first.order[a];
        const inSecond = second.order[b];
        return exchange ? { a: inSecond, b: inFirst } : { a: inFirst, b: inSecond };
      });
      return { ...matching, pairs };
    },
  };
}

interface CanonicalSide {
  readonly dag: Dag;
  /** Original vertex of each canonical vertex. */
  readonly order: Int32Array;
  readonly fingerprint: readonly number[];
}

/** Sweeps after which refinement stops even if it could go on, and the work that individualisation may cost. */
const MAX_SWEEPS = 12;
const MAX_INDIVIDUALISATION_WORK = 20_000_000;

function canonicalSide(dag: Dag, scores: PairScores, colours: Int32Array | undefined): CanonicalSide {
  const depth = depths(dag);
  const sweep = topologicalOrder(dag);
  let colour = initialColours(dag, scores, colours);
  colour = refine(dag, sweep, colour);
  const order = Int32Array.from(sweep);
  const compare = (v: number, w: number): number =>
    depth[v] - depth[w] || colour.high[v] - colour.high[w] || colour.low[v] - colour.low[w];
  order.sort(compare);
  const fingerprint = [dag.size, dag.edgeCount, ...colourSums(colour)];
  let work = 0;
  for (let i = 0; i + 1 < order.length && work < MAX_INDIVIDUALISATION_WORK; i++) {
    if (compare(order[i], order[i + 1]) !== 0) continue;
    const chosen = order[i];
    colour.high[chosen] = mixBits(colour.high[chosen], 0x51ed270b);
    colour = refine(dag, sweep, colour);
    order.sort(compare);
    work += 4 * (dag.size + dag.edgeCount);
    i = -1;
  }
  const newName = new Int32Array(dag.size);
  for (let i = 0; i < order.length; i++) newName[order[i]] = i;
  return { dag: relabelDag(dag, newName), order, fingerprint };
}

/** A 64-bit colour per vertex, in two lanes that are hashed with different constants. */
interface Colours {
  readonly high: Uint32Array;
  readonly low: Uint32Array;
}

const LANES = [0x9e3779b1, 0x85ebca77] as const;

function mixBits(hash: number, value: number): number {
  let h = Math.imul(hash ^ value, 0x9e3779b1);
  h ^= h >>> 15;
  h = Math.imul(h, 0x2c1b3c6d);
  h ^= h >>> 12;
  h = Math.imul(h, 0x297a2d39);
  return (h ^ (h >>> 15)) >>> 0;
}

const doubleView = new Float64Array(1);
const wordView = new Uint32Array(doubleView.buffer);

function mixDouble(hash: number, value: number): number {
  doubleView[0] = value;
  return mixBits(mixBits(hash, wordView[0]), wordView[1]);
}

function initialColours(dag: Dag, scores: PairScores, given: Int32Array | undefined): Colours {
  const colour: Colours = { high: new Uint32Array(dag.size), low: new Uint32Array(dag.size) };
  for (let v = 0; v < dag.size; v++) {
    let high: number = LANES[0];
    let low: number = LANES[1];
    for (const value of scores.rowSignature(v)) {
      high = mixDouble(high, value);
      low = mixDouble(low, value);
    }
    colour.high[v] = mixBits(high, given?.[v] ?? 0);
    colour.low[v] = mixBits(low, given?.[v] ?? 0);
  }
  return colour;
}

/** Sweeps forwards and backwards until the number of colours no longer grows. */
function refine(dag: Dag, sweep: Int32Array, start: Colours): Colours {
  let colour = start;
  let count = countColours(colour);
  for (let round = 0; round < MAX_SWEEPS && count < dag.size; round++) {
    const refined: Colours = {
      high: sweepLane(dag, sweep, colour.high),
      low: sweepLane(dag, sweep, colour.low),
    };
    const refinedCount = countColours(refined);
    colour = refined;
    if (round > 0 && refinedCount === count) break;
    count = refinedCount;
  }
  return colour;
}

/** New colour of a vertex: its own, and the multisets of what was hashed of all its ancestors and descendants. */
function sweepLane(dag: Dag, sweep: Int32Array, lane: Uint32Array): Uint32Array {
  const up = new Uint32Array(dag.size);
  const down = new Uint32Array(dag.size);
  for (const v of sweep) {
    let sum = 0;
    for (let e = dag.predecessorStart[v]; e < dag.predecessorStart[v + 1]; e++) {
      sum = (sum + mixBits(0x1b873593, up[dag.predecessors[e]])) | 0;
    }
    up[v] = mixBits(lane[v], sum);
  }
  for (let i = sweep.length - 1; i >= 0; i--) {
    const v = sweep[i];
    let sum = 0;
    for (let e = dag.successorStart[v]; e < dag.successorStart[v + 1]; e++) {
      sum = (sum + mixBits(0x6c8e9cf5, down[dag.successors[e]])) | 0;
    }
    down[v] = mixBits(lane[v], sum);
  }
  return up.map((value, v) => mixBits(value, down[v]));
}

function countColours(colour: Colours): number {
  const keys = Float64Array.from(colour.high, (high, v) => high * 0x200000 + (colour.low[v] >>> 11)).sort();
  let count = 0;
  for (let i = 0; i < keys.length; i++) if (i === 0 || keys[i] !== keys[i - 1]) count++;
  return count;
}

/** Sums over all vertices: equal for isomorphic graphs, whatever the vertices are called. */
function colourSums(colour: Colours): number[] {
  let high = 0;
  let low = 0;
  for (let v = 0; v < colour.high.length; v++) {
    high = (high + mixBits(0x3c6ef372, colour.high[v])) >>> 0;
    low = (low + mixBits(0x3c6ef372, colour.low[v])) >>> 0;
  }
  return [high, low];
}

function compareLexically(x: readonly number[], y: readonly number[]): number {
  for (let i = 0; i < x.length; i++) if (x[i] !== y[i]) return x[i] - y[i];
  return 0;
}
