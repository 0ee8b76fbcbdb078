/**
 * Cholesky's decomposition and its triangular solves by tiles, in place. Both are generators that stop after each tile, some
 * milliseconds of work at most, and say how many multiplications they have done since.
 */
import { addProduct, type Block, tile } from './product.ts';

/** Work that stops now and then, and says how many multiplications it has done since the stop before. */
export type Steps<T> = Generator<number, T, void>;

/** Work without stops. */
export function withoutStops<T>(steps: Steps<T>): T {
  let { done, value } = steps.next();
  while (!done) ({ done, value } = steps.next());
  return value as T;
}

/**
 * Replaces a symmetric matrix [n, n], of which the lower triangle is read, by its factor L with `L Lᵀ = a`: L in the lower
 * triangle, Lᵀ in the upper. Returns false where the matrix is not positive definite, and has then lost its contents; a pivot that is
 * NaN counts as that.
 */
export function* decompose(a: Float64Array, n: number): Steps<boolean> {
  const at = (i: number, j: number): Block => ({ data: a, at: i * n + j, stride: n });
  for (let j = 0; j < n; j += tile) {
    const columns = Math.min(tile, n - j);
    for (let i = j; i < n; i += tile) {
      const rows = Math.min(tile, n - i);
      addProduct(at(i, j), -1, at(i, 0), at(j, 0), rows, columns, j);
      if (i === j) {
        if (!decomposeTile(a, n, j, columns)) return false;
      } else solveTile(at(i, j), rows, at(j, j), columns);
      mirror(a, n, i, j, rows, columns);
      yield rows * columns * (j + tile);
    }
  }
  return true;
}

/** Copies a tile to the other side of the diagonal; of a tile on the diagonal, what is below it. */
function mirror(a: Float64Array, n: number, i: number, j: number, rows: number, columns: number): void {
  for (let c = 0; c < columns; c++) {
    for (let r = i === j ? c + 1 : 0; r < rows; r++) a[(j + c) * n + i + r] = a[(i + r) * n + j + c];
  }
}

/** The factor of the tile at (j, j), on and below the diagonal. */
function decomposeTile(a: Float64Array, n: number, j: number, columns: number): boolean {
  for (let r = j; r < j + columns; r++) {
    for (let c = j; c <= r; c++) {
      let sum = a[r * n + c];
      for (let k = j; k < c; k++) sum -= a[r * n + k] * a[c * n + k];
      if (c < r) a[r * n + c] = sum / a[c * n + c];
      else if (sum > 0) a[r * n + r] = Math.sqrt(sum);
      else return false;
    }
  }
  return true;
}

/** `x ← x L⁻ᵀ` for rows of x, L a lower triangle of `size`. */
function solveTile(x: Block, rows: number, lower: Block, size: number): void {
  for (let r = 0; r < rows; r++) {
    const row = x.at + r * x.stride;
    for (let j = 0; j < size; j++) {
      const factor = lower.at + j * lower.stride;
      let sum = x.data[row + j];
      for (let k = 0; k < j; k++) sum -= x.data[row + k] * lower.data[factor + k];
      x.data[row + j] = sum / lower.data[factor + j];
    }
  }
}

/** `x ← x U⁻ᵀ` for rows of x, U an upper triangle of `size`. */
function solveTileBackwards(x: Block, rows: number, upper: Block, size: number): void {
  for (let r = 0; r < rows; r++) {
    const row = x.at + r * x.stride;
    for (let j = size - 1; j >= 0; j--) {
      const factor = upper.at + j * upper.stride;
      let sum = x.data[row + j];
      for (let k = j + 1; k < size; k++) sum -= x.data[row + k] * upper.data[factor + k];
      x.data[row + j] = sum / upper.data[factor + j];
    }
  }
}

/** Replaces each of the rows b of a matrix [rows, n] by `(L Lᵀ)⁻¹ b`, where `factor` is what `decompose` left. */
export function* solveRows(factor: Float64Array, n: number, x: Float64Array, rows: number): Steps<void> {
  const at = (data: Float64Array, i: number, j: number): Block => ({ data, at: i * n + j, stride: n });
  // Row by row of tiles: the part of x that is worked on stays in a cache, and the factor streams through.
  for (let i = 0; i < rows; i += tile) {
    const height = Math.min(tile, rows - i);
    for (let j = 0; j < n; j += tile) {
      const width = Math.min(tile, n - j);
      addProduct(at(x, i, j), -1, at(x, i, 0), at(factor, j, 0), height, width, j);
      solveTile(at(x, i, j), height, at(factor, j, j), width);
      yield height * width * (j + tile / 2);
    }
    for (let end = n; end > 0; end -= end % tile || tile) {
      const width = end % tile || tile;
      const j = end - width;
      addProduct(at(x, i, j), -1, at(x, i, end), at(factor, j, end), height, width, n - end);
      solveTileBackwards(at(x, i, j), height, at(factor, j, j), width);
      yield height * width * (n - end + tile / 2);
    }
  }
}
