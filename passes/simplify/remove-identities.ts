import { numbersOf, sameType, type Value } from '../../ir/index.ts';
import { integersOf } from '../../ir/operator.ts';
import type { Rule } from './rule.ts';

/**
 * A node that gives its operand back is left out, bit for bit:
 *
 *     Identity(%x), Cast(%x) to its own dtype, Reshape(%x) to its own shape, Concat(%x), Pad(%x) by zeros,
 *     Transpose(%x) in its own order, Slice(%x) of everything, %x · 1, %x / 1, %x - 0, Where(true, %x, %y)   →  %x
 *
 * `%x + 0` is not among them: it makes +0 of -0.
 */
export const removeIdentities: Rule = node => {
  const kept = keptOperand(node);
  return kept && node.outputs.length === 1 && sameType(kept.type, node.outputs[0].type) ? [kept] : undefined;
};

/** The operand that the node gives back, provided that its type is the output's. */
function keptOperand(node: Parameters<Rule>[0]): Value | undefined {
  const [x, ...rest] = node.inputs;
  switch (node.op) {
    case 'Identity':
    case 'Cast':
    case 'Reshape':
    case 'Flatten':
    case 'Squeeze':
    case 'Unsqueeze':
    case 'Expand':
    case 'Tile':
      return x;
    case 'Concat':
    case 'Sum':
    case 'Max':
    case 'Min':
    case 'Mean':
      return rest.length === 0 ? x : undefined;
    case 'Transpose':
      return node.attributes.perm?.every((axis, i) => axis === i) ? x : undefined;
    case 'Pad':
      return integersOf(rest[0])?.every(p => p === 0) ? x : undefined;
    case 'Slice': {
      const [starts, , , steps] = rest;
      const whole = integersOf(starts)?.every(s => s === 0) && (!steps || integersOf(steps)?.every(s => s === 1));
      return whole ? x : undefined;
    }
    case 'Mul':
      return isAll(rest[0], 1) ? x : isAll(x, 1) ? rest[0] : undefined;
    case 'Div':
      return isAll(rest[0], 1) ? x : undefined;
    case 'Sub':
      return isAll(rest[0], 0) ? x : undefined;
    case 'Where':
      return isAll(x, 0) ? rest[1] : isAll(x, 1) ? rest[0] : undefined;
    case 'Switch': {
      // One source at weight one.
      const [only, ...more] = rest;
      return more.length === 0 && isAll(x, 1) ? only : undefined;
    }
    default:
      return undefined;
  }
}

function isAll(value: Value | undefined, number: number): boolean {
  if (!value?.constant || value.constant.data.length > 4096) return false;
  return Array.from(numbersOf(value.constant)).every(v => Object.is(v, number));
}
