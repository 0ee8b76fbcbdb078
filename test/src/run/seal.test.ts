import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { float32 } from '../../../ir/tensor.ts';
import { checkedSeal, sealed } from '../../../src/run/seal.ts';

/** Documents as they are read again. */
const read = (document: object): { [key: string]: unknown } => JSON.parse(JSON.stringify(document));

const members = fc.dictionary(
  fc.string().filter(key => !['seal', '__proto__'].includes(key)),
  fc.jsonValue(),
  {
    minKeys: 1,
  },
);

describe('a seal', () => {
  it('holds for the document that was written, and for no other', () => {
    fc.assert(
      fc.property(members, fc.jsonValue(), fc.nat(), (document, value, at) => {
        const written = read(sealed(document));
        expect(checkedSeal(written)).toBe(written.seal);
        const keys = Object.keys(read(document));
        const key = keys[at % keys.length];
        fc.pre(JSON.stringify(written[key]) !== JSON.stringify(value));
        expect(checkedSeal(read({ ...written, [key]: value }))).toBeUndefined();
        expect(checkedSeal(read({ ...written, [key]: undefined }))).toBeUndefined();
        expect(checkedSeal(read({ ...written, [`${keys.join()} `]: value }))).toBeUndefined();
      }),
    );
  });

  it('holds for the tensors beside it, by name, shape and bits', () => {
    const tensors = (name: string, values: readonly number[], shape = [values.length]) =>
      new Map([[name, float32(shape, values)]]);
    const document = sealed({ of: 'run' }, tensors('w', [1, 0]));
    expect(checkedSeal(document, tensors('w', [1, 0]))).toBe(document.seal);
    for (const other of [tensors('v', [1, 0]), tensors('w', [1, -0]), tensors('w', [1, 0], [1, 2]), new Map()]) {
      expect(checkedSeal(document, other)).toBeUndefined();
    }
  });

  it('is wanting where there is no document', () => {
    for (const none of [null, 1, 'seal', [], {}, { seal: 'x' }]) expect(checkedSeal(none)).toBeUndefined();
  });
});
