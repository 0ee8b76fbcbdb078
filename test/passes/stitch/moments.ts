import type { Matrix, PairMoments } from '../../../passes/index.ts';

/** The moments of samples, one row for each, in double precision and in two passes. */
export function momentsOf(x: Matrix, y: Matrix): PairMoments {
  const [meanX, meanY] = [x, y].map(({ rows, columns, data }) =>
    Float64Array.from({ length: columns }, (_, j) => {
      let sum = 0;
      for (let i = 0; i < rows; i++) sum += data[i * columns + j];
      return sum / rows;
    }),
  );
  const covariance = (q: Matrix, mean: Float64Array): Matrix => {
    const data = new Float64Array(x.columns * q.columns);
    for (let r = 0; r < x.rows; r++) {
      for (let i = 0; i < x.columns; i++) {
        const apart = (x.data[r * x.columns + i] - meanX[i]) / x.rows;
        for (let j = 0; j < q.columns; j++) data[i * q.columns + j] += apart * (q.data[r * q.columns + j] - mean[j]);
      }
    }
    return { rows: x.columns, columns: q.columns, data };
  };
  return { meanX, meanY, xx: covariance(x, meanX), xy: covariance(y, meanY) };
}
