import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../../../../src/data/random.ts';
import { changeNames, composed } from '../../../../src/data/shift/changes.ts';
import { changeOf, defaultSuite, drawChange } from '../../../../src/data/shift/suite.ts';

/** Each property is held for ten changes. */
const runs = { numRuns: 40 };

const anyShape = fc.record({
  channels: fc.integer({ min: 1, max: 3 }),
  spatial: fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 0, maxLength: 3 }),
});

/** An image of any finite float32 values, on a scale that may reach their end. */
const anyImage = anyShape.chain(({ channels, spatial }) => {
  const shape = [channels, ...spatial];
  const size = shape.reduce((product, dim) => product * dim, 1);
  const value = fc.float({ noNaN: true, noDefaultInfinity: true });
  return fc.record({
    shape: fc.constant(shape),
    image: fc
      .array(fc.oneof(value, fc.float({ min: -3, max: 3, noNaN: true })), { minLength: size, maxLength: size })
      .map(values => Float32Array.from(values)),
  });
});

const standardNormal = (shape: readonly number[], seed: number): Float32Array =>
  Random.seeded(seed).normals(shape.reduce((product, dim) => product * dim, 1));

const mean = (values: Float32Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const deviation = (values: Float32Array): number => {
  const centre = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / values.length);
};

describe.each(changeNames)('%s', name => {
  it('keeps the shape and what is finite finite, leaves the image given alone, and repeats itself', () => {
    fc.assert(
      fc.property(anyImage, fc.integer(), fc.double({ min: 0, max: 3, noNaN: true }), ({ image, shape }, seed, s) => {
        const before = image.slice();
        const changed = changeOf(name, s).apply(image, shape, Random.seeded(seed));
        expect(changed.length).toBe(image.length);
        expect(changed.every(Number.isFinite)).toBe(true);
        expect(image).toEqual(before);
        expect(changeOf(name, s).apply(image, shape, Random.seeded(seed))).toEqual(changed);
      }),
      runs,
    );
  });

  it('changes nothing at strength 0', () => {
    fc.assert(
      fc.property(anyImage, fc.integer(), ({ image, shape }, seed) => {
        expect(changeOf(name, 0).apply(image, shape, Random.seeded(seed))).toEqual(image);
      }),
      runs,
    );
  });

  it('leaves a constant channel constant', () => {
    fc.assert(
      fc.property(anyShape, fc.float({ min: -9, max: 9, noNaN: true }), fc.integer(), (shape, value, seed) => {
        const all = [shape.channels, ...shape.spatial];
        const image = new Float32Array(all.reduce((product, dim) => product * dim, 1)).fill(value);
        const changed = changeOf(name).apply(image, all, Random.seeded(seed));
        if (name !== 'brightness') for (const [i, v] of changed.entries()) expect(v).toBeCloseTo(image[i], 5);
        expect(new Set(changed.subarray(0, changed.length / shape.channels)).size).toBe(1);
      }),
      runs,
    );
  });

  it.each([[[2, 40]], [[2, 12, 10]], [[1, 6, 7, 5]]])('changes an image of shape %j', shape => {
    const image = standardNormal(shape, 3);
    const changed = changeOf(name).apply(image, shape, Random.seeded(5));
    expect(changed.filter((value, i) => value !== image[i]).length).toBeGreaterThan(image.length / 2);
  });
});

describe('changes of intensity', () => {
  const shape = [2, 16, 16];
  const image = standardNormal(shape, 1);
  const half = image.length / 2;
  const channelsOf = (values: Float32Array) => [values.subarray(0, half), values.subarray(half)];

  it.each(['gamma', 'inverted-gamma', 'bias-field', 'texture'] as const)(
    '%s retains the mean and standard deviation of each channel',
    name => {
      const changed = channelsOf(changeOf(name).apply(image, shape, Random.seeded(2)));
      for (const [c, channel] of channelsOf(image).entries()) {
        expect(mean(changed[c])).toBeCloseTo(mean(channel), 5);
        expect(deviation(changed[c])).toBeCloseTo(deviation(channel), 5);
      }
    },
  );

  it.each(['brightness', 'contrast', 'offset'] as const)('%s is nothing to an image that is standardised', name => {
    const standardised = (values: Float32Array) => values.map(value => (value - mean(values)) / deviation(values));
    const changed = channelsOf(changeOf(name, 0.8).apply(image, shape, Random.seeded(2))).map(standardised);
    for (const [c, channel] of channelsOf(image).map(standardised).entries()) {
      for (const [i, value] of channel.entries()) expect(changed[c][i]).toBeCloseTo(value, 4);
    }
  });

  it.each(['gamma', 'inverted-gamma'] as const)('%s keeps the order of the values', name => {
    const order = (values: Float32Array) => [...values.keys()].sort((i, j) => values[i] - values[j]);
    expect(order(changeOf(name).apply(image, [1, 512], Random.seeded(2)))).toEqual(order(image));
  });

  it('gamma is the power of the place in the range: of 0, ½, 1 by 2 or ½', () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 8; seed++) {
      const [a, b, c] = changeOf('gamma').apply(Float32Array.of(-1, 1, 3), [1, 3], Random.seeded(seed));
      seen.add(((b - a) / (c - a)).toFixed(4));
    }
    expect([...seen].sort()).toEqual(['0.2500', '0.7071']);
  });
});

describe('compositions', () => {
  it('apply their steps one after the other', () => {
    const shape = [1, 9, 9];
    const image = standardNormal(shape, 4);
    const [first, second] = [Random.seeded(1), Random.seeded(1)];
    const both = composed('both', [
      { name: 'gaussian-blur', strength: 1 },
      { name: 'gaussian-noise', strength: 0.3 },
    ]).apply(image, shape, first);
    const blurred = changeOf('gaussian-blur', 1).apply(image, shape, second);
    expect(changeOf('gaussian-noise', 0.3).apply(blurred, shape, second)).toEqual(both);
  });

  it('are drawn again from the same seed, and differ between seeds', () => {
    const drawn = Array.from({ length: 20 }, (_, seed) => JSON.stringify(drawChange(Random.seeded(seed))));
    expect(Array.from({ length: 20 }, (_, seed) => JSON.stringify(drawChange(Random.seeded(seed))))).toEqual(drawn);
    expect(new Set(drawn).size).toBeGreaterThan(15);
  });

  it('have a name each in the suite', () => {
    expect(new Set(defaultSuite.map(({ name }) => name)).size).toBe(defaultSuite.length);
  });
});
