/**
 * How much a search may do. Work is counted in units of about a nanosecond of an ordinary processor, spent by what an
 * algorithm does and not by how long it takes, so that a search that ends because its work is done ends at the same place
 * on every machine. The clock is only a cap.
 */
export class Budget {
  readonly #parent: Budget | undefined;
  readonly #expired: (() => boolean) | undefined;
  #left: number;
  #late = false;

  constructor(units: number, expired?: () => boolean, parent?: Budget) {
    this.#left = units;
    this.#expired = expired;
    this.#parent = parent;
  }

  /** Units not yet spent; 0 when the clock has ended the search. */
  get left(): number {
    if (this.late) return 0;
    return Math.max(0, Math.min(this.#left, this.#parent?.left ?? Infinity));
  }

  /** Has the clock ended the search, before its work was done? */
  get late(): boolean {
    return this.#late || (this.#parent?.late ?? false);
  }

  /** A part of what is left; what is spent of it is spent of the whole. */
  part(units: number): Budget {
    return new Budget(units, undefined, this);
  }

  /** Spends units; returns whether the search may go on. */
  spend(units: number): boolean {
    if (this.late) return false;
    this.#left -= units;
    const allowed = this.#parent?.spend(units) ?? true;
    if (!allowed || this.#left <= 0) return false;
    if (this.#expired?.()) {
      this.#late = true;
      return false;
    }
    return true;
  }
}
