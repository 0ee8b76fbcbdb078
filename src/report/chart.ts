/** Charts as SVG text: lines and points over two axes, with a legend. No fonts, scripts or styles from elsewhere. */
import { scaleLinear, scaleLog } from 'd3-scale';
import { area, line } from 'd3-shape';
import { type Caption, placeCaptions } from './captions.ts';
import { escaped } from './markup.ts';

export interface ChartPoint {
  readonly x: number;
  readonly y: number;
  /** The range of repeated measurements, drawn as a band (lines) or a whisker (points). */
  readonly low?: number;
  readonly high?: number;
  /** Shown where the pointer rests on the point. */
  readonly title?: string;
  /** Written beside the point. */
  readonly text?: string;
}

export interface ChartSeries {
  /** In the legend; left out of it where empty. */
  readonly name: string;
  /** Points that are not finite, or not positive where the axis is logarithmic, are left out and break the line. */
  readonly points: readonly ChartPoint[];
  /** Whether the points are joined in their order. Default: of a line chart yes, of a scatter chart no. */
  readonly joined?: boolean;
  readonly dashed?: boolean;
  /** Default `circle`. */
  readonly marker?: 'circle' | 'square' | 'cross' | 'none';
  /** A colour of CSS. Default: the next of {@link palette}. */
  readonly color?: string;
}

export interface ChartOptions {
  readonly title?: string | undefined;
  readonly xLabel: string;
  readonly yLabel: string;
  /** Values that are marked on the axis. Default: round numbers. */
  readonly xTicks?: readonly number[];
  readonly yTicks?: readonly number[];
  /** What the axes span. Default: the data, with a little room. */
  readonly xDomain?: readonly [number, number];
  readonly yDomain?: readonly [number, number];
  /** Base 2, for counts. Needs positive x. */
  readonly xLog?: boolean;
  /** Base 10, for losses. Needs positive y. */
  readonly yLog?: boolean;
  /** In pixels. Default 720 × 440. */
  readonly width?: number;
  readonly height?: number;
  /** White paper (default), as in a file of its own, or a page, whose style sheet says what the colours are: see {@link inkOf}. */
  readonly on?: Ground | undefined;
}

export type Ground = 'paper' | 'page';

/** A colour of CSS on a ground: on a page `#0072b2` is what its style sheet says for `--ink-0072b2`, which may differ in the dark. */
export const inkOf = (color: string, on: Ground): string =>
  on === 'page' && color.startsWith('#') ? `var(--ink-${color.slice(1)},${color})` : color;

/** Of text and axes, and of lines behind them. */
export const grounds = {
  paper: { text: '#222', rule: '#ddd', font: ' font-family="system-ui, sans-serif"' },
  page: { text: 'currentColor', rule: 'var(--rule)', font: '' },
} as const;

/** Okabe and Ito's colours, which people with any colour vision can tell apart. */
export const palette = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000'] as const;

/** What is drawn on: how an image of a size begins. */
export const begunSvg = (width: number, height: number, on: keyof typeof grounds): readonly string[] => [
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}"${grounds[on].font} font-size="12" fill="${grounds[on].text}">`,
  ...(on === 'paper' ? [`<rect width="${width}" height="${height}" fill="#fff"/>`] : []),
];

/** From the least to the largest of several numbers, for a band; nothing of fewer than two. */
export function rangeOf(values: readonly number[]): Pick<ChartPoint, 'low' | 'high'> {
  const known = values.filter(Number.isFinite);
  return known.length > 1 ? { low: Math.min(...known), high: Math.max(...known) } : {};
}

/** Lines over two axes. */
export const lineChart = (series: readonly ChartSeries[], options: ChartOptions): string =>
  chart(series, options, true);

/** Points over two axes, joined only in series that ask for it. */
export const scatterChart = (series: readonly ChartSeries[], options: ChartOptions): string =>
  chart(series, options, false);

/** A coordinate, to a hundredth of a pixel. */
export const px = (value: number): string => String(Math.round(value * 100) / 100);

type Scale = ((value: number) => number) & { range(): readonly number[] };

interface Axis {
  readonly scale: Scale;
  readonly ticks: readonly number[];
  readonly format: (tick: number) => string;
}

const finite = (values: readonly (number | undefined)[]): number[] =>
  values.filter((v): v is number => v !== undefined && Number.isFinite(v));

function extent(values: readonly number[], room: number): [number, number] {
  if (values.length === 0) return [0, 1];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const pad = high > low ? (high - low) * room : Math.abs(high) * 0.1 || 1;
  // What is never negative has no room below 0.
  return [low < 0 ? low - pad : Math.max(0, low - pad), high + pad];
}

interface AxisRequest {
  readonly values: readonly number[];
  readonly domain: readonly [number, number] | undefined;
  readonly ticks: readonly number[] | undefined;
  readonly range: readonly [number, number];
  readonly count: number;
  /** The base of a logarithmic axis. */
  readonly log: number | undefined;
}

function axis({ values, domain, ticks, range, count, log }: AxisRequest): Axis {
  if (log !== undefined) {
    const positive = values.filter(v => v > 0);
    const [low, high] = positive.length === 0 ? [1, 2] : [Math.min(...positive), Math.max(...positive)];
    const scale = scaleLog([...(domain ?? [low / 1.08, high * 1.08])], [...range]).base(log);
    return { scale, ticks: ticks ?? scale.ticks(count), format: String };
  }
  const scale = scaleLinear([...(domain ?? extent(values, 0.04))], [...range]);
  if (domain === undefined && ticks === undefined) scale.nice(count);
  const plain = scale.tickFormat(count);
  return { scale, ticks: ticks ?? scale.ticks(count), format: ticks ? String : plain };
}

function chart(series: readonly ChartSeries[], options: ChartOptions, joined: boolean): string {
  const { title, xLabel, yLabel, width = 720, height = 440, xLog = false, yLog = false, on = 'paper' } = options;
  const { text, rule } = grounds[on];
  const colored: readonly Drawn[] = series.map((s, i) => ({
    joined,
    marker: 'circle',
    dashed: false,
    ...s,
    color: inkOf(s.color ?? palette[i % palette.length], on),
    points: s.points.map(p => ((xLog && p.x <= 0) || (yLog && p.y <= 0) ? { ...p, x: Number.NaN } : p)),
  }));
  const points = colored.flatMap(s => s.points);
  const named = colored.filter(s => s.name !== '');
  const columns = Math.max(1, Math.floor((width - 80) / (40 + 7 * Math.max(1, ...named.map(s => s.name.length)))));
  const rows = Math.ceil(named.length / columns);
  const frame = {
    left: 64,
    right: width - 20,
    top: title === undefined ? 16 : 40,
    bottom: height - 52 - 20 * rows,
  };
  const x = axis({
    values: finite(points.map(p => p.x)),
    domain: options.xDomain,
    ticks: options.xTicks,
    range: [frame.left, frame.right],
    count: 8,
    log: xLog ? 2 : undefined,
  });
  const y = axis({
    values: finite(points.flatMap(p => [p.y, p.low, p.high])),
    domain: options.yDomain,
    ticks: options.yTicks,
    range: [frame.bottom, frame.top],
    count: 6,
    log: yLog ? 10 : undefined,
  });

  const parts = [...begunSvg(width, height, on)];
  if (title !== undefined) {
    parts.push(`<text x="${frame.left}" y="24" font-size="15" font-weight="600">${escaped(title)}</text>`);
  }
  for (const tick of y.ticks) {
    const at = px(y.scale(tick));
    parts.push(
      `<line x1="${frame.left}" x2="${frame.right}" y1="${at}" y2="${at}" stroke="${rule}"/>`,
      `<text x="${frame.left - 8}" y="${at}" dy="0.32em" text-anchor="end">${y.format(tick)}</text>`,
    );
  }
  for (const tick of x.ticks) {
    const at = px(x.scale(tick));
    parts.push(
      `<line x1="${at}" x2="${at}" y1="${frame.bottom}" y2="${frame.bottom + 5}" stroke="${text}"/>`,
      `<text x="${at}" y="${frame.bottom + 18}" text-anchor="middle">${x.format(tick)}</text>`,
    );
  }
  parts.push(
    `<line x1="${frame.left}" x2="${frame.right}" y1="${frame.bottom}" y2="${frame.bottom}" stroke="${text}"/>`,
    `<text x="${px((frame.left + frame.right) / 2)}" y="${frame.bottom + 38}" text-anchor="middle">${escaped(xLabel)}</text>`,
    `<text transform="translate(16 ${px((frame.top + frame.bottom) / 2)}) rotate(-90)" text-anchor="middle">${escaped(yLabel)}</text>`,
  );
  const captions = captionsOf(colored, x.scale, y.scale);
  for (const s of colored) parts.push(...drawn(s, x.scale, y.scale, captions));
  for (const [i, s] of named.entries()) {
    const left = frame.left + ((frame.right - frame.left) / columns) * (i % columns);
    const at = frame.bottom + 58 + 20 * Math.floor(i / columns);
    const swatch = s.joined
      ? `<line x1="${px(left)}" x2="${px(left + 24)}" y1="${at}" y2="${at}" ${strokeOf(s)}/>`
      : '';
    parts.push(
      swatch + mark(s, left + 12, at),
      `<text x="${px(left + 32)}" y="${at}" dy="0.32em">${escaped(s.name)}</text>`,
    );
  }
  parts.push('</svg>');
  return `${parts.filter(p => p !== '').join('\n')}\n`;
}

type Drawn = Required<ChartSeries>;

const strokeOf = ({ color, dashed }: Drawn): string =>
  `fill="none" stroke="${escaped(color)}" stroke-width="2"${dashed ? ' stroke-dasharray="6 4"' : ''}`;

const shown = (p: ChartPoint): boolean => Number.isFinite(p.x) && Number.isFinite(p.y);
const ranged = (p: ChartPoint): boolean => shown(p) && finite([p.low, p.high]).length === 2;

/** Where the words of points stand. */
function captionsOf(series: readonly Drawn[], x: Scale, y: Scale): ReadonlyMap<ChartPoint, Caption> {
  const points = series.flatMap(s => s.points.filter(p => shown(p) && p.text !== undefined));
  const placed = placeCaptions(
    points.map(p => ({ x: x(p.x), y: y(p.y), text: p.text! })),
    [x.range()[0], x.range()[1]],
  );
  return new Map(points.map((p, i) => [p, placed[i]]));
}

function drawn(s: Drawn, x: Scale, y: Scale, captions: ReadonlyMap<ChartPoint, Caption>): readonly string[] {
  const parts: string[] = [];
  if (s.joined) {
    const band = area<ChartPoint>(
      p => x(p.x),
      p => y(p.low ?? p.y),
      p => y(p.high ?? p.y),
    )
      .defined(ranged)
      .digits(2);
    const path = line<ChartPoint>(
      p => x(p.x),
      p => y(p.y),
    )
      .defined(shown)
      .digits(2);
    const spread = band([...s.points]);
    if (spread) parts.push(`<path d="${spread}" fill="${escaped(s.color)}" fill-opacity="0.15"/>`);
    parts.push(`<path d="${path([...s.points]) ?? ''}" ${strokeOf(s)}/>`);
  }
  for (const p of s.points.filter(shown)) {
    if (!s.joined && ranged(p)) {
      const at = px(x(p.x));
      parts.push(
        `<line x1="${at}" x2="${at}" y1="${px(y(p.low!))}" y2="${px(y(p.high!))}" stroke="${escaped(s.color)}"/>`,
      );
    }
    const shape = mark(s, x(p.x), y(p.y));
    parts.push(p.title === undefined ? shape : `<g><title>${escaped(p.title)}</title>${shape}</g>`);
    const caption = captions.get(p);
    if (caption) {
      const anchor = caption.anchor === 'end' ? ' text-anchor="end"' : '';
      const place = `x="${px(caption.x)}"${anchor} y="${px(caption.y)}"`;
      parts.push(`<text ${place} font-size="11">${escaped(p.text!)}</text>`);
    }
  }
  return parts;
}

function mark({ marker, color }: Drawn, x: number, y: number): string {
  const fill = `fill="${escaped(color)}"`;
  switch (marker) {
    case 'circle':
      return `<circle cx="${px(x)}" cy="${px(y)}" r="3.5" ${fill}/>`;
    case 'square':
      return `<rect x="${px(x - 3.5)}" y="${px(y - 3.5)}" width="7" height="7" ${fill}/>`;
    case 'cross': {
      const [l, r, t, b] = [x - 4, x + 4, y - 4, y + 4].map(px);
      return `<path d="M${l} ${t}L${r} ${b}M${l} ${b}L${r} ${t}" stroke="${escaped(color)}" stroke-width="2"/>`;
    }
    case 'none':
      return '';
    default:
      return marker satisfies never;
  }
}
