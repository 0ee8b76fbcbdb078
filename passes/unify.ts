import { type Dim, equalDims, isStatic, substitute, symbol, symbolsOf } from '../ir/index.ts';

/**
 * Equations between dims, solved as they come: what one network calls `N` and the other `batch` is one extent once both are fed
 * the same input, and a symbol that meets a number is that number.
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
    for (const [from, to] of [
      [b, a],
      [a, b],
    ]) {
      const name = soleSymbol(from);
      if (name === undefined || symbolsOf(to).has(name)) continue;
      // A symbol stands for a positive integer.
      if (isStatic(to) && to < 1) return false;
      this.#known[name] = to;
      return true;
    }
    return false;
  }
}

/** The name of the symbol that a dim consists of. */
function soleSymbol(dim: Dim): string | undefined {
  if (isStatic(dim)) return undefined;
  const [name] = symbolsOf(dim);
  return name !== undefined && equalDims(dim, symbol(name)) ? name : undefined;
}
