/** Choosing where to stitch, from the scores of all positions: the rules of arXiv 2512.17592. */
import { SutureError } from '../../ir/errors.ts';

export type Rule = 1 | 2;

/** What the rules look at. */
export interface RankedPosition {
  readonly position: number;
  /** The score over all images. */
  readonly value: number;
  /** The score in each fold, in the order of the folds. Empty where the data has no folds. */
  readonly folds: readonly number[];
}

export interface Selection {
  readonly rule: Rule;
  readonly position: number;
  /** Rule 1: the best position of each fold. */
  readonly perFold: readonly number[];
  /** Rule 2: the mean rank of each position, in the order of the positions; 1 is best. */
  readonly meanRanks: readonly number[];
}

/**
 * Ranks from 1 (best); equal values share the mean of their ranks. Values that are NaN come last.
 */
export function ranks(values: readonly number[], higherIsBetter: boolean): readonly number[] {
  const worth = values.map(v => (Number.isNaN(v) ? -Infinity : higherIsBetter ? v : -v));
  const order = worth.map((_, i) => i).sort((i, j) => worth[j]! - worth[i]! || i - j);
  const result = new Array<number>(values.length);
  for (let from = 0; from < order.length; ) {
    let to = from;
    while (to < order.length && worth[order[to]!] === worth[order[from]!]) to++;
    for (let k = from; k < to; k++) result[order[k]!] = (from + 1 + to) / 2;
    from = to;
  }
  return result;
}

/** The position with the best number; of equal ones the first by `then`, and then the first. */
function best(positions: readonly RankedPosition[], key: (i: number) => number, then: (i: number) => number): number {
  let found = 0;
  for (let i = 1; i < positions.length; i++) {
    if (key(i) < key(found) || (key(i) === key(found) && then(i) < then(found))) found = i;
  }
  return positions[found]!.position;
}

/**
 * Rule 1, greedy: the best score (over all images; per fold in `perFold`). Rule 2, fold mean: the lowest mean rank over the
 * folds; equal ones are told apart by the score over all images.
 *
 * @throws SutureError `option-invalid` for rule 2 without folds.
 */
export function select(positions: readonly RankedPosition[], rule: Rule, higherIsBetter: boolean): Selection {
  const overall = ranks(
    positions.map(p => p.value),
    higherIsBetter,
  );
  const folds = positions[0]?.folds.length ?? 0;
  const foldRanks = Array.from({ length: folds }, (_, f) =>
    ranks(
      positions.map(p => p.folds[f]!),
      higherIsBetter,
    ),
  );
  const meanRanks = positions.map((_, i) => foldRanks.reduce((sum, rank) => sum + rank[i]!, 0) / folds);
  const perFold = foldRanks.map(rank =>
    best(
      positions,
      i => rank[i]!,
      i => overall[i]!,
    ),
  );
  if (rule === 2 && folds < 2) {
    throw new SutureError(
      'option-invalid',
      'Rule 2 takes the mean rank over folds, and the validation data has none: add an array `fold`, or use rule 1.',
    );
  }
  const key = rule === 1 ? overall : meanRanks;
  const position = best(
    positions,
    i => key[i]!,
    i => overall[i]!,
  );
  return { rule, position, perFold: rule === 1 ? perFold : [], meanRanks: folds > 0 ? meanRanks : [] };
}
