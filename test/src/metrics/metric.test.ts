import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ClassLabels, RegionLabels, ValueLabels } from '../../../src/data/labels.ts';
import { diceMetric, foregroundDiceMetric } from '../../../src/metrics/dice.ts';
import { imagesByFold, type Metric, valueOfTerms } from '../../../src/metrics/metric.ts';
import { metricFor } from '../../../src/metrics/metric-for.ts';
import { accuracyMetric, errorMetric } from '../../../src/metrics/ratio.ts';
import { argmax } from '../../../src/network/outputs.ts';

const classLabels = (data: number[], shape: number[], classes: number, ignore?: number): ClassLabels => ({
  kind: 'classes',
  data: Int16Array.from(data),
  shape,
  classes,
  ignore,
  reading: '',
});

const regionLabels = (data: number[], shape: number[]): RegionLabels => ({
  kind: 'regions',
  data: Uint8Array.from(data),
  shape,
  names: Array.from({ length: shape[0] }, (_, i) => String(i + 1)),
  ignore: 255,
  reading: '',
});

/** Outputs [n, classes, pixels] whose argmax is the given class at each pixel. */
function outputsFor(predicted: readonly number[], pixels: number, classes: number, scale = 1) {
  const n = predicted.length / pixels;
  const data = new Float32Array(n * classes * pixels);
  predicted.forEach((k, at) => {
    data[(Math.floor(at / pixels) * classes + k) * pixels + (at % pixels)] = scale;
  });
  return { data, shape: [n, classes, pixels] };
}

describe('argmax', () => {
  it('takes the first of equals, as numpy does, and NaN for the largest', () => {
    expect(argmax([1, 3, 3], 0, 1, 3)).toBe(1);
    expect(argmax([0, 0], 0, 1, 2)).toBe(0);
    expect(argmax([-0, 0], 0, 1, 2)).toBe(0);
    expect(argmax([1, Number.NaN, 9], 0, 1, 3)).toBe(1);
    expect(argmax([Number.NaN, Number.NaN], 0, 1, 2)).toBe(0);
    expect(argmax([Number.NEGATIVE_INFINITY, -1e30], 0, 1, 2)).toBe(1);
  });

  it('walks from class to class by the step', () => {
    expect(argmax([9, 1, 9, 2, 9, 0], 1, 2, 3)).toBe(1);
  });
});

describe('Dice', () => {
  //                      image 0     image 1     image 2     image 3
  const labelled = [/* */ 0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
  const predicted = [/**/ 0, 1, 1, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];

  it('is the mean over cases: 0 of false positives alone, nothing where there is nothing', () => {
    const labels = classLabels(labelled, [4], 2);
    const metric = diceMetric(labels);
    metric.add(outputsFor(predicted, 4, 2), 0);
    const score = metric.score();
    expect(score.value).toBeCloseTo((4 / 5 + 2 / 3 + 0) / 3, 12);
    expect(score.pooled).toBeCloseTo((2 * 3) / (5 + 4), 12);
    expect(score.classes[0]).toMatchObject({ class: 1, cases: 3 });
    expect(score.images).toBe(4);
    expect(metric.score([3]).value).toBeNaN();
  });

  it('counts the images of one id together, those of them that are asked for', () => {
    const metric = diceMetric(classLabels(labelled, [4], 2), [7, -1, 7, -1]);
    metric.add(outputsFor(predicted, 4, 2), 0);
    // Case 7: 2 of 3 labelled are found and one more is; case −1: its one is found and one more is.
    expect(metric.score().value).toBeCloseTo(((2 * 2) / (3 + 3) + 2 / 3) / 2, 12);
    expect(metric.score().classes[0].cases).toBe(2);
    expect(metric.score([0, 1, 0, 3]).value).toBeCloseTo((4 / 5 + 2 / 3) / 2, 12);
  });

  it('of the foreground is the mean over images that have the class', () => {
    const metric = foregroundDiceMetric(classLabels(labelled, [4], 2));
    metric.add(outputsFor(predicted, 4, 2), 0);
    const score = metric.score();
    expect(score).toMatchObject({ metric: 'dice-foreground', images: 4 });
    expect(score.value).toBeCloseTo((4 / 5 + 2 / 3) / 2, 12);
    expect(score.pooled).toBeCloseTo((2 * 3) / (5 + 4), 12);
    expect(score.classes[0].cases).toBe(2);
  });

  it('counts a tie between two classes as background, as p > 0.5 does', () => {
    const metric = diceMetric(classLabels([1, 1], [2], 2));
    metric.add({ data: Float32Array.of(0.5, 0.4, 0.5, 0.6), shape: [1, 2, 2] }, 0);
    expect(metric.score().value).toBeCloseTo(2 / 3, 12);
  });

  it('leaves out a class that nothing has, and is NaN when there is none at all', () => {
    const score = (metric: Metric) => {
      metric.add(outputsFor([0, 1, 1, 2], 4, 4), 0);
      return metric.score();
    };
    const labels = classLabels([0, 1, 1, 1], [4], 4);
    const [cases, foreground] = [score(diceMetric(labels)), score(foregroundDiceMetric(labels))];
    expect(cases.classes.map(c => c.mean)).toEqual([4 / 5, 0, Number.NaN]);
    expect(cases.value).toBeCloseTo(2 / 5, 12);
    expect(foreground.classes.map(c => c.mean)).toEqual([4 / 5, Number.NaN, Number.NaN]);
    expect(foreground.value).toBe(4 / 5);
    const empty = diceMetric(classLabels([0, 0], [2], 2));
    empty.add(outputsFor([0, 0], 2, 2), 0);
    expect(empty.score().value).toBeNaN();
  });

  const cases = fc.record({ n: fc.integer({ min: 1, max: 5 }), pixels: fc.integer({ min: 1, max: 6 }) }).chain(size =>
    fc.record({
      n: fc.constant(size.n),
      pixels: fc.constant(size.pixels),
      labels: fc.array(fc.nat(3), { minLength: size.n * size.pixels, maxLength: size.n * size.pixels }),
      predicted: fc.array(fc.nat(3), { minLength: size.n * size.pixels, maxLength: size.n * size.pixels }),
    }),
  );

  it('per case equals a count over sets of pixels, whatever the batches and the images that are asked for', () => {
    const asked = fc.record({
      ids: fc.array(fc.nat(2), { minLength: 5, maxLength: 5 }),
      kept: fc.subarray([0, 1, 2, 3, 4]),
    });
    fc.assert(
      fc.property(
        cases,
        asked,
        fc.integer({ min: 1, max: 3 }),
        ({ n, pixels, labels, predicted }, { ids, kept }, batch) => {
          const metric = diceMetric(classLabels(labels, [pixels], 4), ids.slice(0, n));
          for (let first = 0; first < n; first += batch) {
            metric.add(outputsFor(predicted.slice(first * pixels, (first + batch) * pixels), pixels, 4), first);
          }
          const images = kept.filter(image => image < n);
          const places = images.flatMap(image => Array.from({ length: pixels }, (_, p) => image * pixels + p));
          const means = [1, 2, 3].map(c => {
            const dices = [...new Set(images.map(image => ids[image]))].flatMap(id => {
              const own = places.filter(at => ids[Math.floor(at / pixels)] === id);
              const t = new Set(own.filter(at => labels[at] === c));
              const m = new Set(own.filter(at => predicted[at] === c));
              const either = new Set([...t, ...m]).size;
              // Of the Jaccard index J, Dice is 2J / (1 + J).
              const jaccard = (t.size + m.size - either) / either;
              return either > 0 ? [(2 * jaccard) / (1 + jaccard)] : [];
            });
            return dices.reduce((sum, dice) => sum + dice, 0) / dices.length;
          });
          const score = metric.score(images);
          score.classes.forEach(({ mean }, i) => {
            expect(Number.isNaN(mean)).toBe(Number.isNaN(means[i]));
            expect(mean - means[i] || 0).toBeCloseTo(0, 10);
          });
          const known = means.filter(mean => !Number.isNaN(mean));
          expect(score.value - known.reduce((sum, mean) => sum + mean, 0) / known.length || 0).toBeCloseTo(0, 10);
          expect(Number.isNaN(score.value)).toBe(known.length === 0);
        },
      ),
    );
  });

  it('has terms that add up: what is added twice counts as cases of its own, twice', () => {
    const drawn = fc.record({
      ids: fc.array(fc.nat(2), { minLength: 5, maxLength: 5 }),
      groups: fc.array(fc.nat(2), { minLength: 1, maxLength: 4 }),
    });
    fc.assert(
      fc.property(cases, drawn, ({ n, pixels, labels, predicted }, { ids, groups }) => {
        const metricOf = (images: readonly number[], id: readonly number[]): Metric => {
          const of = (values: readonly number[]) => images.flatMap(i => values.slice(i * pixels, (i + 1) * pixels));
          const metric = diceMetric(classLabels(of(labels), [pixels], 4), id);
          if (images.length > 0) metric.add(outputsFor(of(predicted), pixels, 4), 0);
          return metric;
        };
        const all = Array.from({ length: n }, (_, image) => image);
        const metric = metricOf(all, ids);
        const imagesOf = (id: number) => all.filter(image => ids[image] === id);
        const sums = new Float64Array(6);
        for (const id of groups) {
          for (const [i, term] of metric.terms(imagesOf(id)).entries()) sums[i] += term;
        }
        // The same as a data set in which every draw is a case.
        const copied = metricOf(
          groups.flatMap(imagesOf),
          groups.flatMap((id, draw) => imagesOf(id).map(() => draw)),
        );
        expect(valueOfTerms(sums) - copied.score().value || 0).toBeCloseTo(0, 10);
        expect(Number.isNaN(valueOfTerms(sums))).toBe(Number.isNaN(copied.score().value));
      }),
    );
  });

  it('of the foreground equals a direct transcription of its definition, whatever the batches', () => {
    fc.assert(
      fc.property(cases, fc.integer({ min: 1, max: 3 }), ({ n, pixels, labels, predicted }, batch) => {
        const metric = foregroundDiceMetric(classLabels(labels, [pixels], 4));
        for (let first = 0; first < n; first += batch) {
          metric.add(outputsFor(predicted.slice(first * pixels, (first + batch) * pixels), pixels, 4, 7), first);
        }
        for (const { class: c, mean, pooled } of metric.score().classes) {
          const images = Array.from({ length: n }, (_, i) => {
            const at = Array.from({ length: pixels }, (_, p) => i * pixels + p);
            const m = at.filter(p => predicted[p] === c);
            const t = at.filter(p => labels[p] === c);
            return { both: m.filter(p => t.includes(p)).length, total: m.length + t.length, has: t.length > 0 };
          });
          const having = images.filter(image => image.has);
          const expected = having.reduce((sum, image) => sum + (2 * image.both) / image.total, 0) / having.length;
          const both = images.reduce((sum, image) => sum + image.both, 0);
          const total = images.reduce((sum, image) => sum + image.total, 0);
          expect(mean - expected || 0).toBeCloseTo(0, 10);
          expect(Number.isNaN(mean)).toBe(having.length === 0);
          expect(pooled - (2 * both) / total || 0).toBeCloseTo(0, 10);
          expect(Number.isNaN(pooled)).toBe(total === 0);
        }
      }),
    );
  });

  it('is 1 for the labels themselves, and never outside 0 to 1', () => {
    fc.assert(
      fc.property(cases, ({ n, pixels, labels, predicted }) => {
        fc.pre(labels.some(label => label > 0));
        const score = (classes: number[]) => {
          const metric = diceMetric(classLabels(labels, [pixels], 4));
          metric.add(outputsFor(classes, pixels, 4), 0);
          return metric.score(Array.from({ length: n }, (_, i) => i)).value;
        };
        expect(score(labels)).toBe(1);
        expect(score(predicted)).toBeGreaterThanOrEqual(0);
        expect(score(predicted)).toBeLessThanOrEqual(1);
      }),
    );
  });
});

describe('Dice of regions', () => {
  it('equals a direct count of what is above the threshold, overlaps and all', () => {
    const bit = fc.constantFrom(0, 1, 255);
    const value = fc.constantFrom(-2, -0.25, 0, 0.25, 0.5, 0.75, 3);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(bit, value), { minLength: 24, maxLength: 24 }),
        fc.constantFrom(0, 0.5),
        (cells, threshold) => {
          // Two images, three regions, four places.
          const metric = foregroundDiceMetric(
            regionLabels(
              cells.map(([label]) => label),
              [3, 4],
            ),
          );
          const data = cells.map(([, output]) => output);
          metric.add({ data: data.slice(0, 12), shape: [1, 3, 4], threshold }, 0);
          metric.add({ data: data.slice(12), shape: [1, 3, 4], threshold }, 1);
          const score = metric.score();
          for (const [r, { mean, pooled, cases }] of score.classes.entries()) {
            const counts = [0, 1].map(image => {
              const known = cells.slice(image * 12 + r * 4, image * 12 + r * 4 + 4).filter(([label]) => label !== 255);
              const yes = known.filter(([, output]) => output > threshold);
              const labelled = known.filter(([label]) => label === 1);
              return {
                both: yes.filter(([label]) => label === 1).length,
                sum: yes.length + labelled.length,
                has: labelled.length > 0,
              };
            });
            const having = counts.filter(c => c.has);
            expect(cases).toBe(having.length);
            if (having.length > 0) {
              expect(mean).toBeCloseTo(having.reduce((s, c) => s + (2 * c.both) / c.sum, 0) / having.length, 12);
            }
            const [both, sum] = [counts[0].both + counts[1].both, counts[0].sum + counts[1].sum];
            if (sum > 0) expect(pooled).toBeCloseTo((2 * both) / sum, 12);
          }
        },
      ),
    );
  });

  it('of one channel is that of two classes, as it was', () => {
    const places = fc.array(fc.tuple(fc.constantFrom(0, 1), fc.integer({ min: -3, max: 3 })), {
      minLength: 1,
      maxLength: 9,
    });
    fc.assert(
      fc.property(places, cells => {
        const [labels, logits] = [cells.map(c => c[0]), cells.map(c => c[1])];
        const n = cells.length;
        const one = diceMetric(regionLabels(labels, [1, n]));
        one.add({ data: logits, shape: [1, 1, n] }, 0);
        const two = diceMetric(classLabels(labels, [n], 2));
        two.add({ data: [...logits.map(() => 0), ...logits], shape: [1, 2, n] }, 0);
        expect(one.score()).toEqual(two.score());
      }),
    );
  });
});

describe('accuracy', () => {
  it('of several answers per image is the share of right ones', () => {
    const metric = accuracyMetric(regionLabels([1, 0, 255, 1], [2]));
    metric.add({ data: [3, 3, 3, 3], shape: [2, 2] }, 0);
    expect(metric.score().value).toBeCloseTo(2 / 3, 12);
  });

  it('counts images, or pixels', () => {
    const images = accuracyMetric(classLabels([2, 0, 1], [], 3));
    images.add({ data: Float32Array.of(0, 1, 5, 3, 2, 1, 4, 0, 0), shape: [3, 3] }, 0);
    expect(images.score().value).toBeCloseTo(2 / 3, 12);
    const pixels = accuracyMetric(classLabels([0, 1, 1, 1], [4], 2));
    pixels.add(outputsFor([0, 1, 0, 1], 4, 2), 0);
    expect(pixels.score().value).toBe(0.75);
  });
});

describe('mean squared error', () => {
  const labels: ValueLabels = { kind: 'values', data: Float32Array.of(1, 2, 3), shape: [], reading: '' };

  it('is the mean over all values; one output per image may keep its axis', () => {
    for (const shape of [[3], [3, 1]]) {
      const metric = errorMetric(labels);
      metric.add({ data: Float32Array.of(1, 4, 3), shape }, 0);
      expect(metric.score()).toMatchObject({ metric: 'mse', value: 4 / 3, images: 3 });
    }
  });
});

describe('every metric', () => {
  it('scores folds from one pass', () => {
    const metric = accuracyMetric(classLabels([0, 1, 1, 0], [], 2));
    metric.add({ data: Float32Array.of(1, 0, 0, 1), shape: [2, 2] }, 0);
    metric.add({ data: Float32Array.of(1, 0, 0, 1), shape: [2, 2] }, 2);
    const folds = imagesByFold([1, 0, 1, 0]);
    expect([...folds]).toEqual([
      [0, [1, 3]],
      [1, [0, 2]],
    ]);
    expect([...folds.values()].map(images => metric.score(images).value)).toEqual([0.5, 0.5]);
    expect(metric.score().value).toBe(0.5);
  });

  it('follows from the labels', () => {
    expect(metricFor(classLabels([0, 1], [2], 2)).name).toBe('dice');
    expect(metricFor(classLabels([0, 1], [], 2)).name).toBe('accuracy');
    expect(metricFor({ kind: 'values', data: Float32Array.of(1), shape: [], reading: '' }).name).toBe('mse');
  });

  it('can be said, where labels can be scored by it', () => {
    const dense = classLabels([0, 1], [2], 2);
    for (const metric of ['dice', 'dice-foreground', 'accuracy'] as const) {
      expect(metricFor(dense, { metric }).name).toBe(metric);
    }
    const single = { ...classLabels([0, 1], [], 2), reading: '2 classes of each image' };
    expect(() => metricFor(single, { metric: 'dice' })).toThrow(
      'The labels are 2 classes of each image, and cannot be scored by dice: what they can be scored by is accuracy.',
    );
    expect(() => metricFor(dense, { metric: 'mse' })).toThrow('dice, dice-foreground, accuracy.');
  });

  it('refuses outputs that do not fit', () => {
    const dice = diceMetric(classLabels([0, 1], [2], 2));
    expect(() => dice.add({ data: new Float32Array(6), shape: [1, 3, 2] }, 0)).toThrow(
      'fit labels of the shape [N, 2]',
    );
    expect(() => dice.add({ data: new Float32Array(6), shape: [1, 2, 3] }, 0)).toThrow('not [1, 2, 3]');
    expect(() => dice.add({ data: new Float32Array(8), shape: [2, 2, 2] }, 0)).toThrow('labels for fewer');
    expect(() => dice.score([0])).toThrow(RangeError);
  });
});
