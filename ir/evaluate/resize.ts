import { product, stridesOf } from '../numbers.ts';
import { resizedAxes } from '../ops/interpolation.ts';
import { exactNumbers, result } from './numbers.ts';
import type { EvaluationRule } from './rule.ts';

/** Interpolation axis by axis; what lies outside of a cropped region is filled at the end. */
export const resize: EvaluationRule<'Resize'> = ([x, roi, scales, sizes], attributes, [output]) => {
  const [values, ...operands] = [x, roi, scales, sizes].map(t => t && exactNumbers(t));
  if (!values) return undefined;
  const axes = resizedAxes(attributes, x!.shape, output.shape, {
    roi: operands[0],
    scales: operands[1],
    sizes: operands[2],
  });
  let now: ArrayLike<number> = values;
  const shape = [...x!.shape];
  for (const { axis, size, taps } of axes) {
    const inner = product(shape.slice(axis + 1));
    const outer = product(shape.slice(0, axis));
    const next = new Float64Array(outer * taps.length * inner);
    for (let o = 0; o < outer; o++) {
      for (const [at, list] of taps.entries()) {
        for (const { position, weight } of list ?? []) {
          const [from, to] = [(o * size + position) * inner, (o * taps.length + at) * inner];
          for (let i = 0; i < inner; i++) next[to + i] += weight * now[from + i];
        }
      }
    }
    shape[axis] = taps.length;
    now = next;
  }
  const done = Float64Array.from(now);
  const strides = stridesOf(shape);
  for (const { axis, taps } of axes) {
    if (taps.every(list => list !== undefined)) continue;
    for (let i = 0; i < done.length; i++) {
      if (!taps[Math.floor(i / strides[axis]) % taps.length]) done[i] = attributes.extrapolation_value;
    }
  }
  return result(output, done);
};
