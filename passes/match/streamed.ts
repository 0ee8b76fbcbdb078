import type { OrderCounts } from './poset.ts';
import { type Ascending, windowsOf } from './relaxation.ts';
import type { RowScorer } from './scores.ts';

/**
 * The alignment of windows of `relax` in linear memory, for graphs whose table would be too large: only every so many rows
 * are kept, and what lies between is computed again where the way through the table is asked for. It gives a bound, but no
 * table to search by.
 */
export class StreamedAlignment implements Ascending {
  readonly cost: number;
  bound = Infinity;
  readonly #scorer: RowScorer;
  readonly #windowsA: Int32Array[];
  readonly #windowsB: Int32Array[];
  readonly #columns: number;
  readonly #blockRows: number;
  /** Row `k` of the table for every k that `blockRows` divides, and the last one. */
  readonly #kept: Float64Array[];
  readonly #scores: Float64Array;
  readonly #bestForB: Float64Array;
  #pricesA: Float64Array;
  #pricesB: Float64Array;

  constructor(a: OrderCounts, b: OrderCounts, scorer: RowScorer) {
    this.#scorer = scorer;
    this.#windowsA = windowsOf(a);
    this.#windowsB = windowsOf(b);
    this.#columns = b.size;
    this.#blockRows = Math.max(1, Math.ceil(Math.sqrt(a.size)));
    this.#kept = Array.from({ length: Math.ceil(a.size / this.#blockRows) + 1 }, () => new Float64Array(b.size + 1));
    this.#scores = new Float64Array(b.size);
    this.#bestForB = new Float64Array(b.size);
    this.#pricesA = new Float64Array(a.size);
    this.#pricesB = new Float64Array(b.size);
    let onePass = 0;
    for (const members of this.#windowsA) {
      for (const i of members) onePass += 2 * (scorer.spanEnd[i] - scorer.spanStart[i]);
    }
    for (const members of this.#windowsB) onePass += a.size * members.length;
    // Two passes, the second one for the way back, at about five units per operation: rows are made anew each time.
    this.cost = 10 * onePass;
  }

  solve(pricesA: Float64Array, pricesB: Float64Array): { bound: number; pricesA: Float64Array; pricesB: Float64Array } {
    this.#pricesA = pricesA;
    this.#pricesB = pricesB;
    const rows = this.#windowsA.length;
    const last = this.#kept.length - 1;
    this.#kept[last].fill(0);
    const row = new Float64Array(this.#columns + 1);
    for (let k = rows - 1; k >= 0; k--) {
      this.#takeRow(k, row, row);
      if (k % this.#blockRows === 0) this.#kept[k / this.#blockRows].set(row);
    }
    let refund = 0;
    for (const price of pricesA) refund += price;
    for (const price of pricesB) refund += price;
    this.bound = row[0] + refund;
    return { bound: this.bound, pricesA, pricesB };
  }

  uses(): { usesA: Int32Array; usesB: Int32Array } {
    const rows = this.#windowsA.length;
    const columns = this.#columns;
    const usesA = new Int32Array(rows);
    const usesB = new Int32Array(columns);
    const block = Array.from({ length: this.#blockRows }, () => new Float64Array(columns + 1));
    let l = 0;
    for (let first = 0; first < rows && l < columns; first += this.#blockRows) {
      const end = Math.min(rows, first + this.#blockRows);
      const below = this.#kept[first / this.#blockRows + 1];
      for (let k = end - 1; k >= first; k--)
        this.#takeRow(k, k + 1 < end ? block[k + 1 - first] : below, block[k - first]);
      for (let k = first; k < end && l < columns; ) {
        const here = block[k - first][l];
        const next = k + 1 < end ? block[k + 1 - first] : below;
        if (here === next[l]) k++;
        else if (here === block[k - first][l + 1]) l++;
        else {
          const [i, j] = this.#bestPairAt(k++, l++);
          usesA[i]++;
          usesB[j]++;
        }
      }
    }
    return { usesA, usesB };
  }

  /** Row k of the table from row k + 1; both may be the same array. */
  #takeRow(k: number, below: Float64Array, row: Float64Array): void {
    const { spanStart, spanEnd } = this.#scorer;
    const bestForB = this.#bestForB.fill(-Infinity);
    const prices = this.#pricesB;
    for (const i of this.#windowsA[k]) {
      const from = spanStart[i];
      this.#scorer.fill(i, from, spanEnd[i], this.#scores);
      const price = this.#pricesA[i];
      for (let j = from; j < spanEnd[i]; j++) {
        const score = this.#scores[j - from] - price - prices[j];
        if (score > bestForB[j]) bestForB[j] = score;
      }
    }
    let diagonal = below[this.#columns];
    let right = diagonal;
    row[this.#columns] = right;
    for (let l = this.#columns - 1; l >= 0; l--) {
      let best = -Infinity;
      for (const j of this.#windowsB[l]) if (bestForB[j] > best) best = bestForB[j];
      let value = below[l];
      const paired = diagonal + best;
      diagonal = value;
      if (right > value) value = right;
      if (paired > value) value = paired;
      row[l] = right = value;
    }
  }

  #bestPairAt(k: number, l: number): [number, number] {
    const { spanStart, spanEnd } = this.#scorer;
    let best = -Infinity;
    let pair: [number, number] = [0, 0];
    for (const i of this.#windowsA[k]) {
      for (const j of this.#windowsB[l]) {
        if (j < spanStart[i] || j >= spanEnd[i]) continue;
        this.#scorer.fill(i, j, j + 1, this.#scores);
        const score = this.#scores[0] - this.#pricesA[i] - this.#pricesB[j];
        if (score <= best) continue;
        best = score;
        pair = [i, j];
      }
    }
    return pair;
  }
}
