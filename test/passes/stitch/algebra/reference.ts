/** Linear equations by textbook methods, to compare with. */

/** Rows x with `a x = b` for rows b of a matrix [rows, n]: Gauss-Jordan elimination with the largest pivot. `a` is [n, n]. */
export function solved(a: Float64Array, n: number, right: Float64Array, rows: number): Float64Array {
  const lines = Array.from({ length: n }, (_, i) => [
    ...a.subarray(i * n, (i + 1) * n),
    ...Array.from({ length: rows }, (_r, r) => right[r * n + i]),
  ]);
  for (let p = 0; p < n; p++) {
    let pivot = p;
    for (let i = p + 1; i < n; i++) if (Math.abs(lines[i][p]) > Math.abs(lines[pivot][p])) pivot = i;
    [lines[p], lines[pivot]] = [lines[pivot], lines[p]];
    for (let i = 0; i < n; i++) {
      if (i === p) continue;
      const factor = lines[i][p] / lines[p][p];
      for (let j = p; j < n + rows; j++) lines[i][j] -= factor * lines[p][j];
    }
  }
  const x = new Float64Array(rows * n);
  for (let r = 0; r < rows; r++) for (let i = 0; i < n; i++) x[r * n + i] = lines[i][n + r] / lines[i][i];
  return x;
}
