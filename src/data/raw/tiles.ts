/** Tiles of a case: those that cover it, for scoring, and those that are drawn from it, for training. Extents are (z, y, x). */
import { product } from '../../../ir/numbers.ts';
import type { Random } from '../random.ts';

type Extents = readonly number[];

/** Extents of a case, and of the tiles that it is cut into. */
export interface Cut {
  readonly extents: Extents;
  readonly tile: Extents;
}

/** One tile of a case. */
export interface Tile {
  /** Its first place in the case; negative where the case is smaller than a tile and lies in the middle of it. */
  readonly start: Extents;
  /** The first place that counts: places before it belong to the tile before. */
  readonly from: Extents;
}

/** Labels of a case, or of what a network sees of it. */
export type TileLabels = Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer>;

/** Where a tile lies that is no smaller than the case. */
const centred = (extent: number, tile: number): number => 0 - Math.floor((tile - extent) / 2);

/** As few as cover an extent, side by side; the last one ends where the extent ends. */
function along(extent: number, tile: number): readonly (readonly [start: number, from: number])[] {
  if (tile >= extent) return [[centred(extent, tile), 0]];
  return Array.from({ length: Math.ceil(extent / tile) }, (_, i) => [Math.min(i * tile, extent - tile), i * tile]);
}

/** Tiles that cover a case; every place counts in exactly one of them. */
export function coveringTiles({ extents, tile }: Cut): readonly Tile[] {
  const [zs, ys, xs] = extents.map((extent, axis) => along(extent, tile[axis]));
  return zs.flatMap(z => ys.flatMap(y => xs.map(x => ({ start: [z[0], y[0], x[0]], from: [z[1], y[1], x[1]] }))));
}

/** One in so many tiles to train on has foreground in its middle, as nnU-Net's have. */
const foregroundEvery = 3;

/**
 * Tiles drawn from a case: as many as cover it, anywhere within it, every third around a place of a class that is drawn among those that
 * the case has. A case that is no larger than a tile is one tile.
 *
 * @param drawn how many were drawn before, from other cases.
 * @param counts whether a label is foreground.
 */
export function drawnTiles(
  cut: Cut,
  { labels, counts }: { readonly labels: TileLabels | undefined; readonly counts: (label: number) => boolean },
  random: Random,
  drawn: number,
): readonly Tile[] {
  const { extents, tile } = cut;
  const covering = coveringTiles(cut);
  const count = covering.length;
  if (count === 1) return covering;
  const places = labels ? placesByClass(labels, counts) : [];
  return Array.from({ length: count }, (_, i) => {
    const middle =
      places.length > 0 && (drawn + i) % foregroundEvery === foregroundEvery - 1
        ? placeAt(drawnOf(drawnOf(places, random), random), extents)
        : undefined;
    const start = extents.map((extent, axis) => {
      if (tile[axis] >= extent) return centred(extent, tile[axis]);
      if (!middle) return random.int(extent - tile[axis] + 1);
      return Math.min(Math.max(middle[axis] - Math.floor(tile[axis] / 2), 0), extent - tile[axis]);
    });
    return { start, from: [0, 0, 0] };
  });
}

const drawnOf = <T>(of: ArrayLike<T>, random: Random): T => of[random.int(of.length)];

const placeAt = (at: number, [, height, width]: Extents): Extents => [
  Math.floor(at / width / height),
  Math.floor(at / width) % height,
  at % width,
];

/** Where each class is: as many places as are looked at, evenly through the case. */
const mostPlaces = 10_000;

function placesByClass(labels: TileLabels, counts: (label: number) => boolean): readonly (readonly number[])[] {
  const found = new Map<number, number>();
  for (const label of labels) if (counts(label)) found.set(label, (found.get(label) ?? 0) + 1);
  const places = new Map(Array.from(found.keys(), label => [label, [] as number[]]));
  const seen = new Map<number, number>();
  for (let at = 0; at < labels.length; at++) {
    const list = places.get(labels[at]);
    if (!list) continue;
    const nth = seen.get(labels[at]) ?? 0;
    seen.set(labels[at], nth + 1);
    if (nth % Math.ceil(found.get(labels[at])! / mostPlaces) === 0) list.push(at);
  }
  return [...places].sort(([a], [b]) => a - b).map(([, list]) => list);
}

/** Visits the rows along x that a tile shares with the case: where each begins in both, and how long it is. */
function eachRow(
  { extents, tile }: Cut,
  { start, from }: Tile,
  visit: (inCase: number, inTile: number, length: number) => void,
): void {
  const low = start.map((first, axis) => Math.max(first, from[axis], 0));
  const high = start.map((first, axis) => Math.min(first + tile[axis], extents[axis]));
  const length = high[2] - low[2];
  for (let z = low[0]; z < high[0]; z++) {
    for (let y = low[1]; y < high[1]; y++) {
      const inCase = (z * extents[1] + y) * extents[2] + low[2];
      const inTile = ((z - start[0]) * tile[1] + y - start[1]) * tile[2] + low[2] - start[2];
      visit(inCase, inTile, length);
    }
  }
}

/** What a tile shows of a case [C, z, y, x], zeros beyond it. */
export function imageOf(data: Float32Array, cut: Cut, { start }: Tile): Float32Array<ArrayBuffer> {
  const [places, size] = [product(cut.extents), product(cut.tile)];
  const channels = data.length / places;
  const result = new Float32Array(channels * size);
  eachRow(cut, { start, from: [0, 0, 0] }, (inCase, inTile, length) => {
    for (let c = 0; c < channels; c++) {
      const first = c * places + inCase;
      result.set(data.subarray(first, first + length), c * size + inTile);
    }
  });
  return result;
}

/** The labels of a tile, in 8 bits where they fit; `ignore` beyond the case, and where another tile counts. */
export function labelsOf(labels: TileLabels, cut: Cut, tile: Tile, ignore: number): TileLabels {
  const isNarrow = labels instanceof Uint8Array && ignore < 256;
  const places = product(cut.tile);
  const result = (isNarrow ? new Uint8Array(places) : new Uint16Array(places)).fill(ignore);
  eachRow(cut, tile, (inCase, inTile, length) => {
    result.set(labels.subarray(inCase, inCase + length), inTile);
  });
  return result;
}
