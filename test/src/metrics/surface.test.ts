import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { squaredDistances } from '../../../src/metrics/distance.ts';
import { SurfaceMetric, surfaceDistances, surfaceOf } from '../../../src/metrics/surface.ts';

interface Expected {
  readonly name: string;
  readonly shape: readonly number[];
  readonly spacing: readonly number[];
  readonly tolerance: number;
  readonly answer: string;
  readonly label: string;
  readonly nsd: number;
  readonly hd95: number | null;
  readonly distances: readonly (readonly (number | null)[])[];
}

const file = join(import.meta.dirname, '..', '..', '..', 'fixtures', 'surfaces.json');
const expected = JSON.parse(readFileSync(file, 'utf8')) as readonly Expected[];
const maskOf = (text: string): Uint8Array => Uint8Array.from(text, Number);

describe('surface distances', () => {
  it.each(expected)('of $name are those of SciPy', ({ shape, spacing, tolerance, answer, label, ...scipy }) => {
    const found = surfaceDistances(maskOf(answer), maskOf(label), { shape, spacing });
    for (const [i, distances] of [found.answer, found.label].entries()) {
      expect(distances).toHaveLength(scipy.distances[i].length);
      for (const [at, distance] of distances.entries()) {
        expect(distance).toBeCloseTo(scipy.distances[i][at] ?? Number.POSITIVE_INFINITY, 8);
      }
    }
    const { nsd, hd95 } = surfaceOf([found], tolerance);
    expect(nsd).toBeCloseTo(scipy.nsd, 12);
    expect(hd95).toBeCloseTo(scipy.hd95 ?? Number.POSITIVE_INFINITY, 8);
  });

  it('to the nearest of marked places are exact on any grid', () => {
    const axes = fc.array(
      fc.record({ length: fc.integer({ min: 1, max: 6 }), spacing: fc.constantFrom(1, 0.3, 2, 5) }),
      {
        minLength: 1,
        maxLength: 4,
      },
    );
    const grids = axes.chain(found => {
      const size = found.reduce((product, { length }) => product * length, 1);
      return fc.record({
        axes: fc.constant(found),
        marked: fc.array(fc.constantFrom(0, 0, 0, 1), { minLength: size, maxLength: size }),
      });
    });
    fc.assert(
      fc.property(grids, ({ axes: found, marked }) => {
        const placeOf = (at: number): number[] => {
          let rest = at;
          return found.toReversed().map(({ length, spacing }) => {
            const index = rest % length;
            rest = Math.floor(rest / length);
            return index * spacing;
          });
        };
        const places = marked.map((_, at) => placeOf(at));
        const distances = squaredDistances(
          Uint8Array.from(marked),
          found.map(({ length }) => length),
          found.map(({ spacing }) => spacing),
        );
        for (const [at, place] of places.entries()) {
          const all = places
            .filter((_, other) => marked[other] === 1)
            .map(other => other.reduce((sum, x, axis) => sum + (x - place[axis]) ** 2, 0));
          const nearest = Math.min(...all);
          if (all.length === 0) expect(distances[at]).toBe(Number.POSITIVE_INFINITY);
          else expect(distances[at]).toBeCloseTo(nearest, 9);
        }
      }),
    );
  });

  it('are 0 between equal masks, and change places with them', () => {
    const mask = fc.array(fc.constantFrom(0, 1), { minLength: 30, maxLength: 30 });
    fc.assert(
      fc.property(mask, mask, (p, q) => {
        const grid = { shape: [5, 6], spacing: [1, 2] };
        const [one, other] = [Uint8Array.from(p), Uint8Array.from(q)];
        const same = surfaceOf([surfaceDistances(one, one, grid)], 0);
        expect(same).toEqual(p.includes(1) ? { nsd: 1, hd95: 0 } : { nsd: Number.NaN, hd95: Number.NaN });
        const found = surfaceDistances(one, other, grid);
        expect(surfaceDistances(other, one, grid)).toEqual({ answer: found.label, label: found.answer });
        expect(surfaceOf([found], 2.5)).toEqual(surfaceOf([{ answer: found.label, label: found.answer }], 2.5));
      }),
    );
  });
});

describe('surfaces of cases', () => {
  const line = (data: readonly number[], ignore?: number) =>
    ({ kind: 'classes', data: Uint8Array.from(data), shape: [6], classes: 3, ignore, reading: '' }) as const;
  const outputs = (...classes: number[]) => ({
    data: Array.from({ length: (classes.length / 6) * 18 }, (_, i) => {
      const [image, k, place] = [Math.floor(i / 18), Math.floor(i / 6) % 3, i % 6];
      return Number(classes[image * 6 + place] === k);
    }),
    shape: [classes.length / 6, 3, 6],
  });

  it('take the images of a case together, and leave out what is in neither', () => {
    // Class 1: image 0 is off by one place; image 1 has a label that nothing answers. Class 2: nowhere but in the answer to image 2.
    const labels = line([0, 1, 0, 0, 0, 0, /**/ 0, 0, 0, 1, 0, 0, /**/ 1, 0, 0, 0, 0, 0]);
    const metric = new SurfaceMetric(labels, [8, 8, 9], undefined, 1);
    metric.add(outputs(0, 0, 1, 0, 0, 0, /**/ 0, 0, 0, 0, 0, 0, /**/ 1, 0, 0, 2, 0, 0), 0);
    expect([...metric.cases()]).toEqual([
      [
        8,
        [
          { nsd: 2 / 3, hd95: Number.POSITIVE_INFINITY },
          { nsd: Number.NaN, hd95: Number.NaN },
        ],
      ],
      [
        9,
        [
          { nsd: 1, hd95: 0 },
          { nsd: 0, hd95: Number.POSITIVE_INFINITY },
        ],
      ],
    ]);
    const score = metric.score();
    expect(score).toMatchObject({ tolerance: 1, unit: 'pixels', hd95: 0 });
    expect(score.nsd).toBeCloseTo((5 / 6 + 0) / 2, 12);
    expect(score.classes).toMatchObject([
      { class: 1, name: 'class 1', cases: 2, hd95: 0, infinite: 1 },
      { class: 2, name: 'class 2', cases: 1, hd95: Number.NaN, infinite: 1 },
    ]);
  });

  it('measure in the spacing of each image, and see nothing of what is left out', () => {
    const labels = line([1, 255, 0, 0, 0, 0, /**/ 1, 0, 0, 0, 0, 0], 255);
    const metric = new SurfaceMetric(labels, undefined, [[1], [3]], 3);
    metric.add(outputs(0, 1, 1, 0, 0, 0, /**/ 0, 0, 1, 0, 0, 0), 0);
    expect([...metric.cases().values()].map(([first]) => first)).toEqual([
      { nsd: 1, hd95: 2 },
      { nsd: 0, hd95: 6 },
    ]);
    expect(metric.score().unit).toBe('mm');
  });

  it('of overlapping regions are each by itself', () => {
    const data = Uint8Array.of(1, 1, 1, 0, /**/ 0, 1, 0, 0);
    const labels = { kind: 'regions', data, shape: [2, 4], names: ['1+2', '2'], ignore: 255, reading: '' } as const;
    const metric = new SurfaceMetric(labels, undefined, undefined, 0);
    metric.add({ data: [0.9, 0.8, 0.7, 0.1, /**/ 0.2, 0.1, 0.6, 0.1], shape: [1, 2, 4], threshold: 0.5 }, 0);
    expect(metric.score().classes).toMatchObject([
      { name: 'region 1+2', nsd: 1, hd95: 0 },
      { name: 'region 2', nsd: 0, hd95: 1 },
    ]);
  });
});
