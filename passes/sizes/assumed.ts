import {
  type Dim,
  dimKey,
  equalDims,
  LONGEST_PERIOD,
  leastCommonMultiple,
  multiplyDims,
  periodOf,
  substitute,
  symbol,
  symbolsOf,
} from '../../ir/index.ts';
import type { DimPair } from './demanded.ts';

/** By symbol: what it is taken to be a multiple of. */
export type Multiples = ReadonlyMap<string, number>;

/** The dims of some symbols, each a multiple of itself. */
export const multiplesAsDims = (multiples: Multiples): Record<string, Dim> =>
  Object.fromEntries(Array.from(multiples, ([name, factor]) => [name, multiplyDims(factor, symbol(name))]));

/** Multiples at which every floor in the dims comes out even, for the symbols that `open` holds. */
export function wholeMultiples(dims: Iterable<Dim>, open: ReadonlySet<string>): Multiples {
  const distinct = new Map(Array.from(dims, dim => [dimKey(dim), dim]));
  const found = new Map<string, number>();
  for (const dim of distinct.values()) {
    for (const name of symbolsOf(dim)) {
      if (!open.has(name)) continue;
      const period = leastCommonMultiple(found.get(name) ?? 1, periodOf(dim, name));
      if (period <= LONGEST_PERIOD) found.set(name, period);
    }
  }
  return found;
}

/**
 * The smallest multiples that make the dims of each pair equal: of `floor(H/2)` and `floor((H + 1)/2)` that is `H = 2·H'`. By symbol
 * what stands for it, without those that may be anything; undefined where no multiples make all pairs equal.
 */
export function assumedSizes(pairs: readonly DimPair[], open: ReadonlySet<string>): Record<string, Dim> | undefined {
  const differing = pairs.filter(([a, b]) => !equalDims(a, b));
  const multiples = new Map(wholeMultiples(differing.flat(), open));
  const suffice = (): boolean => {
    const sizes = multiplesAsDims(multiples);
    return differing.every(([a, b]) => equalDims(substitute(a, sizes), substitute(b, sizes)));
  };
  if (!suffice()) return undefined;
  for (const [name, most] of multiples) {
    for (let factor = 1; factor <= most; factor++) {
      if (most % factor !== 0) continue;
      multiples.set(name, factor);
      if (suffice()) break;
    }
  }
  for (const [name, factor] of [...multiples]) if (factor === 1) multiples.delete(name);
  return multiplesAsDims(multiples);
}
