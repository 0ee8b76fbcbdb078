import { type Dag, distancesFrom, distancesTo } from './dag.ts';

/**
 * Positional progress of every vertex, `p = d_in / (d_in + d_out)`: `d_in` is the length of the shortest path from any
 * input, `d_out` that to any output. It is 0 at an input, 1 at an output, and comparable between networks of different
 * depth. A vertex that no input reaches or that reaches no output has no position: NaN.
 *
 * Source: "Stitching for Neuroevolution", arXiv 2403.14224.
 */
export function positionalProgress(dag: Dag, inputs: Iterable<number>, outputs: Iterable<number>): Float64Array {
  const fromInput = distancesFrom(dag, inputs);
  const toOutput = distancesTo(dag, outputs);
  const progress = new Float64Array(dag.size);
  for (let v = 0; v < dag.size; v++) {
    const before = fromInput[v];
    const after = toOutput[v];
    if (before < 0 || after < 0) progress[v] = Number.NaN;
    else progress[v] = before === 0 ? 0 : before / (before + after);
  }
  return progress;
}
