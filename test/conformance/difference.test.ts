import { describe, expect, test } from 'vitest';
import { type Tensor, tensor, tensorFromNumbers } from '../../ir/tensor.ts';
import { differenceOf } from './difference.ts';

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const tolerance = { relative: 1e-3, absolute: 1e-5 };
const floats = (...values: number[]): Tensor => tensorFromNumbers('float32', [values.length], values);
const agree = (a: Tensor, b: Tensor): boolean => differenceOf(a, b, tolerance) === undefined;

describe('the comparison of tensors', () => {
  test.each([
    [1, 1.0005],
    [0, 5e-6],
    [0, -0],
    [inf, inf],
    [-inf, -inf],
    [nan, nan],
  ])('takes %d for %d', (a, b) => expect(agree(floats(1, a), floats(1, b))).toBe(true));

  test.each([
    [1, 1.01],
    [0, 1e-3],
    [3e38, inf],
    [0, inf],
    [-inf, inf],
    [inf, 1],
    [nan, 1],
    [nan, inf],
    [1, nan],
    [inf, nan],
  ])('tells %d from %d', (a, b) => expect(agree(floats(1, a), floats(1, b))).toBe(false));

  test('wants integers to be equal, beyond 2^53 as well', () => {
    const wide = (v: bigint) => tensor('int64', [1], BigInt64Array.of(v));
    expect(agree(wide(2n ** 60n), wide(2n ** 60n))).toBe(true);
    expect(differenceOf(wide(2n ** 60n + 1n), wide(2n ** 60n), tolerance)).toBe(
      'element 0 is 1152921504606846977, not 1152921504606846976',
    );
    expect(agree(tensorFromNumbers('int32', [1], [100000]), tensorFromNumbers('int32', [1], [100001]))).toBe(false);
  });

  test('wants dtype and shape to be the same', () => {
    expect(differenceOf(floats(1), tensorFromNumbers('int32', [1], [1]), tolerance)).toBe('is float32, not int32');
    expect(differenceOf(floats(1, 2), tensorFromNumbers('float32', [1, 2], [1, 2]), tolerance)).toBe(
      'has shape [2], not [1,2]',
    );
  });
});
