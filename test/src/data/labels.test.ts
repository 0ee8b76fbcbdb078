import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SutureError } from '../../../ir/errors.ts';
import { type LabelOptions, parseDataset } from '../../../src/data/dataset.ts';
import {
  areTargets,
  impliedActivation,
  type LabelledOutput,
  type Labels,
  labelsFor,
  requireForeground,
} from '../../../src/data/labels.ts';
import { type NpyData, npyArray } from '../../../src/data/npy.ts';
import { formatNpz } from '../../../src/data/npz.ts';
import { metricFor } from '../../../src/metrics/metric-for.ts';
import { sigmoidOver, softmaxOver, valuesOver } from './outputs.ts';

/** Images [n, 1, ...spatial] with labels of a shape, N included. */
function dataset(labels: NpyData, shape: readonly number[], spatial: readonly number[], said: LabelOptions = {}) {
  const n = shape[0];
  const pixels = spatial.reduce((a, b) => a * b, 1);
  const images = npyArray(new Float32Array(n * pixels).fill(1), [n, 1, ...spatial]);
  return parseDataset(formatNpz({ images, labels: npyArray(labels, shape) }), 'x.npz', said);
}

const read = (labels: NpyData, shape: readonly number[], output: LabelledOutput, said: LabelOptions = {}): Labels =>
  labelsFor(dataset(labels, shape, output.spatial as number[], said), output);

function refusal(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof SutureError) return `${error.code}: ${error.message}`;
    throw error;
  }
  throw new Error('nothing was refused');
}

/** Class maps [n, h, w] over k classes, in whatever form a file may hold them. */
const maps = fc
  .record({
    n: fc.integer({ min: 1, max: 3 }),
    h: fc.integer({ min: 1, max: 3 }),
    w: fc.integer({ min: 1, max: 3 }),
    k: fc.integer({ min: 2, max: 4 }),
  })
  .chain(size => {
    const length = size.n * size.h * size.w;
    return fc.record({
      size: fc.constant(size),
      map: fc.array(fc.nat(size.k - 1), { minLength: length, maxLength: length }),
      logits: fc.array(fc.integer({ min: -9, max: 9 }), { minLength: length * size.k, maxLength: length * size.k }),
    });
  });

/** [n, places] as one-hot [n, k, places], or [n, places, k]. */
const oneHot = (map: readonly number[], k: number, places: number, last: boolean): number[] =>
  Array.from({ length: map.length * k }, (_, i) => {
    const image = Math.floor(i / (k * places));
    const within = i % (k * places);
    const [channel, place] = last
      ? [within % k, Math.floor(within / k)]
      : [Math.floor(within / places), within % places];
    return map[image * places + place] === channel ? 1 : 0;
  });

describe('labels of classes', () => {
  it('score the same in each of their forms', () => {
    fc.assert(
      fc.property(maps, ({ size: { n, h, w, k }, map, logits }) => {
        const output = softmaxOver(k, h, w);
        const hot = oneHot(map, k, h * w, false);
        const hotLast = oneHot(map, k, h * w, true);
        const forms: [NpyData, number[]][] = [
          [Uint8Array.from(map), [n, h, w]],
          [Int32Array.from(map), [n, h, w]],
          [BigInt64Array.from(map.map(BigInt)), [n, h, w]],
          [Float32Array.from(map), [n, h, w]],
          [Float64Array.from(map), [n, 1, h, w]],
          [Uint8Array.from(hot), [n, k, h, w]],
          [Float32Array.from(hot), [n, k, h, w]],
        ];
        // Where height and channels are equal, the first axis is taken for the channels.
        if (h !== k) forms.push([Float32Array.from(hotLast), [n, h, w, k]]);
        const scores = forms.map(([data, shape]) => {
          const metric = metricFor(read(data, shape, output));
          metric.add({ data: logits, shape: [n, k, h, w] }, 0);
          return metric.score();
        });
        for (const score of scores) expect(score).toEqual(scores[0]);
        expect(scores[0].metric).toBe('dice');
      }),
      { numRuns: 30 },
    );
  });

  it('of images may be one-hot too', () => {
    const output = softmaxOver(3);
    expect(read(Uint8Array.of(0, 1, 0, 1, 0, 0), [2, 3], output)).toMatchObject({
      data: Int32Array.of(1, 0),
      shape: [],
    });
    expect(read(Float32Array.of(2, 0), [2], output)).toMatchObject({ data: Int32Array.of(2, 0), shape: [] });
  });

  it('say how they were read', () => {
    expect(read(Float32Array.of(0, 1, 2, 0), [1, 2, 2], softmaxOver(3, 2, 2)).reading).toBe(
      '3 classes of each place, read from whole real numbers',
    );
    expect(read(Uint8Array.of(1, 0, 0, 1), [1, 2, 2], softmaxOver(2, 2), { ignoreLabel: 255 }).reading).toBe(
      'one-hot over 2 classes, read as classes of each place, 255 left out',
    );
  });
});

describe('labels of regions', () => {
  it('score the same as masks and as classes with a table, overlaps kept', () => {
    const table = [[1, 2, 3], [2, 3], [3]];
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(0, 1, 2, 3), { minLength: 8, maxLength: 8 }),
        fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 24, maxLength: 24 }),
        (map, logits) => {
          const output = sigmoidOver(3, 2, 2);
          const masks = Array.from({ length: 24 }, (_, i) => {
            const [image, r, place] = [Math.floor(i / 12), Math.floor(i / 4) % 3, i % 4];
            return table[r].includes(map[image * 4 + place]) ? 1 : 0;
          });
          const scores = [
            read(Uint8Array.from(map), [2, 2, 2], output, { regions: table }),
            read(Uint8Array.from(masks), [2, 3, 2, 2], output, { regions: table }),
            read(Float32Array.from(masks), [2, 3, 2, 2], output, { regions: table }),
          ].map(labels => {
            const metric = metricFor(labels);
            metric.add({ data: logits, shape: [2, 3, 2, 2] }, 0);
            return metric.score();
          });
          for (const score of scores) expect(score).toEqual(scores[0]);
          expect(scores[0].classes.map(c => c.name)).toEqual(['region 1+2+3', 'region 2+3', 'region 3']);
        },
      ),
    );
  });

  it('of one channel are the foreground, however it is kept', () => {
    const output = sigmoidOver(1, 2);
    const wanted = { kind: 'regions', data: Uint8Array.of(0, 1, 1, 0), shape: [1, 2] };
    expect(read(Uint8Array.of(0, 1, 1, 0), [2, 2], output)).toMatchObject(wanted);
    expect(read(Float32Array.of(0, 1, 1, 0), [2, 1, 2], output)).toMatchObject(wanted);
    expect(read(Uint8Array.of(1, 0, 0, 1, 0, 1, 1, 0), [2, 2, 2], output)).toMatchObject(wanted);
    expect(read(Uint8Array.of(0, 3, 2, 0), [2, 2], output, { regions: [[2, 3]] })).toMatchObject(wanted);
  });
});

describe('labels that do not fit', () => {
  const one = Float32Array.of(1.5, -0.5, 0, 2);
  it.each<[string, () => unknown, RegExp]>([
    [
      'real numbers for classes',
      () => read(one, [2, 2], softmaxOver(3, 2)),
      /data-invalid: x\.npz: "labels" hold real numbers, labels\[0, 0\] is 1\.5.*--task regression/,
    ],
    [
      'a class too many',
      () => read(Uint8Array.of(0, 255), [1, 2], softmaxOver(2, 2)),
      /labels\[0, 1\] is 255; the networks have 2 classes, 0 to 1: did you mean --ignore-label 255\?$/,
    ],
    [
      'a negative class',
      () => read(Int8Array.of(0, -1), [2], softmaxOver(2)),
      /labels\[1\] is -1; .*--ignore-label -1\?$/,
    ],
    [
      'masks that overlap, for classes',
      () => read(Uint8Array.of(1, 1, 1, 0), [1, 2, 2], softmaxOver(2, 2)),
      /overlap or leave places out.*--activation sigmoid/,
    ],
    [
      'too few masks',
      () => read(Uint8Array.of(1, 0, 0, 1), [1, 2, 2], softmaxOver(3, 2)),
      /2 channels, and net\.onnx tells 3 classes apart/,
    ],
    [
      'masks of other numbers',
      () => read(Uint8Array.of(1, 0, 0, 7), [1, 2, 2], softmaxOver(2, 2)),
      /labels\[0, 1, 1\] is 7; .*masks.*--ignore-label 7\?$/,
    ],
    [
      'classes for regions',
      () => read(Uint8Array.of(0, 1), [1, 2], sigmoidOver(2, 2)),
      /--regions 1\+2\+3,2\+3,3, or --activation softmax/,
    ],
    [
      'a table for classes',
      () => read(Uint8Array.of(0, 1), [1, 2], softmaxOver(2, 2), { regions: [[1]] }),
      /option-invalid: .*--regions are for networks with a sigmoid/,
    ],
    [
      'a table of other regions',
      () => read(Uint8Array.of(0, 1), [1, 2], sigmoidOver(2, 2), { regions: [[1]] }),
      /--regions \(or dataset.json\) names 1 regions, and net\.onnx has 2 channels/,
    ],
    [
      'a class of no region',
      () => read(Uint8Array.of(0, 4), [1, 2], sigmoidOver(1, 2), { regions: [[1, 2]] }),
      /labels\[0, 1\] is 4; the regions are made of the classes 1, 2: did you mean/,
    ],
    [
      'another size',
      () => read(Uint8Array.of(0, 1, 1), [1, 3], softmaxOver(2, 2)),
      /"labels" has the shape \[1, 3\], and net\.onnx answers for \[N, 2\]/,
    ],
    ['targets of another shape', () => read(one, [2, 2], valuesOver(3, 2)), /net\.onnx gives \[N, 3, 2\]/],
    [
      'ignored targets',
      () => read(one, [2, 2], valuesOver(1, 2), { ignoreLabel: 255 }),
      /option-invalid: .*--ignore-label is for classes and regions/,
    ],
    [
      'an ignored 1 among masks',
      () => read(Uint8Array.of(1, 0, 0, 1), [1, 2, 2], softmaxOver(2, 2), { ignoreLabel: 1 }),
      /option-invalid: .*masks hold 0 and 1/,
    ],
  ])('%s', (_, action, message) => {
    expect(refusal(action)).toMatch(message);
  });
});

describe('what labels tell of outputs', () => {
  it('targets of a regression are real numbers that are no probabilities', () => {
    const targets = (...values: number[]) =>
      areTargets(dataset(Float32Array.from(values), [1, values.length], [values.length]));
    expect([targets(0.5, 3), targets(0.5, 1), targets(0, 3)]).toEqual([true, false, false]);
  });

  it('one mask for each channel is a class where masks exclude each other, else a region', () => {
    const implied = (masks: number[], said: LabelOptions = {}) =>
      impliedActivation(dataset(Uint8Array.from(masks), [1, 2, 2], [2], said), softmaxOver(2, 2));
    expect(implied([1, 0, 0, 1])).toBe('softmax');
    expect(implied([1, 0, 1, 0])).toBe('sigmoid');
    expect(implied([1, 0, 0, 0])).toBe('sigmoid');
    expect(implied([1, 255, 0, 255], { ignoreLabel: 255 })).toBe('softmax');
    expect(impliedActivation(dataset(Uint8Array.of(0, 1), [1, 2], [2]), softmaxOver(2, 2))).toBeUndefined();
    expect(impliedActivation(dataset(Uint8Array.of(0, 1), [1, 2], [2], { regions: [[1]] }), softmaxOver(2, 2))).toBe(
      'sigmoid',
    );
  });

  it('without foreground nothing can be chosen by them', () => {
    const empty = (labels: Labels) => () => requireForeground(labels, 'x.npz');
    expect(empty(read(Uint8Array.of(0, 0), [1, 2], softmaxOver(2, 2)))).toThrow(/no image has foreground/);
    expect(empty(read(Uint8Array.of(0, 255), [1, 2], softmaxOver(2, 2), { ignoreLabel: 255 }))).toThrow(/no image/);
    expect(empty(read(Uint8Array.of(0, 255), [1, 2], sigmoidOver(1, 2), { ignoreLabel: 255 }))).toThrow(/no image/);
    expect(empty(read(Uint8Array.of(9, 9), [2], softmaxOver(2), { ignoreLabel: 9 }))).toThrow(
      /every label is left out/,
    );
    expect(empty(read(Uint8Array.of(0, 0), [2], softmaxOver(2)))).not.toThrow();
    expect(empty(read(Uint8Array.of(0, 1), [1, 2], softmaxOver(2, 2)))).not.toThrow();
  });
});

describe('places that count nowhere', () => {
  it('leave the score that the other places have', () => {
    const places = fc.array(
      fc.record({
        label: fc.constantFrom(0, 1, 2),
        logits: fc.tuple(
          fc.integer({ min: -4, max: 4 }),
          fc.integer({ min: -4, max: 4 }),
          fc.integer({ min: -4, max: 4 }),
        ),
        known: fc.boolean(),
      }),
      { minLength: 1, maxLength: 8 },
    );
    const channelsOf = (rows: readonly { readonly logits: readonly number[] }[], k: number) =>
      Array.from({ length: k }, (_, c) => rows.map(r => r.logits[c])).flat();
    fc.assert(
      fc.property(places, fc.constantFrom(255, -1, 3), (rows, ignoreLabel) => {
        const known = rows.filter(r => r.known);
        fc.pre(known.length > 0);
        const score = (
          kept: typeof rows,
          labels: number[],
          said: LabelOptions,
          output: (n: number) => LabelledOutput,
          k: number,
        ) => {
          const metric = metricFor(read(Int16Array.from(labels), [1, kept.length], output(kept.length), said));
          metric.add({ data: channelsOf(kept, k), shape: [1, k, kept.length] }, 0);
          return metric.score();
        };
        const marked = rows.map(r => (r.known ? r.label : ignoreLabel));
        const classes = (n: number) => softmaxOver(3, n);
        expect(score(rows, marked, { ignoreLabel }, classes, 3)).toEqual(
          score(
            known,
            known.map(r => r.label),
            {},
            classes,
            3,
          ),
        );
        const regions = [[1, 2], [2]];
        const sigmoids = (n: number) => sigmoidOver(2, n);
        expect(score(rows, marked, { ignoreLabel, regions }, sigmoids, 2)).toEqual(
          score(
            known,
            known.map(r => r.label),
            { regions },
            sigmoids,
            2,
          ),
        );
      }),
    );
  });
});
