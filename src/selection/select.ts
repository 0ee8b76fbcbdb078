/** Choosing where to stitch, from the scores of all positions or without any: the rules of arXiv 2512.17592. */
import { SutureError } from '../../ir/errors.ts';
import type { PlacedPosition } from '../network/depth.ts';

/** Rules 1 and 2 go by scores. */
export type ScoreRule = 1 | 2;
/** Rule 3 goes by depth, so that it needs no data. */
export type Rule = ScoreRule | 3;

/** As options name them. */
export const rules = ['1', '2', '3'] as const;

/** The depth that rule 3 looks for where no other is said: see `placedPositions`. */
export const usualDepth = 0.6;

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
  /** Rule 1: the best position of each fold that could be scored. */
  readonly perFold: readonly number[];
  /** Rule 2: the mean rank of each position, in the order of the positions; 1 is best. */
  readonly meanRanks: readonly number[];
  /** Rule 3: the depth that was looked for. */
  readonly depth?: number;
}

/** What a score is worth: more as it is better, and least where it is of nothing. */
export const worthOf =
  (higherIsBetter: boolean) =>
  (score: number | undefined = Number.NaN): number =>
    Number.isNaN(score) ? Number.NEGATIVE_INFINITY : higherIsBetter ? score : -score;

/**
 * Ranks from 1 (best); equal values share the mean of their ranks. Values that are NaN come last.
 */
export function ranks(values: readonly number[], higherIsBetter: boolean): readonly number[] {
  const worth = values.map(worthOf(higherIsBetter));
  const order = worth.map((_, i) => i).sort((i, j) => worth[j] - worth[i] || i - j);
  const result = new Array<number>(values.length);
  for (let from = 0; from < order.length; ) {
    let to = from;
    while (to < order.length && worth[order[to]] === worth[order[from]]) to++;
    for (let k = from; k < to; k++) result[order[k]] = (from + 1 + to) / 2;
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
  return positions[found].position;
}

const isScored = (value: number): boolean => !Number.isNaN(value);

/** The folds in which every position has a score: in others no label has foreground, and at most false positives were counted. */
const scoredFolds = (positions: readonly RankedPosition[]): readonly number[] =>
  (positions[0]?.folds ?? []).map((_, f) => f).filter(f => positions.every(p => isScored(p.folds[f])));

/** The rules that can choose among these scores; none where nothing could be scored. Rule 2 ranks, so it needs two folds. */
export const possibleRules = (positions: readonly RankedPosition[]): readonly ScoreRule[] =>
  positions.some(p => isScored(p.value)) ? (scoredFolds(positions).length > 1 ? [1, 2] : [1]) : [];

/** Why a rule cannot choose among these scores; undefined where it can. */
export function whyNot(positions: readonly RankedPosition[], rule: ScoreRule): string | undefined {
  const possible = possibleRules(positions);
  if (possible.includes(rule)) return undefined;
  if (possible.length === 0) {
    return 'No position has a score, because no validation image has foreground in its labels: no score can choose. Sweep with images that have some, or go by depth (rule 3), or name a --position.';
  }
  const folds = positions[0].folds.length;
  const fault =
    folds < 2
      ? noFolds
      : `only ${scoredFolds(positions).length} of ${folds} has images with foreground: spread those over the folds`;
  return ruleTwoText(fault);
}

const noFolds = 'the validation data has none: add an array `fold` (to a folder, splits_final.json)';
const ruleTwoText = (fault: string): string => `Rule 2 takes the mean rank over folds, and ${fault}, or use rule 1.`;

/** @throws SutureError `option-invalid` for a depth where no rule goes by it. */
export function requireDepthRule(rule: Rule | undefined, depth: number | undefined): void {
  if (depth === undefined || rule === 3) return;
  throw new SutureError('option-invalid', 'A depth goes with rule 3 alone: ask for that, or leave out the depth.');
}

/** Before anything is scored. @throws SutureError `option-invalid` where rule 2 has not two folds to rank in. */
export function requireFolds(fold: readonly number[] | undefined): void {
  if (new Set(fold).size < 2) throw new SutureError('option-invalid', ruleTwoText(noFolds));
}

/**
 * Rule 1, greedy: the best score (over all images; per fold in `perFold`). Rule 2, fold mean: the lowest mean rank over the folds
 * that have one; equal ones are told apart by the score over all images.
 *
 * @throws SutureError `option-invalid` where the rule cannot choose: nothing has a score, or rule 2 has not two folds to rank in.
 */
export function select(positions: readonly RankedPosition[], rule: ScoreRule, higherIsBetter: boolean): Selection {
  const problem = whyNot(positions, rule);
  if (problem !== undefined) throw new SutureError('option-invalid', problem);
  const overall = ranks(
    positions.map(p => p.value),
    higherIsBetter,
  );
  const foldRanks = scoredFolds(positions).map(f =>
    ranks(
      positions.map(p => p.folds[f]),
      higherIsBetter,
    ),
  );
  const meanRanks = positions.map((_, i) => foldRanks.reduce((sum, rank) => sum + rank[i], 0) / foldRanks.length);
  const perFold = foldRanks.map(rank =>
    best(
      positions,
      i => rank[i],
      i => overall[i],
    ),
  );
  const key = rule === 1 ? overall : meanRanks;
  const position = best(
    positions,
    i => key[i],
    i => overall[i],
  );
  return { rule, position, perFold: rule === 1 ? perFold : [], meanRanks: foldRanks.length > 0 ? meanRanks : [] };
}

/** By the rule that tells most: rule 2 where there are folds to rank in, else rule 1. @throws SutureError as {@link select}. */
export const selectBest = (positions: readonly RankedPosition[], higherIsBetter: boolean): Selection =>
  select(positions, possibleRules(positions).at(-1) ?? 1, higherIsBetter);

/**
 * Rule 3, by depth: the position that lies nearest to a depth; of equally near ones the last, which of the features of one layer is the
 * activation that the next one reads.
 */
export function selectByDepth(positions: readonly PlacedPosition[], depth = usualDepth): Selection {
  const nearest = positions.reduce((p, q) => (Math.abs(q.depth - depth) <= Math.abs(p.depth - depth) ? q : p));
  return { rule: 3, position: nearest.position, perFold: [], meanRanks: [], depth };
}
