/**
 * The assignment of rows to columns with the largest sum, in O(n³): the Hungarian method with potentials (Kuhn 1955, Munkres 1957).
 *
 * @param gains square, finite.
 * @returns for each row its column.
 */
export function bestAssignment(gains: readonly (readonly number[])[]): readonly number[] {
  const n = gains.length;
  // From 1, so that 0 stands for none. Costs are gains negated.
  const [ofRow, ofColumn] = [new Float64Array(n + 1), new Float64Array(n + 1)];
  const rowAt = new Int32Array(n + 1);
  for (let row = 1; row <= n; row++) {
    const least = new Float64Array(n + 1).fill(Infinity);
    const before = new Int32Array(n + 1);
    const seen = new Uint8Array(n + 1);
    rowAt[0] = row;
    let column = 0;
    do {
      seen[column] = 1;
      const from = rowAt[column];
      let [delta, next] = [Infinity, 0];
      for (let j = 1; j <= n; j++) {
        if (seen[j]) continue;
        const cost = -gains[from - 1][j - 1] - ofRow[from] - ofColumn[j];
        if (cost < least[j]) {
          least[j] = cost;
          before[j] = column;
        }
        if (least[j] < delta) [delta, next] = [least[j], j];
      }
      for (let j = 0; j <= n; j++) {
        if (seen[j]) {
          ofRow[rowAt[j]] += delta;
          ofColumn[j] -= delta;
        } else least[j] -= delta;
      }
      column = next;
    } while (rowAt[column] !== 0);
    while (column !== 0) {
      const previous = before[column];
      rowAt[column] = rowAt[previous];
      column = previous;
    }
  }
  const columns = Array<number>(n).fill(0);
  for (let j = 1; j <= n; j++) columns[rowAt[j] - 1] = j - 1;
  return columns;
}
