import { decode } from 'fast-png';
import { describe, expect, it } from 'vitest';
import { GraphBuilder, symbol } from '../../../ir/index.ts';
import { withExecutor } from '../../../src/execution/open.ts';
import { scoresByCase } from '../../../src/metrics/by-case.ts';
import { LabelledData } from '../../../src/metrics/labelled.ts';
import { measureNetworks } from '../../../src/metrics/score-networks.ts';
import { networkOf } from '../../../src/network/network.ts';
import { errorOf, picturesOfSet } from '../../../src/report/html/masks.ts';
import { extremes, picturesOf, withAsked } from '../../../src/report/pictures.ts';

it('an error is what an answer has too much, misses, or takes for something else', () => {
  expect([errorOf(0, 0, 'classes'), errorOf(2, 2, 'classes'), errorOf(-1, 2, 'classes')]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  expect([errorOf(0, 2, 'classes'), errorOf(2, 0, 'classes'), errorOf(2, 1, 'classes')]).toEqual([
    'more',
    'missed',
    'other',
  ]);
  // Regions are bits: one in another, one beside another.
  expect([errorOf(0b01, 0b11, 'regions'), errorOf(0b11, 0b01, 'regions'), errorOf(0b01, 0b10, 'regions')]).toEqual([
    'more',
    'missed',
    'other',
  ]);
});

it('the best, the median and the worst are each shown once', () => {
  const shown = (count: number) => extremes(Array.from({ length: count }, (_, i) => i)).map(({ entry }) => entry);
  expect([0, 1, 2, 3, 4, 9].map(shown)).toEqual([[], [0], [0, 1], [0, 1, 2], [0, 1, 3], [0, 4, 8]]);
});

describe('pictures of volumes', () => {
  /** Logits of two classes: the image and its negative, so that class 1 is where the image is above 0. */
  const b = new GraphBuilder('sign');
  const x = b.input('x', { dtype: 'float32', shape: [symbol('N'), 1, 3, 2, 4] });
  b.output('y', b.op('Concat', [b.op('Neg', [x]), x], { axis: 1 }));
  const meaning = { kind: 'logits', activation: 'softmax', channelAxis: 1, channels: 2 } as const;
  const network = networkOf(b.build(), 'sign', meaning);
  const images = Float32Array.from({ length: 2 * 24 }, (_, i) => (i % 5) - 1.5);
  const labels = Uint8Array.from({ length: 2 * 24 }, (_, i) => (Math.floor(i / 8) % 3 === 1 && i % 8 < 5 ? 1 : 0));
  const dataset = {
    ...{ source: 'v.npz', count: 2, images, imageShape: [1, 3, 2, 4], arrays: [] },
    labels: { data: labels, shape: [3, 2, 4], ignore: undefined, regions: undefined, task: undefined },
  };

  it('are the slice with the most foreground: of the image, of what is true, of what is answered', async () => {
    const data = LabelledData.for([network], dataset);
    await withExecutor({ executor: 'ort' }, async executor => {
      const [{ metric }] = await measureNetworks({ executor }, [network], data);
      const set = scoresByCase('v', dataset, [{ network: 'sign', metric }]);
      const named = [{ ...network, network: 'sign' }];
      const { cases, classes } = await withAsked({ executor }, named, asked =>
        picturesOf({ executor }, { networks: asked, data, set, exported: 'sign' }),
      );
      expect(classes).toEqual(['class 1']);
      expect(cases).toHaveLength(2);
      for (const { case: image, image: plane, reference, answers, part } of cases) {
        const at = 24 * image + 8;
        expect(part).toBe('slice 2 of 3');
        expect(Array.from(plane.data)).toEqual(Array.from(images.subarray(at, at + 8)));
        expect(Array.from(reference.codes)).toEqual([1, 1, 1, 1, 1, 0, 0, 0]);
        expect(Array.from(answers[0].mask.codes)).toEqual(Array.from(images.subarray(at, at + 8), v => Number(v > 0)));
      }
      const text = picturesOfSet({ name: 'v', classes, kind: 'classes', cases }, 'p').text;
      const [first] = [...text.matchAll(/base64,([^"]+)"/g)].map(([, uri]) => decode(Buffer.from(uri, 'base64')));
      expect([first.width, first.height, first.channels]).toEqual([4, 2, 1]);
    });
  });
});
