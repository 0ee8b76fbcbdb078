/** Which sizes networks with open axes can take: sizes that they are bound to from the start, so that formulas of them are simple. */
export { assumedSizes, type Multiples, multiplesAsDims, wholeMultiples } from './sizes/assumed.ts';
export { bindSymbols } from './sizes/bind.ts';
export { type DimPair, demandedSizes, openSizes, withDemandedSizes } from './sizes/demanded.ts';
export { guardSizes } from './sizes/guard.ts';
export { sizesText } from './sizes/text.ts';
