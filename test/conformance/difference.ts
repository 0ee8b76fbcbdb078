/** How tests compare tensors: what executors computed with what they should have. */
import { numbersOf, type Tensor } from '../../ir/tensor.ts';
import { isFloat } from '../../ir/type.ts';

/** How far a float may be from the expected one: `absolute + relative · |expected|`. Other dtypes must be equal. */
export interface Tolerance {
  readonly relative: number;
  readonly absolute: number;
}

/** How two tensors differ; undefined when they agree. NaN agrees with NaN only, an infinity with the same infinity only. */
export function differenceOf(actual: Tensor, expected: Tensor, { relative, absolute }: Tolerance): string | undefined {
  if (actual.dtype !== expected.dtype) return `is ${actual.dtype}, not ${expected.dtype}`;
  if (actual.shape.join() !== expected.shape.join()) return `has shape [${actual.shape}], not [${expected.shape}]`;
  if (!isFloat(expected.dtype)) return differenceOfIntegers(actual.data, expected.data);
  // Sixteen-bit floats have eleven and eight bits of precision.
  const unit = expected.dtype === 'float16' ? 2 ** -10 : expected.dtype === 'bfloat16' ? 2 ** -7 : 0;
  const slack = { relative: Math.max(relative, unit), absolute: Math.max(absolute, unit) };
  const [a, b] = [numbersOf(actual), numbersOf(expected)];
  for (let i = 0; i < b.length; i++) {
    if (Object.is(a[i], b[i]) || a[i] === b[i]) continue;
    const near = Number.isFinite(b[i]) && Math.abs(a[i] - b[i]) <= slack.absolute + slack.relative * Math.abs(b[i]);
    if (!near) return `element ${i} is ${a[i]}, not ${b[i]}`;
  }
  return undefined;
}

/** Elements as they are held: 64-bit integers may lie beyond 2^53. */
function differenceOfIntegers(a: Tensor['data'], b: Tensor['data']): string | undefined {
  for (let i = 0; i < b.length; i++) if (a[i] !== b[i]) return `element ${i} is ${a[i]}, not ${b[i]}`;
  return undefined;
}
