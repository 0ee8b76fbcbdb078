import type { RowScorer } from './scores.ts';

/** Positions aligned with each other, both strictly increasing, and the sum of their scores. */
export interface Alignment {
  readonly rows: Int32Array;
  readonly columns: Int32Array;
  readonly score: number;
}

/** Blocks whose scores fill at most this many cells are solved with a table instead of being divided further. */
const TABLE_CELLS = 1 << 16;

/** The table of the block in hand, which is written anew for each: what it takes to make one is more than to fill it. */
const table = new Float64Array(TABLE_CELLS);

/**
 * The best total score of an alignment of all rows with all columns: a pair scores what `scorer` says, a gap scores 0.
 * One pass over the table, one row of it in memory.
 */
export function alignmentScore(scorer: RowScorer, rows: number, columns: number): number {
  const best = new Float64Array(columns + 1);
  const scores = new Float64Array(columns);
  forwardPass(scorer, 0, rows, 0, columns, best, scores);
  return best[columns];
}

/**
 * The best alignment itself, by Hirschberg's divide and conquer: the best way through the middle row is found from one
 * pass over the upper half, forwards, and one over the lower half, backwards; then both quarters that remain are solved
 * the same way. O(rows · columns) time, O(rows + columns) memory.
 *
 * Differs from the textbook in that pairs score by position instead of by equality of symbols, and that a pair that is
 * not allowed scores `-Infinity`, so that it can never be part of a maximum.
 *
 * Source: D. S. Hirschberg, "A linear space algorithm for computing maximal common subsequences", CACM 18(6), 1975.
 */
export function align(scorer: RowScorer, rows: number, columns: number): Alignment {
  const divided = (rows + 1) * (columns + 1) > TABLE_CELLS;
  const forward = new Float64Array(divided ? columns + 1 : 0);
  const backward = new Float64Array(forward.length);
  const scores = new Float64Array(columns);
  const chosenRows: number[] = [];
  const chosenColumns: number[] = [];
  let total = 0;
  // Blocks wait on a stack as (row from, row to, column from, column to), the uppermost on top.
  const stack: number[] = [0, rows, 0, columns];
  while (stack.length > 0) {
    const columnEnd = stack.pop()!;
    const columnStart = stack.pop()!;
    const rowEnd = stack.pop()!;
    const rowStart = stack.pop()!;
    const height = rowEnd - rowStart;
    const width = columnEnd - columnStart;
    if (height === 0 || width === 0) continue;
    if ((height + 1) * (width + 1) <= TABLE_CELLS) {
      total += alignBlock(rowStart, rowEnd, columnStart, columnEnd);
    } else if (height === 1) {
      total += bestOfRow(rowStart, columnStart, columnEnd);
    } else {
      const middle = rowStart + (height >> 1);
      forwardPass(scorer, rowStart, middle, columnStart, columnEnd, forward, scores);
      backwardPass(scorer, middle, rowEnd, columnStart, columnEnd, backward, scores);
      let split = 0;
      let splitScore = -Infinity;
      for (let j = 0; j <= width; j++) {
        const through = forward[j] + backward[j];
        if (through > splitScore) {
          splitScore = through;
          split = j;
        }
      }
      stack.push(middle, rowEnd, columnStart + split, columnEnd);
      stack.push(rowStart, middle, columnStart, columnStart + split);
    }
  }
  return { rows: Int32Array.from(chosenRows), columns: Int32Array.from(chosenColumns), score: total };

  function choose(row: number, column: number): void {
    chosenRows.push(row);
    chosenColumns.push(column);
  }

  /** The textbook's table; the way back follows from which neighbour a score came from. */
  function alignBlock(rowStart: number, rowEnd: number, columnStart: number, columnEnd: number): number {
    const width = columnEnd - columnStart;
    const stride = width + 1;
    table.fill(0, 0, stride);
    let base = 0;
    for (let row = rowStart; row < rowEnd; row++, base += stride) {
      table.copyWithin(base + stride, base, base + stride);
      addRow(scorer, row, columnStart, columnEnd, table, base + stride, scores);
    }
    const score = table[base + width];
    const firstOfBlock = chosenRows.length;
    let row = rowEnd - 1;
    let j = width;
    while (base > 0 && j > 0) {
      const here = table[base + j];
      if (here === table[base - stride + j]) {
        row--;
        base -= stride;
      } else if (here === table[base + j - 1]) j--;
      else {
        choose(row--, columnStart + --j);
        base -= stride;
      }
    }
    reverseTail(chosenRows, firstOfBlock);
    reverseTail(chosenColumns, firstOfBlock);
    return score;
  }

  function bestOfRow(row: number, columnStart: number, columnEnd: number): number {
    const from = Math.max(columnStart, scorer.spanStart[row]);
    const to = Math.min(columnEnd, scorer.spanEnd[row]);
    if (from >= to) return 0;
    scorer.fill(row, from, to, scores);
    let column = -1;
    let score = 0;
    for (let j = from; j < to; j++) {
      if (scores[j - from] > score) {
        score = scores[j - from];
        column = j;
      }
    }
    if (column >= 0) choose(row, column);
    return score;
  }
}

/** `best[j]`: the best score of the rows with the first `j` of the columns. */
function forwardPass(
  scorer: RowScorer,
  rowStart: number,
  rowEnd: number,
  columnStart: number,
  columnEnd: number,
  best: Float64Array,
  scores: Float64Array,
): void {
  best.fill(0, 0, columnEnd - columnStart + 1);
  for (let row = rowStart; row < rowEnd; row++) addRow(scorer, row, columnStart, columnEnd, best, 0, scores);
}

/**
 * Takes the best scores with the first columns, from `best[base]` on, one row further.
 *
 * A row changes nothing left of its first allowed column; right of its last one, a gain only moves on until the values of
 * the row before catch up. So rows cost what their allowed columns span, not the full width.
 */
function addRow(
  scorer: RowScorer,
  row: number,
  columnStart: number,
  columnEnd: number,
  best: Float64Array,
  base: number,
  scores: Float64Array,
): void {
  const from = Math.max(columnStart, scorer.spanStart[row]);
  const to = Math.min(columnEnd, scorer.spanEnd[row]);
  if (from >= to) return;
  scorer.fill(row, from, to, scores);
  const first = base + from - columnStart;
  const last = base + to - columnStart;
  let diagonal = best[first];
  let left = diagonal;
  for (let j = first; j < last; j++) {
    const up = best[j + 1];
    const paired = diagonal + scores[j - first];
    let value = up;
    if (left > value) value = left;
    if (paired > value) value = paired;
    diagonal = up;
    best[j + 1] = left = value;
  }
  const end = base + columnEnd - columnStart;
  for (let j = last + 1; j <= end && best[j] < left; j++) best[j] = left;
}

/** `best[j]`: the best score of the rows with all columns but the first `j`. The mirror image of {@link forwardPass}. */
function backwardPass(
  scorer: RowScorer,
  rowStart: number,
  rowEnd: number,
  columnStart: number,
  columnEnd: number,
  best: Float64Array,
  scores: Float64Array,
): void {
  const width = columnEnd - columnStart;
  best.fill(0, 0, width + 1);
  for (let row = rowEnd - 1; row >= rowStart; row--) {
    const from = Math.max(columnStart, scorer.spanStart[row]);
    const to = Math.min(columnEnd, scorer.spanEnd[row]);
    if (from >= to) continue;
    scorer.fill(row, from, to, scores);
    const first = from - columnStart;
    const last = to - columnStart;
    let diagonal = best[last];
    let right = diagonal;
    for (let j = last - 1; j >= first; j--) {
      const down = best[j];
      const paired = diagonal + scores[j - first];
      let value = down;
      if (right > value) value = right;
      if (paired > value) value = paired;
      diagonal = down;
      best[j] = right = value;
    }
    for (let j = first - 1; j >= 0 && best[j] < right; j--) best[j] = right;
  }
}

function reverseTail(list: number[], from: number): void {
  for (let i = from, j = list.length - 1; i < j; i++, j--) [list[i], list[j]] = [list[j], list[i]];
}
