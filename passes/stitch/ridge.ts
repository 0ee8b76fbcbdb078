/** Closed-form stitches: ridge least squares from second moments, in double precision. */
import { SutureError } from '../../ir/index.ts';

/** A dense row-major matrix. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float64Array;
}

/** What is known of two features x (the source) and y (the target) over the same places. */
export interface PairMoments {
  readonly meanX: Float64Array;
  readonly meanY: Float64Array;
  /** Covariance of x with itself, [C_x, C_x]. */
  readonly xx: Matrix;
  /** Covariance of x with y, [C_x, C_y]. */
  readonly xy: Matrix;
}

export interface AffineMap {
  /** [C_y, C_x] */
  readonly weight: Float64Array;
  /** [C_y] */
  readonly bias: Float64Array;
}

/**
 * The affine map with the least `E|W x + b - y|² + λ · |W|²`, where λ is `lambda` times the mean variance of x's channels: the
 * normal equations `(cov(x, x) + λ I) Wᵀ = cov(x, y)` by Cholesky's decomposition.
 *
 * @throws SutureError `loss-not-finite` when the moments hold NaN or infinity.
 */
export function ridge({ meanX, meanY, xx, xy }: PairMoments, lambda = 1e-3): AffineMap {
  const [c, m] = [xx.rows, xy.columns];
  let trace = 0;
  for (let i = 0; i < c; i++) trace += xx.data[i * c + i];
  // A feature that never varies gives a zero matrix; any positive shift then yields W = 0 and b = the target's mean.
  let shift = lambda * (trace / c) || 1;
  let factor = cholesky(xx, shift);
  // Rounding of nearly dependent channels may leave the matrix indefinite by more than the shift.
  while (!factor) {
    shift = Math.max(shift * 10, 1e-12 * (trace / c));
    factor = cholesky(xx, shift);
  }
  const solution = solve(factor, xy);
  const weight = new Float64Array(m * c);
  const bias = Float64Array.from(meanY);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < c; j++) {
      weight[i * c + j] = solution[j * m + i];
      bias[i] -= weight[i * c + j] * meanX[j];
    }
  }
  return { weight, bias };
}

/** The lower triangle L with `L Lᵀ = symmetric part of a + shift · I`; undefined when that is not positive definite. */
function cholesky(a: Matrix, shift: number): Float64Array | undefined {
  const n = a.rows;
  const lower = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = (a.data[i * n + j] + a.data[j * n + i]) / 2 + (i === j ? shift : 0);
      for (let k = 0; k < j; k++) sum -= lower[i * n + k] * lower[j * n + k];
      if (i !== j) lower[i * n + j] = sum / lower[j * n + j];
      else if (sum > 0) lower[i * n + i] = Math.sqrt(sum);
      else if (Number.isNaN(sum)) throw notFinite();
      else return undefined;
    }
  }
  return lower;
}

/** `(L Lᵀ)⁻¹ right`, row-major. */
function solve(lower: Float64Array, right: Matrix): Float64Array {
  const { rows: n, columns: m } = right;
  const x = Float64Array.from(right.data);
  for (let i = 0; i < n; i++) {
    for (let c = 0; c < m; c++) {
      let sum = x[i * m + c];
      for (let k = 0; k < i; k++) sum -= lower[i * n + k] * x[k * m + c];
      x[i * m + c] = sum / lower[i * n + i];
    }
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let c = 0; c < m; c++) {
      let sum = x[i * m + c];
      for (let k = i + 1; k < n; k++) sum -= lower[k * n + i] * x[k * m + c];
      x[i * m + c] = sum / lower[i * n + i];
    }
  }
  return x;
}

const notFinite = (): SutureError =>
  new SutureError(
    'loss-not-finite',
    'A feature of a parent is NaN or infinite on the training data, so no stitch can be fitted to it: check the data and its scale.',
  );
