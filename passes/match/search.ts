import type { VertexPair } from './contraction.ts';
import { DownsetLattice } from './downsets.ts';
import type { Poset } from './poset.ts';
import type { PosetScores, Relaxation } from './relaxation.ts';

/** What one search through the lattice came to. */
export interface SearchOutcome {
  /** Pairs of elements that score more than the score to beat, or undefined if none were found. */
  readonly pairs: readonly VertexPair[] | undefined;
  readonly score: number;
  /** No matching scores more than this. Infinity if the search was broken off. */
  readonly bound: number;
  /** States made, a measure of the work. */
  readonly states: number;
}

export interface SearchLimits {
  /** How many states of one layer are followed; the others are given up, and count for the bound. */
  readonly width: number;
  /** How many states may be made in all. */
  readonly maxStates: number;
  readonly expired: () => boolean;
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
 * - a state is dropped if what it has and the relaxation's bound of what it can still get do not beat the best known;
 * - an element whose partners have all been passed is passed at once, in both graphs, until none is left;
 * - if a layer is still wider than `width`, its best states are followed. The bound that then holds is that of the best
 *   state given up.
 */
export function searchLattice(
  a: Poset,
  b: Poset,
  scores: PosetScores,
  relaxation: Relaxation,
  toBeat: number,
  limits: SearchLimits,
): SearchOutcome {
  return new LatticeSearch(a, b, scores, relaxation, toBeat, limits).run();
}

const NO_PAIR = -1;
const TIME_CHECK_INTERVAL = 1024;

class LatticeSearch {
  readonly #scores: PosetScores;
  readonly #relaxation: Relaxation;
  readonly #limits: SearchLimits;
  readonly #sideA: Side;
  readonly #sideB: Side;
  readonly #layers: number[][];
  #incumbent: number;
  #incumbentState = -1;
  #givenUp = -Infinity;

  // One entry per state, grown together.
  #count = 0;
  #downsetA = new Int32Array(1024);
  #downsetB = new Int32Array(1024);
  #gain = new Float64Array(1024);
  #parent = new Int32Array(1024);
  /** The pair that led here, as `a · columns + b`, or NO_PAIR. */
  #pair = new Int32Array(1024);
  #slots = new Int32Array(4096).fill(-1);

  constructor(a: Poset, b: Poset, scores: PosetScores, relaxation: Relaxation, toBeat: number, limits: SearchLimits) {
    this.#scores = scores;
    this.#relaxation = relaxation;
    this.#limits = limits;
    this.#incumbent = toBeat;
    this.#sideA = new Side(a, relaxation.pricesA, partnerLists(scores, false));
    this.#sideB = new Side(b, relaxation.pricesB, partnerLists(scores, true));
    this.#layers = Array.from({ length: a.size + b.size + 1 }, () => []);
  }

  run(): SearchOutcome {
    this.#reach(0, 0, 0, -1, NO_PAIR);
    let complete = true;
    let sinceCheck = 0;
    for (let depth = 0; depth < this.#layers.length && complete; depth++) {
      const layer = this.#mostPromising(this.#layers[depth]);
      this.#layers[depth] = [];
      for (const state of layer) {
        this.#expand(state);
        if (this.#count > this.#limits.maxStates) complete = false;
        if (++sinceCheck >= TIME_CHECK_INTERVAL) {
          sinceCheck = 0;
          if (this.#limits.expired()) complete = false;
        }
        if (!complete) break;
      }
    }
    return {
      pairs: this.#incumbentState < 0 ? undefined : this.#trace(this.#incumbentState),
      score: this.#incumbent,
      bound: complete ? Math.max(this.#incumbent, this.#givenUp) : Infinity,
      states: this.#count,
    };
  }

  #expand(state: number): void {
    const inA = this.#downsetA[state];
    const inB = this.#downsetB[state];
    const gain = this.#gain[state];
    const latticeA = this.#sideA.lattice;
    const latticeB = this.#sideB.lattice;
    const frontierA = latticeA.frontiers[inA];
    const frontierB = latticeB.frontiers[inB];
    const { columns, values } = this.#scores;
    for (let i = 0; i < frontierA.length; i++) {
      const nextA = latticeA.extend(inA, i);
      for (let j = 0; j < frontierB.length; j++) {
        const pair = frontierA[i] * columns + frontierB[j];
        const score = values[pair];
        if (score > 0) this.#reach(nextA, latticeB.extend(inB, j), gain + score, state, pair);
      }
    }
    for (let i = 0; i < frontierA.length; i++) this.#reach(latticeA.extend(inA, i), inB, gain, state, NO_PAIR);
    for (let j = 0; j < frontierB.length; j++) this.#reach(inA, latticeB.extend(inB, j), gain, state, NO_PAIR);
  }

  /** Records that (inA, inB) can be reached with `gain`, unless that is of no use. */
  #reach(inA: number, inB: number, gain: number, parent: number, pair: number): void {
    if (this.#potential(inA, inB, gain) <= this.#incumbent + TOLERANCE) return;
    for (;;) {
      const passedA = this.#sideA.passHopeless(inA, this.#sideB.lattice, inB);
      const passedB = this.#sideB.passHopeless(inB, this.#sideA.lattice, passedA);
      if (passedA === inA && passedB === inB) break;
      inA = passedA;
      inB = passedB;
    }
    if (this.#potential(inA, inB, gain) <= this.#incumbent + TOLERANCE) return;

    const slot = this.#slotOf(inA, inB);
    let state = this.#slots[slot];
    if (state >= 0) {
      if (gain <= this.#gain[state]) return;
    } else {
      state = this.#count++;
      if (state === this.#gain.length) this.#grow();
      this.#slots[slot] = state;
      this.#downsetA[state] = inA;
      this.#downsetB[state] = inB;
      this.#layers[this.#sideA.lattice.sizes[inA] + this.#sideB.lattice.sizes[inB]].push(state);
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

  /** What the best matching through this state can score at most. */
  #potential(inA: number, inB: number, gain: number): number {
    const k = this.#sideA.lattice.sizes[inA];
    const l = this.#sideB.lattice.sizes[inB];
    const rest = this.#relaxation.table[k * (this.#scores.columns + 1) + l];
    return gain + rest + this.#sideA.refund(inA) + this.#sideB.refund(inB);
  }

  /** The states of a layer that are followed, in the order in which they were made. */
  #mostPromising(layer: number[]): number[] {
    const potential = (state: number): number =>
      this.#potential(this.#downsetA[state], this.#downsetB[state], this.#gain[state]);
    const hopeful = layer.filter(state => potential(state) > this.#incumbent + TOLERANCE);
    if (hopeful.length <= this.#limits.width) return hopeful;
    hopeful.sort((x, y) => potential(y) - potential(x) || x - y);
    this.#givenUp = Math.max(this.#givenUp, potential(hopeful[this.#limits.width]));
    return hopeful.slice(0, this.#limits.width);
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
    const gain = new Float64Array(this.#gain.length * 2);
    gain.set(this.#gain);
    this.#gain = gain;
  }
}

function enlarged(array: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(array.length * 2);
  larger.set(array);
  return larger;
}

/** One graph's downsets, and what the search needs to know of each. */
class Side {
  readonly lattice: DownsetLattice;
  readonly #partners: readonly Int32Array[];
  readonly #prices: Float64Array;
  /** Sum of the prices of the elements outside each downset. */
  readonly #refunds: number[];

  constructor(poset: Poset, prices: Float64Array, partners: readonly Int32Array[]) {
    this.lattice = new DownsetLattice(poset);
    this.#partners = partners;
    this.#prices = prices;
    this.#refunds = [prices.reduce((sum, price) => sum + price, 0)];
  }

  refund(downset: number): number {
    for (let made = this.#refunds.length; made <= downset; made++) this.#refunds.push(this.#refundOf(made));
    return this.#refunds[downset];
  }

  #refundOf(downset: number): number {
    let sum = 0;
    for (let v = 0; v < this.#prices.length; v++) if (!this.lattice.has(downset, v)) sum += this.#prices[v];
    return sum;
  }

  /** The downset with all frontier elements added, again and again, whose partners the other graph has all passed. */
  passHopeless(downset: number, other: DownsetLattice, passed: number): number {
    let current = downset;
    for (let i = 0; i < this.lattice.frontiers[current].length; i++) {
      const partners = this.#partners[this.lattice.frontiers[current][i]];
      let hopeless = true;
      // Late partners are the ones most likely left.
      for (let p = partners.length - 1; p >= 0 && hopeless; p--) hopeless = other.has(passed, partners[p]);
      if (!hopeless) continue;
      current = this.lattice.extend(current, i);
      i = -1;
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
