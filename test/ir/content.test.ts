import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hashOfBytes, sameBytes } from '../../ir/bytes.ts';
import { ContentMap, TensorKeys } from '../../ir/content.ts';
import { float32, tensor } from '../../ir/tensor.ts';

/** Bytes somewhere in a larger buffer, at a boundary of words or not. */
const placed = (bytes: Uint8Array, offset: number): Uint8Array => {
  const larger = new Uint8Array(bytes.length + offset + 3).fill(0xee);
  larger.set(bytes, offset);
  return larger.subarray(offset, offset + bytes.length);
};

describe('bytes', () => {
  it('are compared and hashed alike wherever they lie', () => {
    const at = fc.nat(5);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ maxLength: 40 }), at, at, (a, b, i, j) => {
        expect(sameBytes(placed(a, i), placed(b, j))).toBe(Buffer.compare(a, b) === 0);
        expect(hashOfBytes(placed(a, i))).toBe(hashOfBytes(placed(a, j)));
      }),
    );
  });

  it('differ by any one of them', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 40 }),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (a, at, by) => {
          const b = Uint8Array.from(a, (byte, i) => (i === at % a.length ? byte ^ by : byte));
          expect(sameBytes(a, b)).toBe(false);
        },
      ),
    );
  });

  it('are found again by content, also where hashes are the same', () => {
    // The hash begins with the length and takes words one by one: the second word can undo what the first did.
    const first = Uint32Array.of(1, 0);
    const target = hashOfBytes(new Uint8Array(first.buffer));
    const map = new ContentMap<string>();
    expect(map.get(new Uint8Array(first.buffer), () => 'first')).toBe('first');
    expect(map.get(new Uint8Array(Uint32Array.of(1, 0).buffer), () => 'again')).toBe('first');
    const other = colliding(target);
    expect(hashOfBytes(new Uint8Array(other.buffer))).toBe(target);
    expect(map.get(new Uint8Array(other.buffer), () => 'second')).toBe('second');
  });
});

/** Eight other bytes of the same hash: the last step can be undone, because it multiplies with an odd number. */
function colliding(target: number): Uint32Array<ArrayBuffer> {
  const inverse = (() => {
    let x = 0x9e3779b1;
    for (let i = 0; i < 5; i++) x = Math.imul(x, 2 - Math.imul(0x9e3779b1, x));
    return x;
  })();
  let product = target;
  product ^= (product >>> 15) ^ (product >>> 30);
  const before = hashStep(8, 2);
  return Uint32Array.of(2, Math.imul(product, inverse) ^ before);
}

const hashStep = (hash: number, word: number): number => {
  const product = Math.imul(hash ^ word, 0x9e3779b1);
  return product ^ (product >>> 15);
};

it('keys of tensors are the same for the same dtype, shape and bits alone', () => {
  const keys = new TensorKeys();
  const key = keys.of(float32([2, 1], [1, 2]));
  expect(keys.of(float32([2, 1], [1, 2]))).toBe(key);
  expect(keys.of(float32([1, 2], [1, 2]))).not.toBe(key);
  expect(keys.of(float32([2, 1], [1, 3]))).not.toBe(key);
  expect(keys.of(tensor('int32', [2, 1], new Int32Array(float32([2, 1], [1, 2]).data.buffer as ArrayBuffer)))).not.toBe(
    key,
  );
  expect(keys.of(float32([], [0]))).not.toBe(keys.of(float32([], [-0])));
});
