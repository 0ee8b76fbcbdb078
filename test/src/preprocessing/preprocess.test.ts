import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Plans, plansFrom } from '../../../src/preprocessing/plans.ts';
import { type Decision, preprocess, preprocessLabels, restore } from '../../../src/preprocessing/preprocess.ts';
import { resampledLabels, resampledValues } from '../../../src/preprocessing/resample.ts';

interface Case {
  readonly name: string;
  readonly plans: unknown;
  readonly configuration: string;
  readonly regions: number[] | null;
  readonly shape: number[];
  readonly spacing: number[];
  readonly image: number[];
  readonly labels: number[];
  readonly seenShape: number[];
  readonly seen: number[];
  readonly seenLabels: number[];
  readonly outputs: number[];
  readonly restored: number[];
}

const cases = JSON.parse(readFileSync('fixtures/preprocessing/cases.json', 'utf8')) as Case[];

const worst = (found: Float32Array, wanted: readonly number[]): number =>
  wanted.reduce((most, value, i) => Math.max(most, Math.abs(found[i] - value)), 0);

describe("a case as nnU-Net's network sees it, against NumPy, SciPy and scikit-image", () => {
  it.each(cases)('$name', made => {
    const plans = plansFrom(made.plans, 'plans.json', made.configuration);
    const image = { data: Float32Array.from(made.image), shape: made.shape, spacing: made.spacing };
    const before = image.data.slice();
    const found = preprocess(image, plans, 'case');
    expect(image.data).toEqual(before);
    expect(found.shape).toEqual(made.seenShape);
    const range = Math.max(...made.seen.map(Math.abs));
    expect(worst(found.data, made.seen)).toBeLessThan(2e-6 * Math.max(1, range));

    expect([...preprocessLabels(Uint8Array.from(made.labels), found.placement)]).toEqual(made.seenLabels);

    const heads = made.outputs.length / (found.data.length / made.shape[0]);
    const decision: Decision = made.regions
      ? { kind: 'regions', values: made.regions, threshold: 0 }
      : { kind: 'classes', values: Array.from({ length: heads }, (_, k) => k) };
    expect([...restore(Float32Array.from(made.outputs), found.placement, decision)]).toEqual(made.restored);
  });
});

const extents = fc.tuple(...Array.from({ length: 3 }, () => fc.integer({ min: 1, max: 9 })));
const spacings = fc.tuple(...Array.from({ length: 3 }, () => fc.double({ min: 0.5, max: 2, noNaN: true })));
const orders = fc.constantFrom([0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]);
const how = fc.record({
  order: fc.constantFrom(0 as const, 1 as const, 3 as const),
  orderZ: fc.constantFrom(0 as const, 1 as const, 3 as const),
  separateZ: fc.constantFrom(undefined, true, false),
});

const size = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);

describe('resampling', () => {
  it('leaves a constant what it is', () => {
    fc.assert(
      fc.property(
        extents,
        extents,
        spacings,
        spacings,
        how,
        fc.integer({ min: -9, max: 9 }),
        (from, to, a, b, way, value) => {
          const change = { from, to, fromSpacing: a, toSpacing: b };
          const found = resampledValues(new Float32Array(size(from)).fill(value), change, way);
          expect(found.length).toBe(size(to));
          for (const x of found) expect(Math.abs(x - value)).toBeLessThan(1e-5);
          expect(new Set(resampledLabels(new Uint8Array(size(from)).fill(3), change, way))).toEqual(new Set([3]));
        },
      ),
    );
  });

  it('makes of a product of functions of one axis each the product of what it makes of them', () => {
    const row = fc.array(fc.double({ min: 0.5, max: 1, noNaN: true }), { minLength: 2, maxLength: 8 });
    fc.assert(
      fc.property(row, row, row, extents, fc.constantFrom(0 as const, 1 as const), (x, y, z, to, order) => {
        const [fromSpacing, toSpacing] = [
          [1, 1, 1],
          [1, 1, 1],
        ];
        const alone = (of: number[], n: number): Float32Array =>
          resampledValues(
            Float32Array.from(of),
            { from: [of.length, 1, 1], to: [n, 1, 1], fromSpacing, toSpacing },
            { order, orderZ: 0, separateZ: false },
          );
        const whole = Float32Array.from(z.flatMap(c => y.flatMap(b => x.map(a => a * b * c))));
        const from = [z.length, y.length, x.length];
        const found = resampledValues(
          whole,
          { from, to, fromSpacing, toSpacing },
          { order, orderZ: 0, separateZ: false },
        );
        const [cs, bs, as] = [alone(z, to[0]), alone(y, to[1]), alone(x, to[2])];
        const wanted = [...cs].flatMap(c => [...bs].flatMap(b => [...as].map(a => a * b * c)));
        expect(worst(found, wanted)).toBeLessThan(1e-5);
      }),
    );
  });

  it('gives a smooth field nearly back that went to a finer grid', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.1, max: 0.4, noNaN: true }), fc.integer({ min: 25, max: 40 }), (pace, fine) => {
        const from = [20, 20, 20];
        const to = [fine, fine, fine];
        const field = Float32Array.from({ length: 8000 }, (_, i) => {
          const [z, y, x] = [Math.floor(i / 400), Math.floor(i / 20) % 20, i % 20];
          return Math.sin(pace * z) + Math.cos(pace * (y + 0.5 * x));
        });
        const [fromSpacing, toSpacing] = [[1, 1, 1], to.map(n => 20 / n)];
        const way = { order: 3, orderZ: 0, separateZ: false } as const;
        const there = resampledValues(field, { from, to, fromSpacing, toSpacing }, way);
        const back = resampledValues(
          there,
          { from: to, to: from, fromSpacing: toSpacing, toSpacing: fromSpacing },
          way,
        );
        const inside = (i: number): boolean =>
          [Math.floor(i / 400), Math.floor(i / 20) % 20, i % 20].every(k => k > 2 && k < 17);
        for (let i = 0; i < back.length; i++) if (inside(i)) expect(Math.abs(back[i] - field[i])).toBeLessThan(0.02);
      }),
      { numRuns: 10 },
    );
  });
});

describe('there and back', () => {
  it('keeps the shape, and every label where nothing is resampled', () => {
    const classes = 3;
    fc.assert(
      fc.property(
        extents.chain(e =>
          fc.tuple(
            fc.constant(e),
            fc.array(fc.integer({ min: 0, max: classes - 1 }), { minLength: size(e), maxLength: size(e) }),
          ),
        ),
        orders,
        fc.boolean(),
        ([shape, labels], transpose, resampled) => {
          const plans: Plans = {
            ...{ source: 'plans.json', configuration: '3d_fullres', patchSize: [4, 4, 4], transpose },
            spacing: resampled ? [0.7, 1.3, 0.9] : [1, 1, 1],
            normalizations: [{ scheme: 'NoNormalization', masked: false }],
            resampling: Object.fromEntries(
              ['images', 'labels', 'outputs'].map(what => [what, { order: 1, orderZ: 0, separateZ: false }]),
            ) as Plans['resampling'],
          };
          // Foreground is where the image is not zero, as cropping has it.
          const data = Float32Array.from(labels);
          const found = preprocess({ data, shape: [1, ...shape], spacing: [1, 1, 1] }, plans, 'case');
          if (found.data.length === 0) return;
          const seen = preprocessLabels(Uint8Array.from(labels), found.placement);
          const outputs = new Float32Array(classes * seen.length);
          for (const [i, label] of seen.entries()) outputs[label * seen.length + i] = 1;
          const back = restore(outputs, found.placement, { kind: 'classes', values: [0, 1, 2] });
          expect(back.length).toBe(labels.length);
          if (!resampled) expect([...back]).toEqual(labels);
        },
      ),
    );
  });
});
