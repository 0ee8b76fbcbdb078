import type { Budget } from './budget.ts';
import type { Poset } from './poset.ts';
import type { PosetScores } from './relaxation.ts';

/**
 * An upper bound on the matchings of two posets from which pairs exclude each other, and on what any state of the search
 * can still get:
 *
 *     best completion of (I, J)  ≤  Σ prices of A outside I + Σ prices of B outside J + Σ touch over (A \ I) × (B \ J)
 */
export interface CliqueBound {
  readonly pricesA: Float64Array;
  readonly pricesB: Float64Array;
  /** `rows × columns` values whose sum over (A \ I) × (B \ J) is the flow that touches these pairs. */
  readonly touch: Float64Array;
  /** No acyclic matching scores more. */
  readonly bound: number;
}

export interface CliqueLimits {
  /** Steps of the descent. */
  readonly rounds: number;
  /** The descent ends when the bound has come down to this. */
  readonly target: number;
  readonly budget: Budget;
}

/** Steps of the prices, as a part of the gap per vertex at the start, and of the routes' logits; both fall to 0 from half way on. */
const PRICE_STEP = 0.5;
const ROUTE_STEP = 0.1;

/** Decay of Adam's two averages, and what keeps its quotients finite. */
const MOMENTUM = 0.9;
const SQUARES = 0.99;
const EPSILON = 1e-10;

/**
 * Bounds the matchings of two posets by a linear programme over pairs.
 *
 * Let (a, b) lie before (a', b') if a ≤ a' and b ≥ b'. Two different pairs of which one lies before the other exclude each
 * other: their contraction is a cycle, or they share a vertex. So of any chain of pairs, of any walk that steps up in A or
 * down in B, a matching holds one pair at most, and of any vertex's pairs as well. The programme that demands just that has
 * this dual: prices on vertices, and a flow along the steps that brings to every pair at least its score less the prices of
 * its vertices; prices and flow together bound all matchings.
 *
 * Any prices ≥ 0 and any routing (which part of what comes to a pair leaves by which step) give a bound: walk through the
 * pairs and let new flow spring where too little arrives. What is minimised is therefore a function without constraints,
 * with a gradient from one pass back, and Adam does it; from 200 rounds on it stands within some thousandths of the
 * programme's optimum. One round costs as many operations as there are steps: |A| · |B| times the covers per element.
 *
 * Sources: R. P. Dilworth, "A decomposition theorem for partially ordered sets", Annals of Mathematics 51, 1950 (flow and
 * antichain are dual); D. P. Kingma, J. Ba, "Adam", arXiv 1412.6980.
 */
export function cliqueBound(a: Poset, b: Poset, scores: PosetScores, limits: CliqueLimits): CliqueBound {
  return new FlowDescent(a, b, scores).run(limits);
}

/** What one round costs, in units of a {@link Budget}. */
export function roundCost(a: Poset, b: Poset, { rows, columns }: PosetScores): number {
  return 15 * rows * columns + 30 * (columns * a.covers.length + rows * b.covers.length);
}

/** Adam's state for a block of variables. */
class Moments {
  readonly mean: Float32Array;
  readonly square: Float32Array;

  constructor(length: number) {
    this.mean = new Float32Array(length);
    this.square = new Float32Array(length);
  }
}

class FlowDescent {
  readonly #a: Poset;
  readonly #b: Poset;
  readonly #scores: PosetScores;
  readonly #pricesA: Float64Array;
  readonly #pricesB: Float64Array;
  readonly #momentsA: Moments;
  readonly #momentsB: Moments;
  /** The elements that each element of B covers, in compressed sparse rows. */
  readonly #lowerStart: Int32Array;
  readonly #lower: Int32Array;

  // Per pair (i, j), at i · columns + j: what arrives, what leaves, and the derivative of the bound by what arrives.
  readonly #arriving: Float64Array;
  readonly #leaving: Float64Array;
  readonly #slope: Float64Array;

  // Per step; those of a pair lie together, up in A first: logit of the part that takes it, and that part.
  readonly #stepBase: Int32Array;
  readonly #logits: Float32Array;
  readonly #parts: Float64Array;
  readonly #momentsSteps: Moments;

  constructor(a: Poset, b: Poset, scores: PosetScores) {
    this.#a = a;
    this.#b = b;
    this.#scores = scores;
    const { rows, columns } = scores;
    const { start, list } = lowerCovers(b);
    this.#lowerStart = start;
    this.#lower = list;
    const cells = rows * columns;
    this.#arriving = new Float64Array(cells);
    this.#leaving = new Float64Array(cells);
    this.#slope = new Float64Array(cells);
    this.#stepBase = Int32Array.from({ length: rows + 1 }, (_, i) => columns * a.coverStart[i] + i * list.length);
    const steps = this.#stepBase[rows];
    this.#logits = new Float32Array(steps);
    this.#parts = new Float64Array(steps);
    this.#momentsSteps = new Moments(steps);
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) {
        const from = this.#firstStep(i, j);
        const to = from + this.#upCount(i) + start[j + 1] - start[j];
        this.#parts.fill(1 / (to - from), from, to);
      }
    }
    const { pricesA, pricesB } = startingPrices(scores);
    this.#pricesA = pricesA;
    this.#pricesB = pricesB;
    this.#momentsA = new Moments(rows);
    this.#momentsB = new Moments(columns);
  }

  run({ rounds, target, budget }: CliqueLimits): CliqueBound {
    let bound = this.#forward();
    const cost = roundCost(this.#a, this.#b, this.#scores);
    const { rows, columns } = this.#scores;
    const priceStep = (PRICE_STEP * Math.max(0, bound - target)) / Math.min(rows, columns);
    for (let round = 1; round <= rounds && bound > target && budget.spend(cost); round++) {
      this.#descend(round, priceStep, Math.min(1, 2 * (1 - round / (rounds + 1))));
      bound = Math.min(bound, this.#forward());
    }
    return { pricesA: this.#pricesA, pricesB: this.#pricesB, touch: this.#touch(), bound };
  }

  #upCount(i: number): number {
    return this.#a.coverStart[i + 1] - this.#a.coverStart[i];
  }

  #firstStep(i: number, j: number): number {
    return this.#stepBase[i] + j * this.#upCount(i) + this.#lowerStart[j];
  }

  /** Lets the flow run; returns the bound. */
  #forward(): number {
    const { rows, columns, values } = this.#scores;
    const { coverStart, covers } = this.#a;
    const arriving = this.#arriving;
    const leaving = this.#leaving;
    const parts = this.#parts;
    const lower = this.#lower;
    const lowerStart = this.#lowerStart;
    arriving.fill(0);
    let bound = 0;
    for (const price of this.#pricesA) bound += price;
    for (const price of this.#pricesB) bound += price;
    for (let i = 0; i < rows; i++) {
      const price = this.#pricesA[i];
      const upFrom = coverStart[i];
      const upTo = coverStart[i + 1];
      for (let j = columns - 1; j >= 0; j--) {
        const pair = i * columns + j;
        let flow = arriving[pair];
        const demand = values[pair] - price - this.#pricesB[j];
        if (demand > flow) {
          bound += demand - flow;
          flow = demand;
        }
        leaving[pair] = flow;
        if (flow === 0) continue;
        let step = this.#firstStep(i, j);
        for (let e = upFrom; e < upTo; e++) arriving[covers[e] * columns + j] += flow * parts[step++];
        for (let e = lowerStart[j]; e < lowerStart[j + 1]; e++)
          arriving[i * columns + lower[e]] += flow * parts[step++];
      }
    }
    return bound;
  }

  /** One step of Adam along the gradient of the bound, for the flow as it ran last. */
  #descend(round: number, priceStep: number, decay: number): void {
    const { rows, columns } = this.#scores;
    const { coverStart, covers } = this.#a;
    const { mean, square } = this.#momentsSteps;
    const arriving = this.#arriving;
    const leaving = this.#leaving;
    const slope = this.#slope;
    const parts = this.#parts;
    const logits = this.#logits;
    const lower = this.#lower;
    const lowerStart = this.#lowerStart;
    const gradientA = new Float64Array(rows).fill(1);
    const gradientB = new Float64Array(columns).fill(1);
    const correction = Math.sqrt(1 - SQUARES ** round) / (1 - MOMENTUM ** round);
    const routeStep = ROUTE_STEP * decay * correction;
    for (let i = rows - 1; i >= 0; i--) {
      const upFrom = coverStart[i];
      const upTo = coverStart[i + 1];
      for (let j = 0; j < columns; j++) {
        const pair = i * columns + j;
        const first = this.#firstStep(i, j);
        let step = first;
        let onward = 0;
        for (let e = upFrom; e < upTo; e++) onward += parts[step++] * slope[covers[e] * columns + j];
        for (let e = lowerStart[j]; e < lowerStart[j + 1]; e++) onward += parts[step++] * slope[i * columns + lower[e]];
        const flow = leaving[pair];
        if (flow > arriving[pair]) {
          slope[pair] = -1;
          gradientA[i] -= 1 + onward;
          gradientB[j] -= 1 + onward;
        } else slope[pair] = onward;
        if (flow === 0 || step - first < 2) continue;
        // Only routes that flow takes are looked at: the others' gradient is zero.
        let total = 0;
        step = first;
        for (let e = upFrom - upTo + lowerStart[j] - lowerStart[j + 1]; e < 0; e++, step++) {
          const up = step - first < upTo - upFrom;
          const next = up
            ? covers[upFrom + step - first] * columns + j
            : i * columns + lower[lowerStart[j] + step - first - (upTo - upFrom)];
          const gradient = flow * parts[step] * (slope[next] - onward);
          mean[step] = MOMENTUM * mean[step] + (1 - MOMENTUM) * gradient;
          square[step] = SQUARES * square[step] + (1 - SQUARES) * gradient * gradient;
          logits[step] -= (routeStep * mean[step]) / (Math.sqrt(square[step]) + EPSILON);
          total += parts[step] = Math.exp(logits[step]);
        }
        for (let s = first; s < step; s++) parts[s] /= total;
      }
    }
    descendPrices(this.#pricesA, gradientA, this.#momentsA, priceStep * decay * correction);
    descendPrices(this.#pricesB, gradientB, this.#momentsB, priceStep * decay * correction);
  }

  /**
   * Flow that springs at a pair or comes up to it from below in A, less what goes on up in A. As chains only ever go up in A
   * and down in B, summed over (A \ I) × (B \ J) that is what enters these pairs.
   */
  #touch(): Float64Array {
    const { rows, columns } = this.#scores;
    const { coverStart, covers } = this.#a;
    const touch = this.#leaving.map((flow, pair) => flow - this.#arriving[pair]);
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) {
        const flow = this.#leaving[i * columns + j];
        let step = this.#firstStep(i, j);
        for (let e = coverStart[i]; e < coverStart[i + 1]; e++) {
          const moved = flow * this.#parts[step++];
          touch[i * columns + j] -= moved;
          touch[covers[e] * columns + j] += moved;
        }
      }
    }
    return touch;
  }
}

function descendPrices(prices: Float64Array, gradient: Float64Array, moments: Moments, step: number): void {
  const { mean, square } = moments;
  for (let v = 0; v < prices.length; v++) {
    mean[v] = MOMENTUM * mean[v] + (1 - MOMENTUM) * gradient[v];
    square[v] = SQUARES * square[v] + (1 - SQUARES) * gradient[v] * gradient[v];
    prices[v] = Math.max(0, prices[v] - (step * mean[v]) / (Math.sqrt(square[v]) + EPSILON));
  }
}

function lowerCovers(poset: Poset): { start: Int32Array; list: Int32Array } {
  const below: number[][] = Array.from({ length: poset.size }, () => []);
  for (let v = 0; v < poset.size; v++) {
    for (let e = poset.coverStart[v]; e < poset.coverStart[v + 1]; e++) below[poset.covers[e]].push(v);
  }
  const start = new Int32Array(poset.size + 1);
  below.forEach((list, v) => {
    start[v + 1] = start[v] + list.length;
  });
  return { start, list: Int32Array.from(below.flat()) };
}

/**
 * Prices that need no flow: among vertices that are linked by allowed pairs, those of the side whose best scores sum up to
 * less pay for all.
 */
function startingPrices({ rows, columns, values }: PosetScores): { pricesA: Float64Array; pricesB: Float64Array } {
  const pricesA = new Float64Array(rows);
  const pricesB = new Float64Array(columns);
  const group = new Int32Array(rows + columns).fill(-1);
  for (let root = 0; root < rows; root++) {
    if (group[root] >= 0) continue;
    group[root] = root;
    const members = [root];
    let [sumA, sumB] = [0, 0];
    for (const v of members) {
      let best = 0;
      const [from, count, stride] = v < rows ? [v * columns, columns, 1] : [v - rows, rows, columns];
      for (let w = 0; w < count; w++) {
        const value = values[from + w * stride];
        if (value === -Infinity) continue;
        best = Math.max(best, value);
        const other = v < rows ? rows + w : w;
        if (group[other] >= 0) continue;
        group[other] = root;
        members.push(other);
      }
      if (v < rows) sumA += pricesA[v] = best;
      else sumB += pricesB[v - rows] = best;
    }
    for (const v of members) {
      if (v < rows && sumA > sumB) pricesA[v] = 0;
      if (v >= rows && sumA <= sumB) pricesB[v - rows] = 0;
    }
  }
  return { pricesA, pricesB };
}
