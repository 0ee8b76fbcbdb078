/**
 * Layers too wide for a stitch. A stitch has as many parameters as the product of the channels that it joins: between flattened
 * features of 25 088 channels 630 million, which no image teaches. That is no question of classes (of three widths the first may go with
 * the second and the second with the third, but the first with neither itself nor the third), so such pairs are left out one by one.
 */
import { printable, type Value } from '../../ir/index.ts';
import { channelAxis } from '../../ir/ops/stitching.ts';
import type { FeatureGraph } from './features.ts';
import type { PairScores, RowScorer } from './scores.ts';
import type { Names } from './unify.ts';

/** How wide the vertices of a graph are, and those of the other graph that they are compatible with. */
export interface Widths {
  /** Channels; 0 for what is never matched. */
  readonly channels: Float64Array;
  /** The fewest and the most channels of a partner; Infinity and 0 where there is none. */
  readonly narrowest: Float64Array;
  readonly widest: Float64Array;
}

const channelsOf = ({ type: { shape } }: Value): number => Number(shape[channelAxis(shape.length)]);

export function widthsOf(own: FeatureGraph, other: FeatureGraph): Widths {
  const partners = new Map<string, { narrowest: number; widest: number }>();
  other.keys.forEach((key, v) => {
    if (key === undefined) return;
    const channels = channelsOf(other.values[v]);
    const { narrowest, widest } = partners.get(key) ?? { narrowest: Infinity, widest: 0 };
    partners.set(key, { narrowest: Math.min(narrowest, channels), widest: Math.max(widest, channels) });
  });
  const partnersOf = (key: string | undefined) => (key === undefined ? undefined : partners.get(key));
  return {
    channels: Float64Array.from(own.keys, (key, v) => (key === undefined ? 0 : channelsOf(own.values[v]))),
    narrowest: Float64Array.from(own.keys, key => partnersOf(key)?.narrowest ?? Infinity),
    widest: Float64Array.from(own.keys, key => partnersOf(key)?.widest ?? 0),
  };
}

/** Is there a partner with which a stitch has at most `limit` parameters? */
export const hasPartner = ({ channels, narrowest }: Widths, v: number, limit: number): boolean =>
  channels[v] * narrowest[v] <= limit;

/** Pairs that are compatible and left out. */
export interface TooWide {
  /** One sentence: which layers, why, and what would allow them. */
  readonly text: string;
  /** The parameters of the largest stitch that is left out. */
  readonly largest: number;
}

/** What the limit leaves out; undefined where it leaves out nothing. */
export function tooWide(
  sides: readonly { readonly features: FeatureGraph; readonly widths: Widths }[],
  names: Names,
  limit: number,
): TooWide | undefined {
  let largest = 0;
  const wide = sides.flatMap(({ features, widths: { channels, widest } }, s) =>
    features.values.flatMap((value, v) => {
      const parameters = channels[v] * widest[v];
      if (parameters <= limit) return [];
      largest = Math.max(largest, parameters);
      // Of two layers that are too wide for each other, the wider one at least is wide for a layer of its kind.
      return channels[v] ** 2 > limit ? [`'${printable(value.name)}' of ${names[s]} (${channels[v]} channels)`] : [];
    }),
  );
  if (wide.length === 0) return undefined;
  const [shown, others] = [wide.slice(0, shownLayers).join(', '), wide.length - shownLayers];
  const text =
    `Layers are left out of pairs in which a stitch would have more than ${limit} parameters: ${shown}` +
    `${others > 0 ? ` and ${others} more` : ''}; ${allowing(largest)}.`;
  return { text, largest };
}

const shownLayers = 4;

/** What to do where a pair is left out that is wanted. */
export const allowing = (parameters: number): string =>
  `SUTURE_LIMITS=stitch=${parameters} in the environment allows them`;

/** The same scores, where a pair is allowed only if its stitch has at most `limit` parameters. */
export const withinWidth = (scores: PairScores, a: Widths, b: Widths, limit: number): PairScores =>
  new LimitedScores(scores, a, b, limit);

class LimitedScores implements PairScores {
  readonly rows: number;
  readonly columns: number;
  readonly #scores: PairScores;
  readonly #a: Widths;
  readonly #b: Widths;
  readonly #limit: number;

  constructor(scores: PairScores, a: Widths, b: Widths, limit: number) {
    this.rows = scores.rows;
    this.columns = scores.columns;
    this.#scores = scores;
    this.#a = a;
    this.#b = b;
    this.#limit = limit;
  }

  at(a: number, b: number): number {
    return this.#a.channels[a] * this.#b.channels[b] > this.#limit ? -Infinity : this.#scores.at(a, b);
  }

  arrange(rowOrder: Int32Array, columnOrder: Int32Array): RowScorer {
    const inner = this.#scores.arrange(rowOrder, columnOrder);
    const channels = (widths: Widths, order: Int32Array) => Float64Array.from(order, v => widths.channels[v]);
    return new LimitedRows(inner, channels(this.#a, rowOrder), channels(this.#b, columnOrder), this.#limit);
  }

  relabel(rowOrder: Int32Array, columnOrder: Int32Array): PairScores {
    const inner = this.#scores.relabel(rowOrder, columnOrder);
    return new LimitedScores(inner, inOrder(this.#a, rowOrder), inOrder(this.#b, columnOrder), this.#limit);
  }

  transpose(): PairScores {
    return new LimitedScores(this.#scores.transpose(), this.#b, this.#a, this.#limit);
  }

  rowSignature(a: number): readonly number[] {
    return [...this.#scores.rowSignature(a), this.#a.channels[a]];
  }

  rowAllowed(a: number): boolean {
    return hasPartner(this.#a, a, this.#limit) && this.#scores.rowAllowed(a);
  }
}

function inOrder({ channels, narrowest, widest }: Widths, order: Int32Array): Widths {
  const take = (list: Float64Array) => Float64Array.from(order, v => list[v]);
  return { channels: take(channels), narrowest: take(narrowest), widest: take(widest) };
}

class LimitedRows implements RowScorer {
  readonly spanStart: Int32Array;
  readonly spanEnd: Int32Array;
  readonly #inner: RowScorer;
  readonly #rows: Float64Array;
  readonly #columns: Float64Array;
  readonly #limit: number;

  constructor(inner: RowScorer, rows: Float64Array, columns: Float64Array, limit: number) {
    this.spanStart = inner.spanStart;
    this.spanEnd = inner.spanEnd;
    this.#inner = inner;
    this.#rows = rows;
    this.#columns = columns;
    this.#limit = limit;
  }

  fill(row: number, from: number, to: number, out: Float64Array): void {
    this.#inner.fill(row, from, to, out);
    const most = this.#limit / this.#rows[row];
    for (let j = from; j < to; j++) if (this.#columns[j] > most) out[j - from] = -Infinity;
  }
}
