import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/data/random.ts';
import { BatchSampler, type SamplerState } from '../../../src/data/sampler.ts';

const take = <T>(count: number, draw: () => T): T[] => Array.from({ length: count }, draw);

describe('Random', () => {
  it('is xoshiro128**: the first numbers from the state 1, 2, 3, 4', () => {
    const random = Random.restored([1, 2, 3, 4]);
    expect(take(10, () => random.uint32())).toEqual([
      11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804,
    ]);
  });

  it('repeats itself from its seed, and goes on from its state', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), fc.string(), fc.nat(20), (seed, stream, skipped) => {
        const random = Random.seeded(seed, stream);
        const again = Random.seeded(seed, stream);
        expect(take(5, () => random.normal())).toEqual(take(5, () => again.normal()));
        take(skipped, () => random.uint32());
        const resumed = Random.restored(JSON.parse(JSON.stringify(random.state())));
        expect(take(5, () => resumed.int(1000))).toEqual(take(5, () => random.int(1000)));
      }),
    );
  });

  it('gives every seed and stream its own numbers', () => {
    const seeds = [0, 1, 2, -1, 2 ** 32, 2 ** 32 + 1, 2 ** 52];
    const firsts = seeds.flatMap(seed => ['', 'a', 'b'].map(stream => Random.seeded(seed, stream).uint32()));
    expect(new Set(firsts).size).toBe(firsts.length);
  });

  it('is uniform and normal within what chance allows', () => {
    const random = Random.seeded(7);
    const count = 20_000;
    const counts = [0, 0, 0, 0, 0, 0];
    for (let i = 0; i < count; i++) counts[random.int(6)]++;
    const expected = count / 6;
    const chi2 = counts.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
    expect(chi2).toBeLessThan(20.5); // the 0.999 quantile with 5 degrees of freedom
    const normal = take(count, () => random.normal());
    const mean = normal.reduce((sum, x) => sum + x, 0) / count;
    const variance = normal.reduce((sum, x) => sum + (x - mean) ** 2, 0) / count;
    expect(Math.abs(mean)).toBeLessThan(4 / Math.sqrt(count));
    expect(Math.abs(variance - 1)).toBeLessThan(4 * Math.sqrt(2 / count));
  });

  it.each([0.5, Number.NaN, 2 ** 53])('refuses the seed %s', seed => {
    expect(() => Random.seeded(seed)).toThrow(RangeError);
  });

  it('refuses a state that is none', () => {
    expect(() => Random.restored([0, 0, 0, 0])).toThrow(RangeError);
    expect(() => Random.restored([1, 2, 3, 2 ** 32])).toThrow(RangeError);
  });
});

describe('BatchSampler', () => {
  it('draws every image once per epoch, whatever the batch size', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 40 }), fc.nat(), (count, size, seed) => {
        const sampler = BatchSampler.seeded(count, seed);
        const drawn = take(count, () => [...sampler.next(size)]).flat();
        for (let epoch = 0; (epoch + 1) * count <= drawn.length; epoch++) {
          expect(new Set(drawn.slice(epoch * count, (epoch + 1) * count)).size).toBe(count);
        }
      }),
    );
  });

  it('resumes with the batches that would have followed', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 12 }), fc.nat(20), (count, size, steps) => {
        const sampler = BatchSampler.seeded(count, 3);
        take(steps, () => sampler.next(size));
        const resumed = BatchSampler.restored(JSON.parse(JSON.stringify(sampler.state())) as SamplerState);
        expect(take(8, () => [...resumed.next(size)])).toEqual(take(8, () => [...sampler.next(size)]));
      }),
    );
  });

  it('orders by the seed', () => {
    expect(BatchSampler.seeded(100, 1).next(100)).not.toEqual(BatchSampler.seeded(100, 2).next(100));
  });
});
