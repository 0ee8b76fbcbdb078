import type { Budget } from './budget.ts';
import type { OrderCounts, Poset } from './poset.ts';
import type { PairScores } from './scores.ts';

/** Scores of the pairs of two posets' elements, row by row; `-Infinity` where a pair is not allowed. */
export interface PosetScores {
  readonly rows: number;
  readonly columns: number;
  readonly values: Float64Array;
}

/** Two orders and what each pair of their elements is worth. */
export interface PosetPair {
  readonly a: Poset;
  readonly b: Poset;
  readonly table: PosetScores;
}

/** The scores of two posets' elements. */
export function tableOf(a: Poset, b: Poset, scores: PairScores): PosetScores {
  const values = new Float64Array(a.size * b.size);
  for (let i = 0; i < a.size; i++) {
    for (let j = 0; j < b.size; j++) values[i * b.size + j] = scores.at(a.vertex[i], b.vertex[j]);
  }
  return { rows: a.size, columns: b.size, values };
}

/**
 * An upper bound on what can still be matched once `k` elements of A and `l` elements of B have been passed, for all k
 * and l, and prices that make it tight.
 *
 * In every linear extension an element stands somewhere between "all that lies below it came first" and "all that lies
 * above it is still to come". The relaxation keeps of the order only these windows: at the place (k, l) it may use the
 * best pair (a, b) of which a may stand at k and b at l. That is an ordinary alignment, exact for two chains. What it
 * does not know is that an element can be used once only; a price on every element, paid per use and refunded once,
 * makes repeated use unattractive. Any prices ≥ 0 give a valid bound (Lagrangian relaxation):
 *
 *     best completion of (I, J) ≤ table[|I|, |J|] + Σ price of A's elements not in I + Σ price of B's not in J
 */
export interface Relaxation {
  /** `(rows + 1) × (columns + 1)` values, by k and l. */
  readonly table: Float64Array;
  readonly pricesA: Float64Array;
  readonly pricesB: Float64Array;
  /** The bound for the empty state: no acyclic matching scores more. */
  readonly bound: number;
}

/** Rounds without a better bound after which the step is halved, and halvings after which the ascent ends. */
const PATIENCE = 6;
const MAX_HALVINGS = 9;
const MAX_ROUNDS = 400;

/** A relaxation whose prices can be improved. */
export interface Ascending<T extends Prices = Prices> {
  /** What one round costs, in units of a {@link Budget}. */
  readonly cost: number;
  /** The bound of the prices that it was solved for last. */
  readonly bound: number;
  solve(pricesA: Float64Array, pricesB: Float64Array): T;
  /** How often the last relaxed solution uses each element. */
  uses(): { readonly usesA: Int32Array; readonly usesB: Int32Array };
}

/** Where an ascent ends. */
export interface AscentLimits {
  /** No better bound is wanted. */
  readonly target: number;
  readonly budget: Budget;
  readonly maxRounds?: number;
}

export type Prices = Pick<Relaxation, 'pricesA' | 'pricesB' | 'bound'>;

/** The relaxation with good prices, see {@link ascend}. */
export function relax({ a, b, table }: PosetPair, limits: AscentLimits): Relaxation {
  return ascend(new RelaxedAlignment(a, b, table), a.size, b.size, limits);
}

/**
 * Finds good prices by subgradient ascent: an element that the relaxed solution uses twice becomes dearer, one that it
 * does not use becomes cheaper. Stops when the bound meets `target`, when steps get short, or when the budget is spent.
 */
export function ascend<T extends Prices>(
  worker: Ascending<T>,
  rows: number,
  columns: number,
  { target, budget, maxRounds = MAX_ROUNDS }: AscentLimits,
): T {
  let best = worker.solve(new Float64Array(rows), new Float64Array(columns));
  let { pricesA, pricesB } = best;
  let step = 1;
  let stale = 0;
  let halvings = 0;
  for (let round = 0; round < maxRounds && best.bound > target && halvings < MAX_HALVINGS; round++) {
    if (!budget.spend(worker.cost)) break;
    const { usesA, usesB } = worker.uses();
    const slope = slopeOf(usesA, pricesA) + slopeOf(usesB, pricesB);
    if (slope === 0) break;
    const length = (step * Math.max(worker.bound - target, 1e-9)) / slope;
    pricesA = movePrices(pricesA, usesA, length);
    pricesB = movePrices(pricesB, usesB, length);
    const next = worker.solve(pricesA, pricesB);
    if (next.bound < best.bound - 1e-12) {
      best = next;
      stale = 0;
    } else if (++stale >= PATIENCE) {
      // Steps got too long: halve them, and go on from the best prices so far.
      step /= 2;
      halvings++;
      stale = 0;
      ({ pricesA, pricesB } = best);
      worker.solve(pricesA, pricesB);
    }
  }
  return best;
}

/** Squared length of the direction in which prices may move (a price of 0 does not fall). */
function slopeOf(uses: Int32Array, prices: Float64Array): number {
  let sum = 0;
  for (let v = 0; v < uses.length; v++) {
    const surplus = uses[v] - 1;
    if (surplus > 0 || prices[v] > 0) sum += surplus * surplus;
  }
  return sum;
}

function movePrices(prices: Float64Array, uses: Int32Array, length: number): Float64Array {
  return prices.map((price, v) => Math.max(0, price + length * (uses[v] - 1)));
}

/** Which elements may stand at each place of a linear extension. */
export function windowsOf(poset: OrderCounts): Int32Array[] {
  return Array.from({ length: poset.size }, (_, place) => {
    const members: number[] = [];
    for (let v = 0; v < poset.size; v++) {
      if (poset.countBelow[v] <= place && place < poset.size - poset.countAbove[v]) members.push(v);
    }
    return Int32Array.from(members);
  });
}

class RelaxedAlignment implements Ascending<Relaxation> {
  readonly #scores: PosetScores;
  readonly #windowsA: Int32Array[];
  readonly #windowsB: Int32Array[];
  readonly #priced: Float64Array;
  /** The allowed partners of every element of A, in compressed sparse rows. */
  readonly #partnerStart: Int32Array;
  readonly #partners: Int32Array;
  #table = new Float64Array(0);
  /** Operations of one round. */
  readonly cost: number;
  bound = Infinity;

  constructor(a: Poset, b: Poset, scores: PosetScores) {
    this.#scores = scores;
    this.#windowsA = windowsOf(a);
    this.#windowsB = windowsOf(b);
    this.#priced = new Float64Array(scores.values.length);
    const { rows, columns, values } = scores;
    this.#partnerStart = new Int32Array(rows + 1);
    const partners: number[] = [];
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) if (values[i * columns + j] !== -Infinity) partners.push(j);
      this.#partnerStart[i + 1] = partners.length;
    }
    this.#partners = Int32Array.from(partners);
    let cost = 4 * rows * columns;
    for (const members of this.#windowsA) {
      for (const i of members) cost += this.#partnerStart[i + 1] - this.#partnerStart[i];
    }
    for (const members of this.#windowsB) cost += rows * members.length;
    this.cost = cost;
  }

  solve(pricesA: Float64Array, pricesB: Float64Array): Relaxation {
    const { rows, columns, values } = this.#scores;
    const width = columns + 1;
    const priced = this.#priced;
    let refund = 0;
    for (const price of pricesA) refund += price;
    for (const price of pricesB) refund += price;
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) {
        priced[i * columns + j] = values[i * columns + j] - pricesA[i] - pricesB[j];
      }
    }
    const table = new Float64Array((rows + 1) * width);
    const bestForB = new Float64Array(columns);
    for (let k = rows - 1; k >= 0; k--) {
      bestForB.fill(-Infinity);
      for (const i of this.#windowsA[k]) {
        const base = i * columns;
        for (let e = this.#partnerStart[i]; e < this.#partnerStart[i + 1]; e++) {
          const j = this.#partners[e];
          const score = priced[base + j];
          if (score > bestForB[j]) bestForB[j] = score;
        }
      }
      for (let l = columns - 1; l >= 0; l--) {
        let best = -Infinity;
        const candidates = this.#windowsB[l];
        for (let c = 0; c < candidates.length; c++) {
          const score = bestForB[candidates[c]];
          if (score > best) best = score;
        }
        let value = table[(k + 1) * width + l];
        const right = table[k * width + l + 1];
        if (right > value) value = right;
        const paired = table[(k + 1) * width + l + 1] + best;
        if (paired > value) value = paired;
        table[k * width + l] = value;
      }
    }
    this.#table = table;
    this.bound = table[0] + refund;
    return { table, pricesA, pricesB, bound: this.bound };
  }

  uses(): { usesA: Int32Array; usesB: Int32Array } {
    const { rows, columns } = this.#scores;
    const width = columns + 1;
    const table = this.#table;
    const usesA = new Int32Array(rows);
    const usesB = new Int32Array(columns);
    let k = 0;
    let l = 0;
    while (k < rows && l < columns) {
      const here = table[k * width + l];
      if (here === table[(k + 1) * width + l]) k++;
      else if (here === table[k * width + l + 1]) l++;
      else {
        const [i, j] = this.#bestPairAt(k, l);
        usesA[i]++;
        usesB[j]++;
        k++;
        l++;
      }
    }
    return { usesA, usesB };
  }

  #bestPairAt(k: number, l: number): [number, number] {
    const { columns } = this.#scores;
    let best = -Infinity;
    let pair: [number, number] = [0, 0];
    for (const i of this.#windowsA[k]) {
      for (const j of this.#windowsB[l]) {
        const score = this.#priced[i * columns + j];
        if (score > best) {
          best = score;
          pair = [i, j];
        }
      }
    }
    return pair;
  }
}
