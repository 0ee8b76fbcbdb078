import type { CliqueBound } from './cliques.ts';
import type { DownsetLattice } from './downsets.ts';

/**
 * What a {@link CliqueBound} allows to the states of a search: from the start, and how much less when one more element has
 * been passed, so that a state costs a few rows and columns instead of the whole table.
 */
export class Remainders {
  /** For the empty state. */
  readonly whole: number;
  readonly #bound: CliqueBound;
  readonly #latticeA: DownsetLattice;
  readonly #latticeB: DownsetLattice;
  readonly #rows: readonly SparseLine[];
  readonly #columns: readonly SparseLine[];

  constructor(bound: CliqueBound, latticeA: DownsetLattice, latticeB: DownsetLattice) {
    this.#bound = bound;
    this.#latticeA = latticeA;
    this.#latticeB = latticeB;
    const { pricesA, pricesB, touch } = bound;
    const [rows, columns] = [pricesA.length, pricesB.length];
    this.#rows = Array.from(pricesA, (_, i) => sparseLine(columns, j => touch[i * columns + j]));
    this.#columns = Array.from(pricesB, (_, j) => sparseLine(rows, i => touch[i * columns + j]));
    this.whole = [pricesA, pricesB, touch].reduce((sum, list) => list.reduce((total, x) => total + x, sum), 0);
  }

  /** What is lost when A's `element` is passed and B's downset `inB` has been. */
  lossOfA(element: number, inB: number): number {
    return this.#bound.pricesA[element] + sumOutside(this.#rows[element], this.#latticeB, inB);
  }

  /** What is lost when B's `element` is passed and A's downset `inA` has been. */
  lossOfB(element: number, inA: number): number {
    return this.#bound.pricesB[element] + sumOutside(this.#columns[element], this.#latticeA, inA);
  }

  /** What the losses of a and of b both count. */
  shared(a: number, b: number): number {
    return this.#bound.touch[a * this.#columns.length + b];
  }
}

interface SparseLine {
  readonly places: Int32Array;
  readonly values: Float64Array;
}

function sparseLine(length: number, at: (place: number) => number): SparseLine {
  const places = Int32Array.from({ length }, (_, i) => i).filter(i => at(i) !== 0);
  return { places, values: Float64Array.from(places, at) };
}

function sumOutside({ places, values }: SparseLine, lattice: DownsetLattice, downset: number): number {
  let sum = 0;
  for (let i = 0; i < places.length; i++) if (!lattice.has(downset, places[i])) sum += values[i];
  return sum;
}
