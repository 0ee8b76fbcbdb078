/** Differences and their intervals, drawn one under another beside the line of no difference. */
import { scaleLinear } from 'd3-scale';
import { begunSvg, type Ground, grounds, inkOf, palette, px } from './chart.ts';
import { escaped } from './markup.ts';

/** A difference of scores, so that more is better, with the ends of its interval. */
export interface Interval {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

export interface IntervalRow {
  readonly name: string;
  /** One for each series, in their order; none where it is not known. */
  readonly intervals: readonly (Interval | undefined)[];
}

export interface IntervalOptions {
  /** What intervals are of, as `at home`. */
  readonly series: readonly string[];
  readonly xLabel: string;
  /** Default: paper. */
  readonly on?: Ground;
}

const width = 720;
/** Of names, on the left; of an interval; between rows. */
const [names, line, gap] = [250, 13, 9];

/** An interval is a line with a mark at the value: a circle in the first series, a square in the second, a diamond in others. */
function mark(series: number, x: number, y: number, fill: string): string {
  if (series === 0) return `<circle cx="${px(x)}" cy="${px(y)}" r="4" fill="${fill}"/>`;
  if (series === 1) return `<rect x="${px(x - 3.5)}" y="${px(y - 3.5)}" width="7" height="7" fill="${fill}"/>`;
  return `<path d="M${px(x)} ${px(y - 4.5)}L${px(x + 4.5)} ${px(y)}L${px(x)} ${px(y + 4.5)}L${px(x - 4.5)} ${px(y)}Z" fill="${fill}"/>`;
}

/** SVG text. What is not finite is left out. */
export function intervalChart(rows: readonly IntervalRow[], { series, xLabel, on = 'paper' }: IntervalOptions): string {
  const { text, rule } = grounds[on];
  const isShown = (i: Interval | undefined): i is Interval =>
    i !== undefined && [i.value, i.low, i.high].every(Number.isFinite);
  const numbers = rows.flatMap(row =>
    row.intervals.filter(isShown).flatMap(({ value, low, high }) => [value, low, high]),
  );
  const [least, most] = [Math.min(0, ...numbers), Math.max(0, ...numbers)];
  const x = scaleLinear([least, most > least ? most : least + 1], [names + 12, width - 20]).nice(6);
  const format = x.tickFormat(6, '+');
  const top = 16;
  const heights = rows.map(({ intervals }) => Math.max(1, intervals.filter(isShown).length) * line + gap);
  const bottom = top + heights.reduce((sum, height) => sum + height, 0);
  const height = bottom + 46 + (series.length > 1 ? 22 : 0);
  const parts = [...begunSvg(width, height, on)];
  for (const tick of x.ticks(6)) {
    const at = px(x(tick));
    const stroke = tick === 0 ? text : rule;
    parts.push(
      `<line x1="${at}" x2="${at}" y1="${top - 6}" y2="${bottom}" stroke="${stroke}"/>`,
      `<text x="${at}" y="${bottom + 16}" text-anchor="middle">${tick === 0 ? '0' : format(tick)}</text>`,
    );
  }
  let y = top;
  for (const [i, { name, intervals }] of rows.entries()) {
    const middle = y + (heights[i] - gap) / 2;
    parts.push(`<text x="${names}" y="${px(middle)}" dy="0.32em" text-anchor="end">${escaped(name, 38)}</text>`);
    let drawn = 0;
    for (const [s, interval] of intervals.entries()) {
      if (!isShown(interval)) continue;
      const at = y + line * (drawn++ + 0.5);
      const color = inkOf(palette[s % palette.length], on);
      parts.push(
        `<line x1="${px(x(interval.low))}" x2="${px(x(interval.high))}" y1="${px(at)}" y2="${px(at)}" stroke="${color}" stroke-width="2"/>`,
        mark(s, x(interval.value), at, color),
      );
    }
    y += heights[i];
  }
  parts.push(`<text x="${px((names + width) / 2)}" y="${bottom + 36}" text-anchor="middle">${escaped(xLabel)}</text>`);
  if (series.length > 1) {
    const step = (width - names) / series.length;
    for (const [s, name] of series.entries()) {
      const at = names + 12 + step * s;
      parts.push(
        mark(s, at, bottom + 54, inkOf(palette[s % palette.length], on)),
        `<text x="${px(at + 10)}" y="${bottom + 54}" dy="0.32em">${escaped(name, Math.floor(step / 7))}</text>`,
      );
    }
  }
  parts.push('</svg>');
  return `${parts.join('\n')}\n`;
}
