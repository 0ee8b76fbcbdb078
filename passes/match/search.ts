import type { Budget } from './budget.ts';
import type { CliqueBound } from './cliques.ts';
import { DownsetLattice, enlarged } from './downsets.ts';
import type { Poset } from './poset.ts';
import type { VertexPair } from './problem.ts';
import type { PosetPair, PosetScores, Relaxation } from './relaxation.ts';
import { Remainders } from './remainders.ts';

/** What one search through the lattice came to. */
export interface SearchOutcome {
  /** Pairs of elements that score more than the score to beat, or undefined if none were found. */
  readonly pairs: readonly VertexPair[] | undefined;
  readonly score: number;
  /** No matching scores more than this. */
  readonly bound: number;
  /** States made, a measure of the work. */
  readonly states: number;
}

/** What is known of how much a state can still get; the less of the two counts. */
export interface SearchBounds {
  readonly windows: Relaxation;
  readonly cliques?: CliqueBound;
}

export interface SearchLimits {
  /** How many states of one layer are followed; the others are given up, and count for the bound. */
  readonly width: number;
  /** How many states may be made in all. */
  readonly maxStates: number;
  readonly budget: Budget;
}

/** Gains smaller than this are rounding. */
export const TOLERANCE = 1e-9;

/**
 * Searches the pairs of downsets (I, J) of two posets, layer by layer of |I| + |J|, for the best matching.
 *
 * A matching is acyclic iff the contraction has a topological order, that is, iff both graphs can be walked from input
 * to output in step: at each moment some downset I of A and J of B has been passed, and the next move passes one element
 * of A's frontier, or one of B's, or one of each as a pair. So the optimum is the longest path through the pairs of
 * downsets. What keeps their number small:
 *
 * - a state is dropped if what it has and the bounds of what it can still get do not beat the best known;
 * - an element whose partners have all been passed is passed at once, in both graphs, until none is left;
 * - if a layer is still wider than `width`, its best states are followed. The bound that then holds is that of the best
 *   state given up, also of those that a search leaves open when it is broken off.
 */
export function searchLattice(
  pair: PosetPair,
  bounds: SearchBounds,
  toBeat: number,
  limits: SearchLimits,
): SearchOutcome {
  return new LatticeSearch(pair, bounds, toBeat, limits).run();
}

const NO_PAIR = -1;
/** What a state costs in units of a {@link Budget}, and after how many states followed the budget is asked. */
const STATE_COST = 2000;
const CHECK_INTERVAL = 256;

class LatticeSearch {
  readonly #scores: PosetScores;
  readonly #relaxation: Relaxation;
  readonly #limits: SearchLimits;
  readonly #sideA: Side;
  readonly #sideB: Side;
  readonly #remainders: Remainders | undefined;
  readonly #layers: number[][];
  #incumbent: number;
  #incumbentState = -1;
  #givenUp = -Infinity;

  // One entry per state, grown together.
  #count = 0;
  #downsetA = new Int32Array(1024);
  #downsetB = new Int32Array(1024);
  #gain = new Float64Array(1024);
  /** What the cliques' bound still allows. */
  #rest = new Float64Array(1024);
  #parent = new Int32Array(1024);
  /** The pair that led here, as `a · columns + b`, or NO_PAIR. */
  #pair = new Int32Array(1024);
  #slots = new Int32Array(4096).fill(-1);

  constructor({ a, b, table }: PosetPair, { windows, cliques }: SearchBounds, toBeat: number, limits: SearchLimits) {
    this.#scores = table;
    this.#relaxation = windows;
    this.#limits = limits;
    this.#incumbent = toBeat;
    this.#sideA = new Side(a, windows.pricesA, partnerLists(table, false));
    this.#sideB = new Side(b, windows.pricesB, partnerLists(table, true));
    this.#remainders = cliques && new Remainders(cliques, this.#sideA.lattice, this.#sideB.lattice);
    this.#layers = Array.from({ length: a.size + b.size + 1 }, () => []);
  }

  run(): SearchOutcome {
    this.#reach(0, 0, 0, -1, NO_PAIR, this.#remainders?.whole ?? Infinity);
    const { maxStates, budget } = this.#limits;
    let open = true;
    let sinceCheck = 0;
    let paidFor = 0;
    for (let depth = 0; depth < this.#layers.length; depth++) {
      const layer = open ? this.#mostPromising(this.#layers[depth]) : this.#layers[depth];
      this.#layers[depth] = [];
      for (const state of layer) {
        if (!open) {
          this.#givenUp = Math.max(this.#givenUp, this.#potential(state));
          continue;
        }
        this.#expand(state);
        if (this.#count > maxStates) open = false;
        if (++sinceCheck < CHECK_INTERVAL) continue;
        sinceCheck = 0;
        if (!budget.spend((this.#count - paidFor) * STATE_COST)) open = false;
        paidFor = this.#count;
      }
    }
    budget.spend((this.#count - paidFor) * STATE_COST);
    return {
      pairs: this.#incumbentState < 0 ? undefined : this.#trace(this.#incumbentState),
      score: this.#incumbent,
      bound: Math.max(this.#incumbent, this.#givenUp),
      states: this.#count,
    };
  }

  #expand(state: number): void {
    const inA = this.#downsetA[state];
    const inB = this.#downsetB[state];
    const gain = this.#gain[state];
    const sideA = this.#sideA;
    const sideB = this.#sideB;
    const { columns, values } = this.#scores;
    const { table } = this.#relaxation;
    const startA = sideA.lattice.frontierStart[inA];
    const endA = sideA.lattice.frontierStart[inA + 1];
    const startB = sideB.lattice.frontierStart[inB];
    const endB = sideB.lattice.frontierStart[inB + 1];
    // The bound of a next state is computed before the state: most are not worth making.
    const here = sideA.lattice.sizes[inA] * (columns + 1) + sideB.lattice.sizes[inB];
    const refund = sideA.refunds[inA] + sideB.refunds[inB];
    const needed = this.#incumbent + TOLERANCE - gain - refund;
    const needPair = needed - table[here + columns + 2];
    const needSkipA = needed - table[here + columns + 1];
    const needSkipB = needed - table[here + 1];
    const remainders = this.#remainders;
    const lossesA = sideA.losses;
    const lossesB = sideB.losses;
    if (remainders !== undefined) {
      for (let i = startA; i < endA; i++) lossesA[i - startA] = remainders.lossOfA(sideA.lattice.frontier[i], inB);
      for (let j = startB; j < endB; j++) lossesB[j - startB] = remainders.lossOfB(sideB.lattice.frontier[j], inA);
    }
    const rest = this.#rest[state];
    const needRest = this.#incumbent + TOLERANCE - gain;
    for (let i = startA; i < endA; i++) {
      const a = sideA.lattice.frontier[i];
      for (let j = startB; j < endB; j++) {
        const b = sideB.lattice.frontier[j];
        const score = values[a * columns + b];
        if (score <= 0 || score - sideA.prices[a] - sideB.prices[b] <= needPair) continue;
        const left = rest - lossesA[i - startA] - lossesB[j - startB] + (remainders?.shared(a, b) ?? 0);
        if (score + left <= needRest) continue;
        const pair = a * columns + b;
        this.#reach(sideA.extend(inA, i), sideB.extend(inB, j), gain + score, state, pair, left);
      }
    }
    for (let i = startA; i < endA; i++) {
      const left = rest - lossesA[i - startA];
      if (-sideA.prices[sideA.lattice.frontier[i]] <= needSkipA || left <= needRest) continue;
      this.#reach(sideA.extend(inA, i), inB, gain, state, NO_PAIR, left);
    }
    for (let j = startB; j < endB; j++) {
      const left = rest - lossesB[j - startB];
      if (-sideB.prices[sideB.lattice.frontier[j]] <= needSkipB || left <= needRest) continue;
      this.#reach(inA, sideB.extend(inB, j), gain, state, NO_PAIR, left);
    }
  }

  /**
   * Records that the downsets (fromA, fromB) can be reached with `gain`, unless that is of no use. `rest` is what the
   * cliques' bound allows from there on.
   */
  #reach(fromA: number, fromB: number, gain: number, parent: number, pair: number, rest: number): void {
    const sideA = this.#sideA;
    const sideB = this.#sideB;
    let inA = fromA;
    let inB = fromB;
    for (;;) {
      const passedA = sideA.passHopeless(inA, sideB.lattice, inB);
      const passedB = sideB.passHopeless(inB, sideA.lattice, passedA);
      if (passedA === inA && passedB === inB) break;
      inA = passedA;
      inB = passedB;
    }
    if (this.#windowPotential(inA, inB, gain) <= this.#incumbent + TOLERANCE) return;

    const slot = this.#slotOf(inA, inB);
    let state = this.#slots[slot];
    if (state >= 0) {
      if (gain <= this.#gain[state]) return;
    } else {
      const left = this.#restAfter(fromA, fromB, inA, inB, rest);
      if (gain + left <= this.#incumbent + TOLERANCE) return;
      state = this.#count++;
      if (state === this.#gain.length) this.#grow();
      this.#slots[slot] = state;
      this.#downsetA[state] = inA;
      this.#downsetB[state] = inB;
      this.#rest[state] = left;
      this.#layers[sideA.lattice.sizes[inA] + sideB.lattice.sizes[inB]].push(state);
      if (2 * this.#count > this.#slots.length) this.#rehash();
    }
    this.#gain[state] = gain;
    this.#parent[state] = parent;
    this.#pair[state] = pair;
    if (gain > this.#incumbent + TOLERANCE) {
      this.#incumbent = gain;
      this.#incumbentState = state;
    }
  }

  /** What `rest`, the remainder at (fromA, fromB), is at the larger downsets (inA, inB). */
  #restAfter(fromA: number, fromB: number, inA: number, inB: number, rest: number): number {
    const remainders = this.#remainders;
    if (remainders === undefined) return rest;
    let left = rest;
    if (inA !== fromA) {
      this.#sideA.lattice.between(fromA, inA, a => {
        left -= remainders.lossOfA(a, fromB);
      });
    }
    if (inB !== fromB) {
      this.#sideB.lattice.between(fromB, inB, b => {
        left -= remainders.lossOfB(b, inA);
      });
    }
    return left;
  }

  /** What the best matching through a state can score at most. */
  #potential(state: number): number {
    const gain = this.#gain[state];
    const byWindows = this.#windowPotential(this.#downsetA[state], this.#downsetB[state], gain);
    return Math.min(byWindows, gain + this.#rest[state]);
  }

  #windowPotential(inA: number, inB: number, gain: number): number {
    const k = this.#sideA.lattice.sizes[inA];
    const l = this.#sideB.lattice.sizes[inB];
    const rest = this.#relaxation.table[k * (this.#scores.columns + 1) + l];
    return gain + rest + this.#sideA.refunds[inA] + this.#sideB.refunds[inB];
  }

  /** The states of a layer that are followed, in the order in which they were made. */
  #mostPromising(layer: readonly number[]): readonly number[] {
    const { width } = this.#limits;
    const potentials = Float64Array.from(layer, state => this.#potential(state));
    const ranked = potentials.filter(potential => potential > this.#incumbent + TOLERANCE).sort();
    if (ranked.length <= width) return layer.filter((_, i) => potentials[i] > this.#incumbent + TOLERANCE);
    const firstGivenUp = ranked[ranked.length - width - 1];
    this.#givenUp = Math.max(this.#givenUp, firstGivenUp);
    // Of states that tie with the first one given up, as many follow as there is room for, the earliest.
    let room = width - ranked.length + upperBound(ranked, firstGivenUp);
    return layer.filter((_, i) => potentials[i] > firstGivenUp || (potentials[i] === firstGivenUp && room-- > 0));
  }

  #trace(end: number): VertexPair[] {
    const pairs: VertexPair[] = [];
    for (let state = end; state >= 0; state = this.#parent[state]) {
      const pair = this.#pair[state];
      if (pair === NO_PAIR) continue;
      const i = Math.floor(pair / this.#scores.columns);
      pairs.push({ a: i, b: pair - i * this.#scores.columns });
    }
    return pairs.reverse();
  }

  #slotOf(inA: number, inB: number): number {
    const mask = this.#slots.length - 1;
    let hash = Math.imul(inA, 0x9e3779b1) ^ Math.imul(inB, 0x85ebca77);
    hash ^= hash >>> 15;
    for (let slot = Math.imul(hash, 0x2c1b3c6d) & mask; ; slot = (slot + 1) & mask) {
      const state = this.#slots[slot];
      if (state < 0 || (this.#downsetA[state] === inA && this.#downsetB[state] === inB)) return slot;
    }
  }

  #rehash(): void {
    this.#slots = new Int32Array(this.#slots.length * 2).fill(-1);
    for (let state = 0; state < this.#count; state++) {
      this.#slots[this.#slotOf(this.#downsetA[state], this.#downsetB[state])] = state;
    }
  }

  #grow(): void {
    this.#downsetA = enlarged(this.#downsetA);
    this.#downsetB = enlarged(this.#downsetB);
    this.#parent = enlarged(this.#parent);
    this.#pair = enlarged(this.#pair);
    this.#gain = enlargedFloats(this.#gain);
    this.#rest = enlargedFloats(this.#rest);
  }
}

function enlargedFloats(array: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(2 * array.length);
  larger.set(array);
  return larger;
}

/** How many of the ascending numbers are at most `limit`. */
function upperBound(ascending: Float64Array, limit: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ascending[middle] <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** One graph's downsets, and what the search needs to know of each. */
class Side {
  readonly lattice: DownsetLattice;
  readonly prices: Float64Array;
  /** Sum of the prices of the elements outside each downset. */
  refunds = new Float64Array(64);
  /** Room for one number per element of a frontier. */
  readonly losses: Float64Array;
  readonly #partners: readonly Int32Array[];

  constructor(poset: Poset, prices: Float64Array, partners: readonly Int32Array[]) {
    this.lattice = new DownsetLattice(poset);
    this.prices = prices;
    this.#partners = partners;
    this.losses = new Float64Array(poset.size);
    this.refunds[0] = prices.reduce((sum, price) => sum + price, 0);
  }

  extend(downset: number, place: number): number {
    const { lattice } = this;
    const before = lattice.count;
    const next = lattice.extend(downset, place);
    if (lattice.count > before) {
      if (next >= this.refunds.length) {
        this.refunds = enlargedFloats(this.refunds);
      }
      this.refunds[next] = this.refunds[downset] - this.prices[lattice.frontier[place]];
    }
    return next;
  }

  /** The downset with all frontier elements added, again and again, whose partners the other graph has all passed. */
  passHopeless(downset: number, other: DownsetLattice, passed: number): number {
    const { lattice } = this;
    let current = downset;
    for (let place = lattice.frontierStart[current]; place < lattice.frontierStart[current + 1]; place++) {
      const partners = this.#partners[lattice.frontier[place]];
      let hopeless = true;
      // Late partners are the ones most likely left.
      for (let p = partners.length - 1; p >= 0 && hopeless; p--) hopeless = other.has(passed, partners[p]);
      if (!hopeless) continue;
      current = this.extend(current, place);
      place = lattice.frontierStart[current] - 1;
    }
    return current;
  }
}

/** Allowed partners of every row (or column) of the table, ascending. */
function partnerLists({ rows, columns, values }: PosetScores, ofColumns: boolean): Int32Array[] {
  const lists: number[][] = Array.from({ length: ofColumns ? columns : rows }, () => []);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      if (values[i * columns + j] === -Infinity) continue;
      if (ofColumns) lists[j].push(i);
      else lists[i].push(j);
    }
  }
  return lists.map(list => Int32Array.from(list));
}
