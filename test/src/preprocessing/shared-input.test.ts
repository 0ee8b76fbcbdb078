import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GraphBuilder, tensor } from '../../../ir/index.ts';
import { mapChannels } from '../../../passes/index.ts';
import { normalize } from '../../../src/preprocessing/normalize.ts';
import type { Normalization, Plans } from '../../../src/preprocessing/plans.ts';
import { sharedInput } from '../../../src/preprocessing/shared-input.ts';
import { evaluateGraph } from '../../ir/evaluate/graph.ts';

const plansWith = (normalizations: readonly Normalization[], more: Partial<Plans> = {}): Plans => ({
  ...{ source: 'plans.json', configuration: '3d_fullres', spacing: [1, 1, 1], patchSize: [4, 4, 4] },
  transpose: [0, 1, 2],
  normalizations,
  resampling: { images: undefined, labels: undefined, outputs: undefined },
  ...more,
});

const ct = fc
  .record({
    mean: fc.integer({ min: -100, max: 100 }),
    std: fc.integer({ min: 5, max: 100 }),
    low: fc.integer({ min: -1000, max: 50 }),
    width: fc.integer({ min: 10, max: 1000 }),
  })
  .map(({ width, ...facts }): Normalization => {
    const foreground = { ...facts, high: facts.low + width };
    return { scheme: 'CTNormalization', masked: false, foreground };
  });
const fixed = fc.oneof(
  ct,
  fc.constant<Normalization>({ scheme: 'NoNormalization', masked: false }),
  fc.constant<Normalization>({ scheme: 'RGBTo01Normalization', masked: false }),
);

/** A network that gives its images back. */
const echo = (channels: number) => {
  const to = new GraphBuilder('echo');
  const x = to.input('x', { dtype: 'float32', shape: [1, channels, 5] });
  to.output('y', to.op('Neg', [to.op('Neg', [x])]));
  return to.build();
};

const score: Normalization = { scheme: 'ZScoreNormalization', masked: false };
const same = { axes: undefined, channels: undefined, ratio: undefined };

describe('networks whose cases are normalised in different ways', () => {
  it('see by operators at their front what they would see by their own plans', () => {
    const intensities = fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 5, maxLength: 5 });
    const networks = fc.integer({ min: 1, max: 3 }).chain(channels =>
      fc.record({
        parents: fc.array(fc.array(fixed, { minLength: channels, maxLength: channels }), {
          minLength: 2,
          maxLength: 3,
        }),
        raw: fc.array(intensities, { minLength: channels, maxLength: channels }),
      }),
    );
    fc.assert(
      fc.property(networks, ({ parents, raw }) => {
        const { plans, fronts } = sharedInput(parents.map(normalizations => plansWith(normalizations)));
        const seenBy = (normalizations: readonly Normalization[]): Float32Array[] =>
          raw.map((values, c) => {
            const channel = Float32Array.from(values);
            normalize(channel, normalizations[c], undefined, 'case');
            return channel;
          });
        const shared = tensor(
          'float32',
          [1, raw.length, 5],
          Float32Array.from(seenBy(plans.normalizations).flatMap(c => [...c])),
        );
        for (const [i, normalizations] of parents.entries()) {
          const { channels } = fronts[i];
          const network = channels ? mapChannels(echo(raw.length), channels) : echo(raw.length);
          const found = evaluateGraph(network, { x: shared }).get('y')?.data as Float32Array;
          const wanted = seenBy(normalizations).flatMap(c => [...c]);
          for (const [at, value] of wanted.entries()) {
            // Float32 of intensities up to 1100, as seen by scales of 1 and less.
            expect(Math.abs(found[at] - value)).toBeLessThan(1e-3);
          }
        }
      }),
    );
  });

  it('need none where they are normalised alike, whatever the way', () => {
    const own: Normalization = { scheme: 'ZScoreNormalization', masked: true };
    const { plans, fronts, widened } = sharedInput([plansWith([own]), plansWith([own])]);
    expect(fronts).toEqual([same, same]);
    expect(widened).toBe(false);
    expect(plans.normalizations).toEqual([own]);
  });

  it('leave the own network alone where it sees at least as much', () => {
    const window = (low: number, high: number): Normalization => ({
      ...{ scheme: 'CTNormalization', masked: false },
      foreground: { mean: 0, std: 100, low, high },
    });
    expect(sharedInput([plansWith([window(-200, 300)]), plansWith([window(-100, 300)])])).toMatchObject({
      widened: false,
      fronts: [same, { ...same, channels: [{ scale: 1, offset: 0, low: -1 }] }],
    });
    const { plans, fronts, widened } = sharedInput([plansWith([window(-100, 200)]), plansWith([window(-200, 100)])]);
    expect(plans.normalizations[0].foreground).toMatchObject({ low: -200, high: 200 });
    expect(widened).toBe(true);
    expect(fronts).toEqual([
      { ...same, channels: [{ scale: 1, offset: 0, low: -1 }] },
      { ...same, channels: [{ scale: 1, offset: 0, high: 1 }] },
    ]);
  });

  it('see the grid of the own one, in so many places of their own for one of it', () => {
    const cubic = { order: 3, orderZ: 0, separateZ: undefined } as const;
    const resampling = { images: cubic, labels: undefined, outputs: undefined };
    const at = (...spacing: readonly number[]): Plans => plansWith([score], { spacing, resampling });
    const { plans, fronts } = sharedInput([at(2, 1, 1), at(2.5, 1.25, 0.5), at(2.0001, 1, 1)]);
    expect(plans.spacing).toEqual([2, 1, 1]);
    expect(fronts).toEqual([same, { ...same, ratio: [0.8, 0.8, 2] }, same]);
    const chosen = sharedInput([at(2, 1, 1), at(2.5, 1.25, 0.5)], 1);
    expect(chosen.plans).toMatchObject({ spacing: [2.5, 1.25, 0.5], source: 'plans.json' });
    expect(chosen.fronts).toEqual([{ ...same, ratio: [1.25, 1.25, 0.5] }, same]);
  });

  it('see axes of space in their own order, and their spacings along it', () => {
    const orders = fc.shuffledSubarray([0, 1, 2], { minLength: 3 });
    const cubic = { order: 3, orderZ: 0, separateZ: undefined } as const;
    const resampling = { images: cubic, labels: undefined, outputs: undefined };
    const spacings = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 3, maxLength: 3 });
    fc.assert(
      fc.property(orders, orders, spacings, spacings, fc.boolean(), (own, other, mm, otherMm, ofOther) => {
        const along = (order: readonly number[], of: readonly number[]): Plans =>
          plansWith([score], { transpose: order, spacing: order.map(axis => of[axis]), resampling });
        const { plans, fronts } = sharedInput([along(own, mm), along(other, otherMm)], ofOther ? 1 : 0);
        expect(plans.transpose).toEqual(own);
        expect(plans.spacing).toEqual(own.map(axis => (ofOther ? otherMm : mm)[axis]));
        expect(own.map((_, i) => other[(fronts[1].axes ?? [0, 1, 2])[i]])).toEqual(own);
        const [seen, whole] = ofOther ? [mm, otherMm] : [otherMm, mm];
        const ratio = fronts[ofOther ? 0 : 1].ratio ?? [1, 1, 1];
        expect(ratio).toEqual(own.map(axis => whole[axis] / seen[axis]));
      }),
    );
  });

  it('may see slices with rows and columns turned, across one axis', () => {
    const slices = { spacing: [2, 1], patchSize: [8, 4] };
    const { plans, fronts } = sharedInput([
      plansWith([score], slices),
      plansWith([score], { spacing: [1, 2], patchSize: [4, 8], transpose: [0, 2, 1] }),
    ]);
    expect(plans).toMatchObject(slices);
    expect(fronts).toEqual([same, { ...same, axes: [1, 0] }]);
  });

  it.each([
    [
      'a mean of each case',
      plansWith([{ scheme: 'NoNormalization', masked: false }]),
      plansWith([score]),
      /normalises channel 0 by the mean and the deviation of each case/,
    ],
    [
      'another mask',
      plansWith([{ ...score, masked: true }]),
      plansWith([score]),
      /ZScoreNormalization over all of a case|where a case is not zero/,
    ],
    ['other channels', plansWith([score]), plansWith([score, score]), /for 1 and 2 channels/],
    [
      'another spacing that nothing is resampled to',
      plansWith([score]),
      plansWith([score], { spacing: [1, 1, 2] }),
      /are for 1 × 1 × 1 and 1 × 1 × 2 mm, and not both resample to that/,
    ],
    ['slices beside volumes', plansWith([score]), plansWith([score], { spacing: [1, 1] }), /for 3 and 2 axes of space/],
    [
      'slices across another axis',
      plansWith([score], { spacing: [1, 1], patchSize: [4, 4] }),
      plansWith([score], { spacing: [1, 1], patchSize: [4, 4], transpose: [1, 0, 2] }),
      /cut slices across different axes \(transpose_forward is \[0, 1, 2\] and \[1, 0, 2\]\)/,
    ],
  ])('are refused with %s', (_, own, partner, message) => {
    expect(() => sharedInput([own, partner])).toThrow(message);
  });
});
