import {
  addDims,
  type Dim,
  equalDims,
  isStatic,
  type LinearDim,
  leastCommonMultiple,
  linearOf,
  multiplyDims,
  solveDim,
  substitute,
  symbol,
  symbolsOf,
} from '../ir/index.ts';

/**
 * Equations between dims, solved as they come: what one network calls `N` and the other `batch` is one extent once both are fed
 * the same input, a symbol that meets a number is that number, and what is `4·H` for one and `6·h` for the other is a multiple of 12.
 */
export class DimEquations {
  readonly #known: Record<string, Dim> = Object.create(null);

  /** The dim in terms of the symbols that are still open. */
  resolve(dim: Dim): Dim {
    let resolved = dim;
    for (;;) {
      const next = substitute(resolved, this.#known);
      if (equalDims(next, resolved)) return resolved;
      resolved = next;
    }
  }

  /** Makes two dims equal by giving a symbol of the second, or else of the first, a meaning; false when that can't be. */
  equate(first: Dim, second: Dim): boolean {
    const [a, b] = [this.resolve(first), this.resolve(second)];
    if (equalDims(a, b)) return true;
    if (isStatic(a)) return this.#bind(b, a);
    if (isStatic(b)) return this.#bind(a, b);
    const [left, right] = [linearOf(a), linearOf(b)];
    if (left && right && left.symbol !== right.symbol) return this.#meet(left, right);
    return this.#name(right, a) || this.#name(left, b);
  }

  #bind(dim: Dim, size: number): boolean {
    const linear = linearOf(dim);
    const value = linear && solveDim(linear, size);
    if (value === undefined) return false;
    this.#known[linear!.symbol] = value;
    return true;
  }

  /** Gives a symbol that stands alone a meaning. */
  #name(linear: LinearDim | undefined, meaning: Dim): boolean {
    if (linear?.factor !== 1 || linear.offset !== 0 || symbolsOf(meaning).has(linear.symbol)) return false;
    this.#known[linear.symbol] = meaning;
    return true;
  }

  /** `4·x = 6·y` where `x = 3·z` and `y = 2·z`; false where no numbers are both. */
  #meet(left: LinearDim, right: LinearDim): boolean {
    const sides = [left, right];
    const step = leastCommonMultiple(left.factor, right.factor);
    // The smallest extent that is both: `z` is 1 there.
    const lowest = Math.max(...sides.map(({ factor, offset }) => factor + offset));
    const both = Array.from({ length: step }, (_, i) => lowest + i).find(size =>
      sides.every(side => solveDim(side, size) !== undefined),
    );
    if (both === undefined) return false;
    // A side all of whose extents are the other's as well stays as it is. No name from a file ends as a new one does.
    const whole = sides.find(({ factor, offset }) => factor === step && factor + offset === both);
    const z = whole?.symbol ?? `${left.symbol}\u0000`;
    for (const { symbol: name, factor, offset } of sides) {
      if (name !== z)
        this.#known[name] = addDims(multiplyDims(step / factor, symbol(z)), (both - step - offset) / factor);
    }
    return true;
  }
}
