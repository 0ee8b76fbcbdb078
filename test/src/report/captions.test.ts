import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { placeCaptions } from '../../../src/report/captions.ts';

/** The words as a box: 6 pixels a letter, 10 high above the line that they stand on. */
const boxOf = ({ x, y, anchor }: { x: number; y: number; anchor: string }, text: string) => {
  const left = anchor === 'start' ? x : x - 6 * text.length;
  return { left, right: left + 6 * text.length, top: y - 8, bottom: y };
};

const [left, right] = [0, 400];

describe('placeCaptions', () => {
  it('puts words right above their point, or to the left where the frame ends', () => {
    expect(placeCaptions([{ x: 50, y: 60, text: 'best' }], [left, right])).toEqual([{ x: 57, y: 54, anchor: 'start' }]);
    expect(placeCaptions([{ x: 390, y: 60, text: 'best' }], [left, right])).toEqual([{ x: 383, y: 54, anchor: 'end' }]);
  });

  it('keeps words off what is beside the frame', () => {
    const close = Array.from({ length: 5 }, () => ({ x: 90, y: 60, text: 'even' }));
    for (const { anchor } of placeCaptions(close, [64, right])) expect(anchor).toBe('start');
  });

  it('prints none of up to six over another, wherever the points lie', () => {
    const point = fc.record({
      x: fc.integer({ min: 100, max: right }),
      y: fc.integer({ min: 50, max: 300 }),
      text: fc.constantFrom('best', 'even', 'own alone', 'mean', 'partner alone'),
    });
    fc.assert(
      fc.property(fc.array(point, { minLength: 2, maxLength: 6 }), points => {
        const boxes = placeCaptions(points, [left, right]).map((caption, i) => boxOf(caption, points[i].text));
        boxes.forEach((p, i) => {
          expect(p.right).toBeLessThanOrEqual(right);
          expect(p.left).toBeGreaterThanOrEqual(left);
          for (const q of boxes.slice(0, i)) {
            const apart = p.right <= q.left || q.right <= p.left || p.bottom <= q.top || q.bottom <= p.top;
            expect(apart, JSON.stringify([p, q])).toBe(true);
          }
        });
      }),
    );
  });

  it('gives the words of a single point a place of their own each', () => {
    const same = Array.from({ length: 8 }, () => ({ x: 200, y: 100, text: 'even' }));
    expect(new Set(placeCaptions(same, [left, right]).map(c => JSON.stringify(c))).size).toBe(8);
  });
});
