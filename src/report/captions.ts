/** Words beside points, placed so that none is printed over another. */

/** A point in pixels and the words for it. */
export interface Captioned {
  readonly x: number;
  readonly y: number;
  readonly text: string;
}

/** Where the words begin or end, in pixels. */
export interface Caption {
  readonly x: number;
  readonly y: number;
  readonly anchor: 'start' | 'end';
}

/** Of the words, at the 11 pixels that they are printed in. Widths are those of wide letters: no font is at hand to measure. */
const letter = 6;
const line = 12;

/** How far words stand from their point, and where they may: right above as long as there is room, else left, below, a line further off. */
const aside = 7;
const heights = [-6, 14, -6 - line, 14 + line, -6 - 2 * line, 14 + 2 * line];

interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

const overlap = (p: Box, q: Box): number =>
  Math.max(0, Math.min(p.right, q.right) - Math.max(p.left, q.left)) *
  Math.max(0, Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top));

/**
 * A place for the words of each point, in the order given: the first that is inside the frame and free of the words before it; where
 * there is none, the one that covers the least of them.
 *
 * @param frame its left and right end, in pixels
 */
export function placeCaptions(
  points: readonly Captioned[],
  [first, last]: readonly [number, number],
): readonly Caption[] {
  const taken: Box[] = [];
  return points.map(({ x, y, text }) => {
    const width = letter * text.length;
    const candidates = heights.flatMap(height =>
      (['start', 'end'] as const).map(anchor => {
        const at = anchor === 'start' ? x + aside : x - aside;
        const left = anchor === 'start' ? at : at - width;
        const base = y + height;
        const box = { left, right: left + width, top: base - line + 2, bottom: base + 2 };
        const outside = box.right > last || box.left < first ? Number.POSITIVE_INFINITY : 0;
        const covered = taken.reduce((sum, other) => sum + overlap(box, other), outside);
        return { caption: { x: at, y: base, anchor }, box, covered };
      }),
    );
    const found = candidates.reduce((best, next) => (next.covered < best.covered ? next : best));
    taken.push(found.box);
    return found.caption;
  });
}
