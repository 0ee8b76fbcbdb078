import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Lifetime, planMemory } from '../../../runtime/webgpu/memory.ts';

const lifetimes = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 8 })), {
    minLength: 1,
    maxLength: 40,
  })
  .map(list =>
    list.map(
      ([size, from, length], i): Lifetime => ({
        name: `v${i}`,
        bytes: 16 * size,
        from,
        to: Math.min(20, from + length),
      }),
    ),
  );

describe('the memory plan', () => {
  it('never lets two values share a buffer while both live', () => {
    fc.assert(
      fc.property(lifetimes, list => {
        const { assignment, buffers, peak } = planMemory(list, 20);
        for (const [i, a] of list.entries()) {
          expect(buffers[assignment[i]]).toBeGreaterThanOrEqual(a.bytes);
          for (const [k, b] of list.entries()) {
            if (k <= i || assignment[i] !== assignment[k]) continue;
            expect(a.to < b.from || b.to < a.from).toBe(true);
          }
        }
        expect(peak!.bytes).toBeLessThanOrEqual(buffers.reduce((a, b) => a + b, 0));
      }),
    );
  });

  it('gives a chain two buffers', () => {
    const chain = Array.from({ length: 10 }, (_, i): Lifetime => ({ name: `v${i}`, bytes: 64, from: i, to: i + 1 }));
    expect(planMemory(chain, 10).buffers).toEqual([64, 64]);
  });
});
