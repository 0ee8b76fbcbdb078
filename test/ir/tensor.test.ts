import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { printable } from '../../ir/errors.ts';
import {
  float16ToNumber,
  numbersOf,
  numberToFloat16,
  roundHalfEven,
  sameTensor,
  tensor,
  tensorFromNumbers,
} from '../../ir/tensor.ts';
import { dtypes } from '../../ir/type.ts';

describe('tensors', () => {
  it('hold small integers exactly in every dtype', () => {
    fc.assert(
      fc.property(fc.constantFrom(...dtypes), fc.array(fc.integer({ min: 0, max: 1 })), (dtype, values) => {
        expect(Array.from(numbersOf(tensorFromNumbers(dtype, [values.length], values)))).toEqual(values);
      }),
    );
  });

  it('round to float16 and back without loss for all of its 65 536 values', () => {
    for (let bits = 0; bits < 0x10000; bits++) {
      const value = float16ToNumber(bits);
      if (Number.isNaN(value)) expect(Number.isNaN(float16ToNumber(numberToFloat16(value)))).toBe(true);
      else if (numberToFloat16(value) !== bits)
        expect.fail(`${bits.toString(16)} became ${numberToFloat16(value).toString(16)}`);
    }
  });

  it('round to the nearest float16', () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, min: -70000, max: 70000 }), value => {
        const bits = numberToFloat16(value);
        const error = Math.abs(float16ToNumber(bits) - value);
        for (const neighbour of [bits - 1, bits + 1]) {
          const other = float16ToNumber(neighbour & 0xffff);
          if (Number.isFinite(other) && Number.isFinite(float16ToNumber(bits))) {
            expect(error).toBeLessThanOrEqual(Math.abs(other - value));
          }
        }
      }),
    );
  });

  it('round halves to even', () => {
    expect([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 2.4, 2.6].map(roundHalfEven)).toEqual([-2, -2, -0, 0, 2, 2, 2, 3]);
  });

  it('compare by bits', () => {
    const of = (...v: number[]) => tensor('float32', [v.length], Float32Array.from(v));
    expect(sameTensor(of(Number.NaN), of(Number.NaN))).toBe(true);
    expect(sameTensor(of(0), of(-0))).toBe(false);
    expect(() => tensor('float32', [3], new Float32Array(2))).toThrow('needs 3 elements, but 2 were given');
  });

  it('print names from files without control characters', () => {
    expect(printable('a\u001b[31mred\u202e')).toBe('a\\x1b[31mred\\x202e');
    expect(printable('x'.repeat(500))).toHaveLength(119);
  });
});
