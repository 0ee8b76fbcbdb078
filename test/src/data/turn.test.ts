import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/data/random.ts';
import { drawTurn, type Turn, turned } from '../../../src/data/turn.ts';

const counting = (length: number) => Float32Array.from({ length }, (_, i) => i);
const turn = (axes: number[], mirrored: boolean[]): Turn => ({ axes, mirrored });

describe('turning', () => {
  it('is a quarter turn, a mirror image, a half turn', () => {
    // 0 1
    // 2 3
    expect([...turned(counting(4), [2, 2], turn([1, 0], [true, false]))]).toEqual([1, 3, 0, 2]);
    expect([...turned(counting(6), [2, 3], turn([0, 1], [false, true]))]).toEqual([2, 1, 0, 5, 4, 3]);
    expect([...turned(counting(6), [2, 3], turn([0, 1], [true, true]))]).toEqual([5, 4, 3, 2, 1, 0]);
  });

  it('gives every pixel another place, alike in each channel, and only as the extents allow', () =>
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 }),
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 0, max: 1e6 }),
        (extents, channels, seed) => {
          const drawn = drawTurn(extents, Random.seeded(seed));
          expect(drawn.axes.map(axis => extents[axis])).toEqual(extents);
          expect([...drawn.axes].sort()).toEqual(extents.map((_, i) => i));
          const size = extents.reduce((product, extent) => product * extent, 1);
          const one = turned(counting(size), extents, drawn);
          expect([...one].sort((p, q) => p - q)).toEqual([...counting(size)]);
          const all = turned(counting(channels * size), extents, drawn);
          for (let c = 0; c < channels; c++)
            expect([...all.subarray(c * size, (c + 1) * size)]).toEqual([...one].map(v => v + c * size));
        },
      ),
      { numRuns: 100 },
    ));

  it('comes by all eight symmetries of a square and all four of a rectangle', () => {
    const of = (extents: number[]) =>
      new Set(
        Array.from({ length: 200 }, (_, seed) =>
          turned(counting(extents[0] * extents[1]), extents, drawTurn(extents, Random.seeded(seed))).join(),
        ),
      );
    expect(of([2, 2]).size).toBe(8);
    expect(of([2, 3]).size).toBe(4);
  });
});
