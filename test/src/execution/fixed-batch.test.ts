import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { float32, type Graph, GraphBuilder, symbol } from '../../../ir/index.ts';
import { batchSizes } from '../../../src/data/batches.ts';
import { batchText, fixedBatch, imagesAtATime, inParts, stepBatch } from '../../../src/execution/fixed-batch.ts';

function taking(batch: number | 'any'): Graph {
  const b = new GraphBuilder('net');
  b.output('y', b.op('Relu', [b.input('x', { dtype: 'float32', shape: [batch === 'any' ? symbol('N') : batch, 2] })]));
  return b.build();
}

const named = (...batches: readonly (number | 'any')[]) => batches.map(b => ({ name: `${b}.onnx`, graph: taking(b) }));

describe('inParts', () => {
  it('gives whole batches, and each image its own answer, whatever their number', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 20 }), async (batch, count) => {
        const x = float32(
          [count, 2],
          Float32Array.from({ length: 2 * count }, (_, i) => i),
        );
        const seen: number[][] = [];
        const { y } = await inParts(batch, { x }, async ({ x: part }) => {
          expect(part.shape).toEqual([batch, 2]);
          seen.push(Array.from(part.data as Float32Array));
          // Two rows for each image, as of windows.
          return {
            y: float32(
              [2 * batch, 1],
              (part.data as Float32Array).map(v => 10 * v),
            ),
          };
        });
        expect(y.shape).toEqual([2 * count, 1]);
        expect(Array.from(y.data as Float32Array)).toEqual(Array.from(x.data, v => 10 * v));
        // What fills the last batch up are images of the data.
        expect(new Set(seen.flat())).toEqual(new Set(x.data));
      }),
    );
  });

  it('refuses outputs that do not hold the images', async () => {
    const x = float32([3, 1], [1, 2, 3]);
    await expect(inParts(2, { x }, async () => ({ 'm\u001bean': float32([1], [2]) }))).rejects.toThrow(
      /'m\\x1bean' is \[1\] for 2 images/,
    );
  });
});

describe('imagesAtATime', () => {
  it('is what is usual, in whole batches of all networks', () => {
    expect(imagesAtATime(named('any'), undefined, 16)).toEqual({ limit: 16, whole: 1 });
    expect(imagesAtATime(named(1, 'any'), undefined, 16)).toEqual({ limit: 16, whole: 1 });
    expect(imagesAtATime(named(6, 'any'), undefined, 16)).toEqual({ limit: 12, whole: 6 });
    expect(imagesAtATime(named(6, 4), undefined, 16)).toEqual({ limit: 12, whole: 12 });
    expect(imagesAtATime(named(32), undefined, 16)).toEqual({ limit: 32, whole: 32 });
    expect(imagesAtATime(named(4), 8, 16)).toEqual({ limit: 8, whole: 4 });
    expect(() => imagesAtATime(named('any', 4), 6, 16)).toThrow(
      '4.onnx takes 4 images at a time: leave out --batch 6, or give a multiple of 4.',
    );
  });

  it('leaves no batch but the last in parts', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 20 }), (count, batch) => {
        const { limit, whole } = imagesAtATime(named(batch), undefined, 8);
        const sizes = batchSizes(count, { limit, whole });
        expect(sizes.reduce((x, y) => x + y, 0)).toBe(count);
        expect(sizes.slice(0, -1).every(size => size % batch === 0)).toBe(true);
      }),
    );
  });
});

it('knows what steps take', () => {
  expect(fixedBatch(taking('any'))).toBeUndefined();
  expect(fixedBatch(taking(3))).toBe(3);
  expect(stepBatch(undefined, undefined, 8)).toBe(8);
  expect(stepBatch(undefined, 5, 8)).toBe(5);
  expect(stepBatch(3, undefined, 8)).toBe(3);
  expect(stepBatch(3, 3, 8)).toBe(3);
  expect(() => stepBatch(1, 8, 8)).toThrow('The networks take 1 image at a time');
});

it('says that company may matter where there is any', () => {
  expect(batchText(1)).toBe('takes 1 image at a time');
  expect(batchText(2)).toBe('takes 2 images at a time, and its answers may depend on which of them come together');
});
