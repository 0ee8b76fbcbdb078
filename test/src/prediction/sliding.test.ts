import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Tensor, tensor } from '../../../ir/index.ts';
import { type Ask, slide } from '../../../src/prediction/sliding.ts';
import { bellOver, windowStarts } from '../../../src/prediction/windows.ts';

describe('windows', () => {
  it('begin where nnU-Net has them begin', () => {
    // Its own example: 110 places, windows of 64, half steps.
    expect(windowStarts(110, 64, 0.5)).toEqual([0, 23, 46]);
    expect(windowStarts(64, 64, 0.5)).toEqual([0]);
    expect(windowStarts(65, 64, 0.5)).toEqual([0, 1]);
    // Padding of five places: two before, three behind.
    expect(windowStarts(3, 8, 0.5)).toEqual([-2]);
  });

  it('cover every place, from the first to the last, at most a step apart', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 1, max: 64 }),
        fc.constantFrom(0.25, 0.5, 1),
        (extent, window, step) => {
          const starts = windowStarts(extent, window, step);
          if (window < extent) {
            expect(starts[0]).toBe(0);
            expect(starts.at(-1)).toBe(extent - window);
          } else expect(starts).toHaveLength(1);
          for (const [i, start] of starts.entries()) {
            // Rounding may move two neighbours apart by one.
            if (i > 0) expect(start - starts[i - 1]).toBeLessThanOrEqual(Math.max(1, window * step) + 1);
          }
        },
      ),
    );
  });

  it('weigh most in the middle, as a Gaussian of an eighth, and nothing is nothing', () => {
    const bell = bellOver([8, 4]);
    expect(bell).toHaveLength(32);
    expect(bell[4 * 4 + 2]).toBe(10);
    expect(bell[5 * 4 + 2]).toBeCloseTo(10 * Math.exp(-0.5), 5);
    expect(bellOver([64, 64, 64]).reduce((low, weight) => Math.min(low, weight))).toBe(2 ** -24);
  });
});

/** A network that sees where it is only by its window: two outputs that are no mirror images of themselves. */
const ask: Ask = async ({ shape, data }) => {
  const [n, channels, ...window] = shape;
  const size = window.reduce((all, extent) => all * extent, 1);
  const result = new Float32Array(n * 2 * size);
  for (let i = 0; i < n; i++) {
    for (let p = 0; p < size; p++) {
      let sum = 0;
      for (let c = 0; c < channels; c++) sum += (c + 1) * (data as Float32Array)[(i * channels + c) * size + p];
      result[i * 2 * size + p] = sum + p / size;
      result[(i * 2 + 1) * size + p] = Math.sin(sum) * (p % 5);
    }
  }
  return tensor('float32', [n, 2, ...window], result);
};

const strides = (shape: readonly number[]): number[] =>
  shape.map((_, i) => shape.slice(i + 1).reduce((all, n) => all * n, 1));

/** Every place of a shape. */
function* indices(shape: readonly number[]): Generator<number[]> {
  const total = shape.reduce((all, n) => all * n, 1);
  const steps = strides(shape);
  for (let at = 0; at < total; at++) yield shape.map((n, i) => Math.floor(at / steps[i]) % n);
}

/** The same by the book: the case is padded, every window is cut out, flipped, asked, flipped back, weighed and added. */
async function reference(
  data: Float32Array,
  [channels, ...spatial]: readonly number[],
  window: readonly number[],
  mirrorAxes: readonly number[],
): Promise<number[]> {
  const padded = spatial.map((extent, axis) => Math.max(extent, window[axis]));
  const before = padded.map((extent, axis) => Math.floor((extent - spatial[axis]) / 2));
  const at = (shape: readonly number[], index: readonly number[]): number =>
    strides(shape).reduce((sum, step, i) => sum + step * index[i], 0);
  const whole = new Map<string, number>();
  for (const index of indices(spatial)) {
    for (let c = 0; c < channels; c++) {
      whole.set(
        [c, ...index.map((i, axis) => i + before[axis])].join(),
        data[at([channels, ...spatial], [c, ...index])],
      );
    }
  }
  const sums = new Map<string, number[]>();
  const bell = bellOver(window);
  const starts = padded.map((extent, axis) => windowStarts(extent, window[axis], 0.5));
  for (const which of indices(starts.map(s => s.length))) {
    const start = which.map((i, axis) => starts[axis][i]);
    const mean = new Map<string, number[]>();
    for (let mask = 0; mask < 2 ** mirrorAxes.length; mask++) {
      const flip = (index: readonly number[]): number[] =>
        index.map((i, axis) =>
          mirrorAxes.some((a, bit) => a === axis && (mask >> bit) % 2 === 1) ? window[axis] - 1 - i : i,
        );
      const given = new Float32Array(channels * bell.length);
      for (const index of indices(window)) {
        const inCase = index.map((i, axis) => i + start[axis]);
        for (let c = 0; c < channels; c++)
          given[at([channels, ...window], [c, ...flip(index)])] = whole.get([c, ...inCase].join()) ?? 0;
      }
      const said = (await ask(tensor('float32', [1, channels, ...window], given))).data as Float32Array;
      for (const index of indices(window)) {
        const found = mean.get(index.join()) ?? [0, 0];
        mean.set(
          index.join(),
          found.map((value, k) => value + said[at([2, ...window], [k, ...flip(index)])] / 2 ** mirrorAxes.length),
        );
      }
    }
    for (const index of indices(window)) {
      const key = index.map((i, axis) => i + start[axis] - before[axis]).join();
      const weight = bell[at(window, index)];
      const [a, b, all] = sums.get(key) ?? [0, 0, 0];
      const [x, y] = mean.get(index.join()) ?? [];
      sums.set(key, [a + weight * x, b + weight * y, all + weight]);
    }
  }
  return [0, 1].flatMap(k =>
    [...indices(spatial)].map(index => {
      const found = sums.get(index.join()) ?? [];
      return found[k] / found[2];
    }),
  );
}

describe('sliding', () => {
  const axis = fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 2, max: 5 }));
  const looks = fc.record({
    channels: fc.integer({ min: 1, max: 2 }),
    axes: fc.array(axis, { minLength: 2, maxLength: 3 }),
    mirror: fc.constantFrom([], [0], [1], [0, 1]),
    together: fc.constantFrom(1, 3, 1000),
    seed: fc.integer({ min: 1, max: 1000 }),
  });

  it('gives what a plain reference gives', async () => {
    await fc.assert(
      fc.asyncProperty(looks, async ({ channels, axes, mirror, together, seed }) => {
        const [spatial, window] = [axes.map(([extent]) => extent), axes.map(([, size]) => size)];
        const size = spatial.reduce((all, n) => all * n, 1);
        const data = Float32Array.from({ length: channels * size }, (_, i) => Math.sin(seed * (i + 1)));
        const shape = [channels, ...spatial];
        const found = await slide({ data, shape }, { ask }, { window, step: 0.5, mirrorAxes: mirror, together });
        expect(found.shape).toEqual([2, ...spatial]);
        const wanted = await reference(data, shape, window, mirror);
        for (const [i, value] of wanted.entries()) expect(Math.abs(found.data[i] - value)).toBeLessThan(1e-4);
      }),
      { numRuns: 25 },
    );
  });

  it('looks at volumes slice by slice through windows of two axes', async () => {
    const data = Float32Array.from({ length: 3 * 6 * 7 }, (_, i) => Math.cos(i));
    const options = { window: [4, 4], step: 0.5, mirrorAxes: [1], together: 2 } as const;
    const whole = await slide({ data, shape: [1, 3, 6, 7] }, { ask }, options);
    for (let z = 0; z < 3; z++) {
      const slice = await slide({ data: data.slice(z * 42, (z + 1) * 42), shape: [1, 6, 7] }, { ask }, options);
      for (const k of [0, 1]) {
        const found = whole.data.subarray((k * 3 + z) * 42, (k * 3 + z + 1) * 42);
        expect(found).toEqual(slice.data.subarray(k * 42, (k + 1) * 42));
      }
    }
  });

  it('refuses what is not finite', async () => {
    const broken = async (given: Tensor): Promise<Tensor> =>
      tensor('float32', given.shape, new Float32Array(given.data.length).fill(Number.NaN));
    const options = { window: [2, 2], step: 0.5, mirrorAxes: [], together: 1 } as const;
    await expect(
      slide({ data: new Float32Array(4), shape: [1, 2, 2] }, { ask: broken }, options),
    ).rejects.toMatchObject({
      code: 'output-not-finite',
    });
  });
});
