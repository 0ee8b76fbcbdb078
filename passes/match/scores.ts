/**
 * What a pair of vertices is worth, and which pairs are allowed at all.
 *
 * The matchers ask for scores in three ways only: one pair, one row of a rearranged table (the inner loop of every
 * alignment), and the whole thing under other vertex numbers. Two implementations serve all of method and tests:
 * scores that follow from structure (compatibility class and positional progress: linear memory), and a plain table.
 */
export interface PairScores {
  /** Number of vertices of A. */
  readonly rows: number;
  /** Number of vertices of B. */
  readonly columns: number;
  /** Score of pairing `a` with `b`; `-Infinity` where the pair is not allowed. */
  at(a: number, b: number): number;
  /** The table with A's vertices taken in the order `rowOrder` and B's in the order `columnOrder`. */
  arrange(rowOrder: Int32Array, columnOrder: Int32Array): RowScorer;
  /** The same scores for renumbered vertices: new row `i` is old row `rowOrder[i]`, and so for the columns. */
  relabel(rowOrder: Int32Array, columnOrder: Int32Array): PairScores;
  /** A and B exchanged. */
  transpose(): PairScores;
  /**
   * Values that say what A's vertex `a` is to the scores, whatever the vertices of B are called: two vertices of one
   * graph with different signatures differ, and a renumbering does not change them.
   */
  rowSignature(a: number): readonly number[];
  /** Does A's vertex `a` occur in any allowed pair? */
  rowAllowed(a: number): boolean;
}

/** One row of an arranged table at a time. */
export interface RowScorer {
  /** No column left of `spanStart[row]` or from `spanEnd[row]` on is allowed in that row. */
  readonly spanStart: Int32Array;
  readonly spanEnd: Int32Array;
  /** Writes the scores of row `row` in columns `from .. to - 1` to `out[0 ..]`; `-Infinity` where not allowed. */
  fill(row: number, from: number, to: number, out: Float64Array): void;
}

/** How the distance of two positions lowers a score: `1 - ½·Δp²` (the default) or `1 - |Δp|`. */
export const positionMetrics = ['quadratic', 'linear'] as const;
export type PositionMetric = (typeof positionMetrics)[number];

/** What {@link progressScores} needs to know of one graph. */
export interface ScoredSide {
  /**
   * Compatibility class of every vertex; two vertices may be paired iff their classes are equal and not negative. The
   * numbers must follow from what the classes are, not from the order in which a file mentions them.
   */
  readonly classes: Int32Array;
  /** Positional progress of every vertex. */
  readonly progress: Float64Array;
}

/** Scores by compatibility class and positional progress. Memory: linear in the number of vertices. */
export function progressScores(a: ScoredSide, b: ScoredSide, metric: PositionMetric = 'quadratic'): PairScores {
  return new ProgressScores(a, b, metric);
}

/**
 * Scores from a table of `rows × columns` values, row by row. NaN and `-Infinity` mean: not allowed.
 */
export function matrixScores(rows: number, columns: number, values: Float64Array): PairScores {
  if (values.length !== rows * columns) {
    throw new RangeError(`A ${rows} x ${columns} score table needs ${rows * columns} values, not ${values.length}.`);
  }
  return new MatrixScores(
    rows,
    columns,
    values.map(value => (Number.isNaN(value) ? -Infinity : value)),
  );
}

/**
 * The predecessors' score `½ + ½·similarity·(1 − Δp²)` with a real representation similarity in 0 .. 1 (linear CKA on
 * sample data, say), given for every pair of equal class. Memory: one number per pair of vertices.
 */
export function similarityScores(
  a: ScoredSide,
  b: ScoredSide,
  similarity: (a: number, b: number) => number,
): PairScores {
  const rows = a.classes.length;
  const columns = b.classes.length;
  const values = new Float64Array(rows * columns).fill(-Infinity);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      if (a.classes[i] < 0 || a.classes[i] !== b.classes[j]) continue;
      const distance = a.progress[i] - b.progress[j];
      values[i * columns + j] = 0.5 + 0.5 * similarity(i, j) * (1 - distance * distance);
    }
  }
  return matrixScores(rows, columns, values);
}

class ProgressScores implements PairScores {
  readonly rows: number;
  readonly columns: number;
  readonly #a: ScoredSide;
  readonly #b: ScoredSide;
  readonly #metric: PositionMetric;
  readonly #classesOfB: ReadonlySet<number>;

  constructor(a: ScoredSide, b: ScoredSide, metric: PositionMetric) {
    this.rows = a.classes.length;
    this.columns = b.classes.length;
    this.#a = a;
    this.#b = b;
    this.#metric = metric;
    this.#classesOfB = new Set(b.classes);
  }

  at(a: number, b: number): number {
    const kind = this.#a.classes[a];
    if (kind < 0 || kind !== this.#b.classes[b]) return -Infinity;
    const distance = this.#a.progress[a] - this.#b.progress[b];
    return this.#metric === 'quadratic' ? 1 - 0.5 * distance * distance : 1 - Math.abs(distance);
  }

  arrange(rowOrder: Int32Array, columnOrder: Int32Array): RowScorer {
    const rowSide = takeSide(this.#a, rowOrder);
    const columnSide = takeSide(this.#b, columnOrder);
    return this.#metric === 'quadratic' ? new QuadraticRows(rowSide, columnSide) : new LinearRows(rowSide, columnSide);
  }

  relabel(rowOrder: Int32Array, columnOrder: Int32Array): PairScores {
    return new ProgressScores(takeSide(this.#a, rowOrder), takeSide(this.#b, columnOrder), this.#metric);
  }

  transpose(): PairScores {
    return new ProgressScores(this.#b, this.#a, this.#metric);
  }

  rowSignature(a: number): readonly number[] {
    return [this.#a.classes[a], this.#a.progress[a]];
  }

  rowAllowed(a: number): boolean {
    return this.#a.classes[a] >= 0 && this.#classesOfB.has(this.#a.classes[a]);
  }
}

function takeSide(side: ScoredSide, order: Int32Array): ScoredSide {
  const classes = new Int32Array(order.length);
  const progress = new Float64Array(order.length);
  for (let i = 0; i < order.length; i++) {
    classes[i] = side.classes[order[i]];
    progress[i] = side.progress[order[i]];
  }
  return { classes, progress };
}

abstract class StructuredRows implements RowScorer {
  readonly spanStart: Int32Array;
  readonly spanEnd: Int32Array;
  protected readonly rowSide: ScoredSide;
  protected readonly columnSide: ScoredSide;

  constructor(rowSide: ScoredSide, columnSide: ScoredSide) {
    this.rowSide = rowSide;
    this.columnSide = columnSide;
    const start = new Map<number, number>();
    const end = new Map<number, number>();
    for (let j = 0; j < columnSide.classes.length; j++) {
      const kind = columnSide.classes[j];
      if (kind < 0) continue;
      if (!start.has(kind)) start.set(kind, j);
      end.set(kind, j + 1);
    }
    const rows = rowSide.classes.length;
    this.spanStart = new Int32Array(rows);
    this.spanEnd = new Int32Array(rows);
    for (let i = 0; i < rows; i++) {
      this.spanStart[i] = start.get(rowSide.classes[i]) ?? 0;
      this.spanEnd[i] = end.get(rowSide.classes[i]) ?? 0;
    }
  }

  abstract fill(row: number, from: number, to: number, out: Float64Array): void;
}

class QuadraticRows extends StructuredRows {
  fill(row: number, from: number, to: number, out: Float64Array): void {
    const { classes, progress } = this.columnSide;
    const kind = this.rowSide.classes[row];
    const position = this.rowSide.progress[row];
    for (let j = from; j < to; j++) {
      const distance = position - progress[j];
      out[j - from] = classes[j] === kind ? 1 - 0.5 * distance * distance : -Infinity;
    }
  }
}

class LinearRows extends StructuredRows {
  fill(row: number, from: number, to: number, out: Float64Array): void {
    const { classes, progress } = this.columnSide;
    const kind = this.rowSide.classes[row];
    const position = this.rowSide.progress[row];
    for (let j = from; j < to; j++) {
      out[j - from] = classes[j] === kind ? 1 - Math.abs(position - progress[j]) : -Infinity;
    }
  }
}

/** A table of which rows and columns are taken in any order. */
class MatrixRows implements RowScorer {
  readonly spanStart: Int32Array;
  readonly spanEnd: Int32Array;
  readonly #values: Float64Array;
  readonly #width: number;
  readonly #rowOrder: Int32Array;
  readonly #columnOrder: Int32Array;

  constructor(values: Float64Array, width: number, rowOrder: Int32Array, columnOrder: Int32Array) {
    this.#values = values;
    this.#width = width;
    this.#rowOrder = rowOrder;
    this.#columnOrder = columnOrder;
    this.spanStart = new Int32Array(rowOrder.length);
    this.spanEnd = new Int32Array(rowOrder.length);
    for (let i = 0; i < rowOrder.length; i++) {
      const base = rowOrder[i] * width;
      let end = columnOrder.length;
      while (end > 0 && values[base + columnOrder[end - 1]] === -Infinity) end--;
      let start = 0;
      while (start < end && values[base + columnOrder[start]] === -Infinity) start++;
      // A row that allows nothing begins and ends at 0.
      this.spanStart[i] = start;
      this.spanEnd[i] = end;
    }
  }

  fill(row: number, from: number, to: number, out: Float64Array): void {
    const base = this.#rowOrder[row] * this.#width;
    for (let j = from; j < to; j++) out[j - from] = this.#values[base + this.#columnOrder[j]];
  }
}

class MatrixScores implements PairScores {
  readonly rows: number;
  readonly columns: number;
  readonly #values: Float64Array;

  constructor(rows: number, columns: number, values: Float64Array) {
    this.rows = rows;
    this.columns = columns;
    this.#values = values;
  }

  at(a: number, b: number): number {
    return this.#values[a * this.columns + b];
  }

  arrange(rowOrder: Int32Array, columnOrder: Int32Array): RowScorer {
    return new MatrixRows(this.#values, this.columns, rowOrder, columnOrder);
  }

  relabel(rowOrder: Int32Array, columnOrder: Int32Array): PairScores {
    const values = new Float64Array(rowOrder.length * columnOrder.length);
    let next = 0;
    for (const a of rowOrder) for (const b of columnOrder) values[next++] = this.at(a, b);
    return new MatrixScores(rowOrder.length, columnOrder.length, values);
  }

  transpose(): PairScores {
    const values = new Float64Array(this.#values.length);
    let next = 0;
    for (let b = 0; b < this.columns; b++) for (let a = 0; a < this.rows; a++) values[next++] = this.at(a, b);
    return new MatrixScores(this.columns, this.rows, values);
  }

  rowSignature(a: number): readonly number[] {
    return [...this.#values.slice(a * this.columns, (a + 1) * this.columns).sort()];
  }

  rowAllowed(a: number): boolean {
    for (let b = 0; b < this.columns; b++) if (this.at(a, b) !== -Infinity) return true;
    return false;
  }
}
