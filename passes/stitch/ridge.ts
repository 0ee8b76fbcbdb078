/** Closed-form stitches: ridge least squares in double precision, from second moments or from the samples themselves. */
import { SutureError } from '../../ir/index.ts';
import { decompose, type Steps, solveRows, withoutStops } from './algebra/cholesky.ts';
import { addProduct, tile } from './algebra/product.ts';

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

/** Two features at the same places, one row for each place. */
export interface PairSamples {
  /** [rows, C_x] */
  readonly x: Matrix;
  /** [rows, C_y] */
  readonly y: Matrix;
}

export interface AffineMap {
  /** [C_y, C_x] */
  readonly weight: Float64Array;
  /** [C_y] */
  readonly bias: Float64Array;
}

/** λ of a stitch, as a part of the mean variance of the channels of its source. */
const usualLambda = 1e-3;

/**
 * The affine map with the least `E|W x + b - y|² + λ · |W|²`, where λ is `lambda` times the mean variance of x's channels: the
 * normal equations `(cov(x, x) + λ I) Wᵀ = cov(x, y)` by Cholesky's decomposition.
 *
 * @throws SutureError `loss-not-finite` when the moments hold NaN or infinity.
 */
export const ridge = (moments: PairMoments, lambda = usualLambda): AffineMap =>
  withoutStops(ridgeOfMoments(moments, lambda));

/** The work of {@link ridge}, with stops. */
export function* ridgeOfMoments({ meanX, meanY, xx, xy }: PairMoments, lambda = usualLambda): Steps<AffineMap> {
  const [c, m] = [xx.rows, xy.columns];
  const factor = yield* shifted(xx, lambda, meanOfDiagonal(xx));
  const weight = transposed(xy).data;
  yield* solveRows(factor, c, weight, m);
  return { weight, bias: biasOf(weight, meanX, meanY) };
}

/**
 * The same map from the samples, for which as many equations are solved as there are rows, and not as there are channels in x: the
 * dual form. With x and y the centred features, `Wᵀ = xᵀ (x xᵀ + rows · λ I)⁻¹ y` is what the normal equations give, because
 * `(xᵀx + s I) xᵀ = xᵀ (x xᵀ + s I)`. W has no higher rank than there are rows.
 *
 * @throws SutureError `loss-not-finite` when the samples hold NaN or infinity.
 */
export function* ridgeOfSamples({ x, y }: PairSamples, lambda = usualLambda): Steps<AffineMap> {
  const [rows, c, m] = [x.rows, x.columns, y.columns];
  const [p, q] = [centred(x), centred(y)];
  const gram: Matrix = { rows, columns: rows, data: new Float64Array(rows * rows) };
  yield* addProducts(gram, 1 / rows, p.rest, p.rest);
  // The mean variance of the channels, for λ is of them.
  const factor = yield* shifted(gram, lambda, (meanOfDiagonal(gram) * rows) / c);
  const dual = transposed(q.rest);
  yield* solveRows(factor, rows, dual.data, m);
  const weight: Matrix = { rows: m, columns: c, data: new Float64Array(m * c) };
  yield* addProducts(weight, 1 / rows, dual, transposed(p.rest));
  return { weight: weight.data, bias: biasOf(weight.data, p.mean, q.mean) };
}

/** Multiplications of `ridgeOfMoments`, or of `ridgeOfSamples` where the number of rows is given, for maps from c to m channels. */
export function ridgeWork(c: number, m: number, rows?: number): number {
  const solved = (n: number): number => n ** 3 / 6 + m * n ** 2;
  return rows === undefined ? solved(c) : solved(rows) + rows * c * (rows + m);
}

/**
 * The factor of `a + λ I`, where λ is `lambda · variance`, or more where rounding of nearly dependent channels leaves that
 * indefinite.
 */
function* shifted(a: Matrix, lambda: number, variance: number): Steps<Float64Array> {
  if (!Number.isFinite(variance)) throw notFinite();
  const n = a.rows;
  // A feature that never varies gives a zero matrix; any positive shift then yields W = 0 and b = the target's mean.
  let shift = lambda * variance || 1;
  const factor = new Float64Array(n * n);
  for (;;) {
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < i; j++) factor[i * n + j] = (a.data[i * n + j] + a.data[j * n + i]) / 2;
      factor[i * n + i] = a.data[i * n + i] + shift;
    }
    if (yield* decompose(factor, n)) return factor;
    for (let i = 0; i < n * n; i++) if (!Number.isFinite(a.data[i])) throw notFinite();
    shift = Math.max(shift * 10, 1e-12 * variance);
  }
}

function meanOfDiagonal({ rows: n, data }: Matrix): number {
  let trace = 0;
  for (let i = 0; i < n; i++) trace += data[i * n + i];
  return trace / n;
}

/** `c ← c + factor · a bᵀ`, with a stop after every tile of c. */
function* addProducts(c: Matrix, factor: number, a: Matrix, b: Matrix): Steps<void> {
  for (let i = 0; i < c.rows; i += tile) {
    const rows = Math.min(tile, c.rows - i);
    for (let j = 0; j < c.columns; j += tile) {
      const columns = Math.min(tile, c.columns - j);
      const to = { data: c.data, at: i * c.columns + j, stride: c.columns };
      const left = { data: a.data, at: i * a.columns, stride: a.columns };
      const right = { data: b.data, at: j * b.columns, stride: b.columns };
      addProduct(to, factor, left, right, rows, columns, a.columns);
      yield rows * columns * a.columns;
    }
  }
}

/** The mean of the rows, and what is left of them without it. */
function centred({ rows, columns, data }: Matrix): { readonly mean: Float64Array; readonly rest: Matrix } {
  const mean = new Float64Array(columns);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) mean[j] += data[i * columns + j] / rows;
  const rest = new Float64Array(data.length);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) rest[i * columns + j] = data[i * columns + j] - mean[j];
  }
  return { mean, rest: { rows, columns, data: rest } };
}

/** In squares of a tile, so that neither side walks memory in long strides. */
function transposed({ rows, columns, data }: Matrix): Matrix {
  const to = new Float64Array(data.length);
  for (let i = 0; i < rows; i += tile) {
    for (let j = 0; j < columns; j += tile) {
      const [bottom, end] = [Math.min(rows, i + tile), Math.min(columns, j + tile)];
      for (let r = i; r < bottom; r++) for (let c = j; c < end; c++) to[c * rows + r] = data[r * columns + c];
    }
  }
  return { rows: columns, columns: rows, data: to };
}

/** `meanY - W meanX`. A weight that is not finite shows here. */
function biasOf(weight: Float64Array, meanX: Float64Array, meanY: Float64Array): Float64Array {
  const bias = Float64Array.from(meanY);
  const c = meanX.length;
  for (let i = 0; i < bias.length; i++) {
    let sum = 0;
    for (let j = 0; j < c; j++) sum += weight[i * c + j] * meanX[j];
    bias[i] -= sum;
    if (!Number.isFinite(bias[i])) throw notFinite();
  }
  return bias;
}

const notFinite = (): SutureError =>
  new SutureError(
    'loss-not-finite',
    'A feature of a parent is NaN or infinite on the training data, so no stitch can be fitted to it: check the data and its scale.',
  );
