import { type AnyNode, isFloat, isOp, nodeWith, numbersOf } from '../../ir/index.ts';
import { integersOf, normalizeAxis } from '../../ir/operator.ts';
import { inPlace, producedBy, type Rule } from './rule.ts';

/**
 * A Pad with zeros along the spatial axes becomes the padding of what reads it, where that means the same:
 *
 *     Conv(Pad(%x, 1 all around)) {pads = [0, 0, 0, 0]}          →  Conv(%x) {pads = [1, 1, 1, 1]}
 *     AveragePool(Pad(%x)) without padding of its own            →  AveragePool(%x) {count_include_pad = 1}
 *
 * MaxPool pads with the lowest number, so there the Pad must do so too.
 */
export const foldPads: Rule = (node, to) => {
  if (!isOp(node, 'Conv') && !isOp(node, 'MaxPool') && !isOp(node, 'AveragePool')) return undefined;
  const pad = producedBy(to, node.inputs[0], 'Pad');
  const added = pad && spatialPads(pad, isOp(node, 'MaxPool') ? Number.NEGATIVE_INFINITY : 0);
  if (!added) return undefined;
  const { auto_pad } = node.attributes;
  if (auto_pad !== 'NOTSET' && auto_pad !== 'VALID') return undefined;
  const own = auto_pad === 'VALID' ? undefined : node.attributes.pads;
  // The rule for a last window beyond the input depends on whose padding it is.
  if (!isOp(node, 'Conv') && node.attributes.ceil_mode) return undefined;
  if (isOp(node, 'AveragePool') && !node.attributes.count_include_pad && own?.some(p => p !== 0)) return undefined;
  const pads = added.map((p, i) => p + (own?.[i] ?? 0));
  const counting = isOp(node, 'AveragePool') ? { count_include_pad: 1 } : {};
  return inPlace(
    to,
    nodeWith(node, {
      inputs: [pad.inputs[0], ...node.inputs.slice(1)],
      attributes: { ...node.attributes, ...counting, auto_pad: 'NOTSET', pads },
    }),
  );
};

/** Begins, then ends, of the spatial axes; undefined when the Pad does anything else. */
function spatialPads(pad: Extract<AnyNode, { op: 'Pad' }>, wanted: number): readonly number[] | undefined {
  const [x, pads, fill, axes] = pad.inputs;
  const by = integersOf(pads);
  const rank = x!.type.shape.length;
  if (!by || rank < 3 || pad.attributes.mode !== 'constant' || !isFloat(x!.type.dtype)) return undefined;
  const value = fill ? fill.constant && numbersOf(fill.constant)[0] : 0;
  if (value !== wanted) return undefined;
  const along = axes ? integersOf(axes)?.map(a => normalizeAxis(a, rank)) : Array.from({ length: rank }, (_, i) => i);
  if (!along) return undefined;
  const full = Array<number>(2 * rank).fill(0);
  along.forEach((axis, i) => {
    full[axis] = by[i];
    full[rank + axis] = by[along.length + i];
  });
  const outside = [...full.slice(0, 2), ...full.slice(rank, rank + 2)];
  const inside = [...full.slice(2, rank), ...full.slice(rank + 2)];
  return outside.every(p => p === 0) && inside.every(p => p >= 0) && inside.some(p => p > 0) ? inside : undefined;
}
