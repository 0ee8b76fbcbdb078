/** Damaged files: whatever the bytes, an import ends in a graph that holds or in an error of the catalogue. */
import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SutureError } from '../../../ir/errors.ts';
import { exportOnnx } from '../../../ir/onnx/export.ts';
import { importOnnx } from '../../../ir/onnx/file.ts';
import { verify } from '../../../ir/verify.ts';

const models = ['view_13', 'resize_11', 'mixed_17', 'fixed_batch_13'].flatMap(name => {
  const path = new URL(`../../../fixtures/models/${name}.onnx`, import.meta.url);
  return existsSync(path) ? [readFileSync(path)] : [];
});

/** Bytes with a few of them changed, mostly in the part that is not weights. */
const damaged = fc
  .tuple(
    fc.constantFrom(...models),
    fc.array(fc.tuple(fc.nat(4000), fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 127, 128, 255))), {
      minLength: 1,
      maxLength: 4,
    }),
  )
  .map(([bytes, changes]) => {
    const copy = Uint8Array.from(bytes);
    for (const [at, byte] of changes) copy[at % copy.length] = byte;
    return copy;
  });

test('changed bytes', () => {
  let refused = 0;
  fc.assert(
    fc.property(damaged, bytes => {
      try {
        exportOnnx(verify(importOnnx(bytes).graph));
      } catch (error) {
        if (!(error instanceof SutureError)) throw error;
        expect(error.message).toMatch(/\.$/);
        refused++;
      }
    }),
    { numRuns: 120 },
  );
  expect(refused).toBeGreaterThan(0);
});

test('bytes that are missing at the end', () => {
  for (const bytes of models) {
    for (let length = 0; length < bytes.length; length += Math.ceil(bytes.length / 150)) {
      expect(() => importOnnx(bytes.subarray(0, length))).toThrow(SutureError);
    }
  }
});
