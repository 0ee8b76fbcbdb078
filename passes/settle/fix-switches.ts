import { pick } from '../../ir/evaluate/layout.ts';
import { inputAt, nodeWith, numbersOf, type Tensor } from '../../ir/index.ts';
import { inPlace, type Rule } from '../simplify/rule.ts';

/**
 * A switch with constant weights leaves out the sources that it gives no weight, and is a wire when one is left at weight one:
 *
 *     Switch([1, 0], %a, %stitched)          →  %a
 *     Switch([½, 0, ½], %a, %b, %c)          →  Switch([½, ½], %a, %c)
 */
export const fixSwitches: Rule = (node, to) => {
  if (node.op !== 'Switch') return undefined;
  const [given, ...features] = node.inputs;
  const weights = given!.constant;
  if (!weights) return undefined;
  const rows = rowsOf(weights);
  const used = rows.flatMap((row, s) => (row.every(w => w === 0) ? [] : [s]));
  if (used.length === 1 && rows[used[0]].every(w => w === 1)) return [inputAt(node, used[0] + 1)];
  if (used.length === features.length || used.length === 0) return undefined;
  const kept = to.constant(selected(weights, used), given!.name);
  return inPlace(to, nodeWith(node, { inputs: [kept, ...used.map(s => features[s])] }));
};

/** The weights of each source. */
export function rowsOf(weights: Tensor): readonly number[][] {
  const all = Array.from(numbersOf(weights));
  const [sources] = weights.shape;
  const length = all.length / sources;
  return Array.from({ length: sources }, (_, s) => all.slice(s * length, (s + 1) * length));
}

function selected(weights: Tensor, sources: readonly number[]): Tensor {
  const length = weights.data.length / weights.shape[0];
  const from = sources.flatMap(s => Array.from({ length }, (_, i) => s * length + i));
  return pick(weights, [sources.length, ...weights.shape.slice(1)], from);
}
