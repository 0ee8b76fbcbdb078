import {
  type Graph,
  greatestCommonDivisor,
  isStatic,
  linearOf,
  type Shape,
  solveDim,
  substitute,
} from '../../ir/index.ts';
import type { BranchGrid } from '../other-grid.ts';
import {
  assumedSizes,
  type DimPair,
  type Multiples,
  multiplesAsDims,
  openSizes,
  sizesText,
  wholeMultiples,
} from '../sizes.ts';
import { type DimMap, type FeatureGraph, featureGraph } from './features.ts';
import { type Names, remembered, type SharedDims, shareDims } from './unify.ts';
import { hasPartner, widthsOf } from './widths.ts';

/** The features of two networks, their sizes as they were compared. */
export interface Compared {
  readonly a: FeatureGraph;
  readonly b: FeatureGraph;
  readonly dims: SharedDims;
}

export interface ComparedOptions {
  readonly imageShape?: readonly number[] | undefined;
  /** Of both, where they are others than that of the images. */
  readonly grids?: readonly (BranchGrid | undefined)[] | undefined;
}

/**
 * The features of two networks. Where sizes are open that they round differently (a pooling gives `floor(H/2)`, a strided convolution
 * `floor((H + 1)/2)`), and more features have a partner at multiples of their strides, sizes are taken to be such multiples: of those
 * that images of `imageShape`, [C, spatial...], are multiples of, where it is given.
 *
 * @throws SutureError `parents-incompatible` if the inputs do not fit together.
 */
export function comparedFeatures(
  a: Graph,
  b: Graph,
  names: Names,
  { imageShape, grids = [] }: ComparedOptions,
): Compared {
  const dims = shareDims(a, b, names);
  const under = (at: (map: DimMap) => DimMap): Compared => ({
    a: featureGraph(a, at(dims.a), grids[0]),
    b: featureGraph(b, at(dims.b), grids[1]),
    dims,
  });
  const plain = under(map => map);
  const open = openSizes(dims.inputs);
  if (open.size === 0) return plain;
  const shapes = [
    ...plain.a.values.map(({ type }) => type.shape.map(dims.a)),
    ...plain.b.values.map(({ type }) => type.shape.map(dims.b)),
  ];
  const multiples = within(wholeMultiples(shapes.flat(), open), dims.inputs, imageShape);
  if (multiples.size === 0) return plain;
  const sizes = multiplesAsDims(multiples);
  const even = under(map => remembered(dim => substitute(map(dim), sizes)));
  return partnered(even) > partnered(plain) ? even : plain;
}

/** How many features of both have a partner. */
function partnered({ a, b }: Compared): number {
  const count = (own: FeatureGraph, other: FeatureGraph): number => {
    const widths = widthsOf(own, other);
    return own.values.filter((_, v) => hasPartner(widths, v, Number.MAX_VALUE)).length;
  };
  return count(a, b) + count(b, a);
}

/** Of multiples those that the images keep to. */
function within(multiples: Multiples, [input]: readonly Shape[], imageShape: readonly number[] | undefined): Multiples {
  const kept = new Map(multiples);
  for (const [i, size] of (imageShape ?? []).entries()) {
    const linear = input === undefined ? undefined : linearOf(input[i + 1] ?? 1);
    const factor = linear && kept.get(linear.symbol);
    const value = linear && solveDim(linear, size);
    if (linear && factor && value) kept.set(linear.symbol, greatestCommonDivisor(factor, value));
  }
  return new Map([...kept].filter(([, factor]) => factor > 1));
}

/** In words, the sizes that pairs were found for, where other sizes of the inputs are open. */
export function sizesOfPairs(
  { a, b, dims }: Compared,
  pairs: readonly { readonly a: number; readonly b: number }[],
): string | undefined {
  const dimPairs = pairs.flatMap(pair => {
    const [left, right] = [a.values[pair.a].type.shape.map(dims.a), b.values[pair.b].type.shape.map(dims.b)];
    return left.map((dim, i): DimPair => [dim, right[i]]).filter(two => two.some(dim => !isStatic(dim)));
  });
  const sizes = assumedSizes(dimPairs, openSizes(dims.inputs)) ?? {};
  const [input] = dims.inputs;
  return Object.keys(sizes).length === 0 ? undefined : sizesText(input.map(dim => substitute(dim, sizes)));
}
