import { isOp, nodeWith } from '../../ir/index.ts';
import { inPlace, producedBy, type Rule } from './rule.ts';

/**
 * Two transposes in a row become one (which `removeIdentities` leaves out when they cancel):
 *
 *     Transpose(Transpose(%x, p), q)   →  Transpose(%x, p∘q)
 */
export const mergeTransposes: Rule = (node, to) => {
  if (!isOp(node, 'Transpose')) return undefined;
  const inner = producedBy(to, node.inputs[0], 'Transpose');
  if (!inner) return undefined;
  const rank = node.outputs[0].type.shape.length;
  const [first, second] = [inner, node].map(n => n.attributes.perm ?? reversed(rank));
  const perm = second.map(axis => first[axis]);
  return inPlace(to, nodeWith(node, { inputs: inner.inputs, attributes: { perm } }));
};

const reversed = (rank: number): number[] => Array.from({ length: rank }, (_, i) => rank - 1 - i);
