/** Networks whose images lie on another grid than those that they share with others. */
import {
  type Dim,
  equalDims,
  type Graph,
  type GraphBuilder,
  isStatic,
  linearOf,
  type Shape,
  SutureError,
  solveDim,
  tensor,
  typeText,
  Value,
} from '../ir/index.ts';
import { scaledExtent } from '../ir/ops/interpolation.ts';
import { atInput, atOutput, continued } from './ends.ts';
import { bindSymbols } from './sizes/bind.ts';

/** The same part of a case on two grids; extents along the axes of space. */
export interface GridChange {
  /** Of the images that networks share. */
  readonly shared: readonly number[];
  /** At the spacing of the network. */
  readonly resized: readonly number[];
}

/** Where the features of a network on a grid of its own lie. */
export interface BranchGrid extends GridChange {
  /** What the network takes: the resized image, and its last places again where it takes no such extents. */
  readonly taken: readonly number[];
  /** The names of its features on this grid: all but what is done to the images first and to the answer last, and the answer. */
  readonly features: ReadonlySet<string>;
}

/** The least extent, from what an image has on, at which a dim of a network's input can be. */
export function leastExtent(dim: Dim, extent: number): number {
  if (isStatic(dim)) return dim;
  const linear = linearOf(dim);
  if (!linear) return extent;
  let size = Math.max(extent, linear.factor + linear.offset);
  while (solveDim(linear, size) === undefined) size++;
  return size;
}

/**
 * A network for images on the grid that it shares with others, of one size: they are resized linearly to its own grid, and their last places
 * repeated up to extents that it takes; of its answer what lies on the image is resized back, linearly, as the network gives it. Zeros
 * instead would be most of what its normalisations see of a small image.
 *
 *     %y = net(%x)      →      %r = Resize(%x, sizes = [6, 13, 13])         of [N, C, 8, 16, 16], to the network's spacing
 *                              %p = Pad(%r, to [8, 16, 16], edge)           what it takes
 *                              %s = Slice(net(%p), to [6, 13, 13])
 *                              %y = Resize(%s, sizes = [8, 16, 16])
 *
 * Answers without an extent in space stay as they are.
 *
 * @param what how messages name the network.
 * @throws SutureError `parents-incompatible` where the network takes less than the resized image, or answers in other extents than its image's.
 */
export function onOtherGrid(
  graph: Graph,
  change: GridChange,
  what: string,
): { readonly graph: Graph; readonly grid: BranchGrid } {
  const { shared, resized } = change;
  const [{ type }] = graph.inputs;
  const open = type.shape.slice(2);
  const axes = open.map((_, i) => i + 2);
  const fail = (problem: string): never => {
    throw new SutureError(
      'parents-incompatible',
      `${what} sees images of ${resized.join(' × ')} places on its grid, ${problem}.`,
    );
  };
  const sizes: Record<string, number> = {};
  for (const [i, dim] of open.entries()) {
    const linear = linearOf(dim);
    const value = linear && solveDim(linear, leastExtent(dim, resized[i]));
    if (linear && value !== undefined) sizes[linear.symbol] = Math.max(sizes[linear.symbol] ?? 0, value);
  }
  const bound = bindSymbols(graph, sizes);
  const taken = bound.inputs[0].type.shape.slice(2);
  if (open.length !== shared.length || !taken.every(isStatic)) return fail(`and it takes ${typeText(type)}`);
  if (taken.some((extent, i) => extent < resized[i])) {
    fail(
      `and it takes ${taken.join(' × ')} only: cut cases into smaller tiles (--tile), or export it with open extents`,
    );
  }
  const answer = axesOfAnswer(bound.outputs[0].value.type.shape, taken);
  if (!answer) fail(`and it gives ${typeText(bound.outputs[0].value.type)} for ${taken.join(' × ')}`);

  const fronted = atInput(bound, 'grid', (to, x) => padded(to, resizedTo(to, x, axes, resized), axes, taken), [
    ...type.shape.slice(0, 2),
    ...shared,
  ]);
  const features = new Set(bound.nodes.flatMap(node => node.outputs.map(output => output.name)));
  for (const { value } of bound.outputs) features.delete(value.name);
  const grid: BranchGrid = { ...change, taken, features };
  if (!answer || answer.length === 0) return { graph: fronted, grid };
  const back = atOutput(fronted, 'grid', (to, y) => resizedTo(to, sliced(to, y, answer, resized), answer, shared));
  return { graph: back, grid };
}

/** The axes of an answer that are those of the image; none where it has no extents. Undefined where it has others. */
function axesOfAnswer(shape: Shape, extents: readonly number[]): readonly number[] | undefined {
  if (shape.length === 2) return [];
  const at = [2, 1].find(
    first =>
      first + extents.length <= shape.length && extents.every((extent, i) => equalDims(shape[first + i], extent)),
  );
  return at === undefined ? undefined : extents.map((_, i) => at + i);
}

const floats = (to: GraphBuilder, values: readonly number[]): Value =>
  to.constant(tensor('float32', [values.length], Float32Array.from(values)), 'scales');

const extentsOf = (value: Value, axes: readonly number[]): readonly Dim[] => axes.map(axis => value.type.shape[axis]);

const same = (a: readonly Dim[], b: readonly Dim[]): boolean => a.every((dim, i) => equalDims(dim, b[i]));

function resizedTo(to: GraphBuilder, x: Value, axes: readonly number[], extents: readonly number[]): Value {
  if (same(extentsOf(x, axes), extents)) return x;
  return to.op('Resize', [x, undefined, undefined, to.ints(extents)], { mode: 'linear', axes });
}

/** Its last places are repeated. */
function padded(to: GraphBuilder, x: Value, axes: readonly number[], extents: readonly number[]): Value {
  const now = extentsOf(x, axes) as readonly number[];
  if (same(now, extents)) return x;
  const pads = to.ints([...axes.map(() => 0), ...axes.map((_, i) => extents[i] - now[i])]);
  return to.op('Pad', [x, pads, undefined, to.ints(axes)], { mode: 'edge' });
}

function sliced(to: GraphBuilder, x: Value, axes: readonly number[], extents: readonly number[]): Value {
  if (same(extentsOf(x, axes), extents)) return x;
  return to.op('Slice', [x, to.ints(axes.map(() => 0)), to.ints(extents), to.ints(axes)]);
}

/**
 * The shape that a feature would have on the shared grid, by its stride: what features of networks on different grids are compared by.
 * Undefined where there is no such shape.
 *
 * @param name of the feature in its own network.
 * @param grid of that network; undefined where it is the shared one.
 */
export function shapeOnShared(name: string, shape: Shape, grid: BranchGrid | undefined): Shape | undefined {
  if (!grid) return shape;
  const { shared, taken, features } = grid;
  if (!features.has(name)) return undefined;
  if (shape.length === 2) return shape;
  if (shape.length !== shared.length + 2) return undefined;
  const extents = shape.slice(2).map((dim, i) => (isStatic(dim) ? (dim * shared[i]) / taken[i] : Number.NaN));
  return extents.every(Number.isInteger) ? [...shape.slice(0, 2), ...extents] : undefined;
}

/**
 * A network that gives features of it at the places that they would have on the shared grid, under their own names, to whoever compares them
 * with another network's: as {@link atPlacesOf}, each at the extents of {@link shapeOnShared}.
 *
 * @param features that have such a shape.
 */
export function observedOnShared(graph: Graph, features: readonly Value[], grid: BranchGrid | undefined): Graph {
  if (!grid) return graph.with({ outputs: features.map(value => ({ name: value.name, value })) });
  const to = continued(graph);
  for (const value of features) {
    const shape = shapeOnShared(value.name, value.type.shape, grid) ?? value.type.shape;
    const like = { value: new Value(value.name, { ...value.type, shape }), grid: undefined };
    to.output(
      value.name,
      to.scope('shared', () => atPlacesOf(to, { value, grid }, like)),
    );
  }
  return to.build();
}

/** How many places of a feature lie on the image, along each axis of space. */
const placesOnImage = (shape: Shape, grid: BranchGrid | undefined): readonly number[] =>
  shape.slice(2).map((dim, i) => (grid ? ((dim as number) * grid.resized[i]) / grid.taken[i] : (dim as number)));

/**
 * A feature of one network at the places of another's, where their grids differ: its last places repeated where it has too few, resized
 * linearly, cut where it has too many. The same value where the grids are one.
 *
 * @param like the other network's feature; the two have the same {@link shapeOnShared}, but for the channels.
 */
export function atPlacesOf(
  to: GraphBuilder,
  { value, grid }: { readonly value: Value; readonly grid: BranchGrid | undefined },
  like: { readonly value: Value; readonly grid: BranchGrid | undefined },
): Value {
  const { shape } = value.type;
  if ((!grid && !like.grid) || shape.length === 2) return value;
  const axes = shape.slice(2).map((_, i) => i + 2);
  const wanted = extentsOf(like.value, axes) as readonly number[];
  const [from, onto] = [placesOnImage(shape, grid), placesOnImage(like.value.type.shape, like.grid)];
  const scales = axes.map((_, i) => onto[i] / from[i]);
  if (scales.every(scale => scale === 1)) return sliced(to, padded(to, value, axes, wanted), axes, wanted);
  const least = axes.map((axis, i) =>
    longer(shape[axis] as number, long => scaledExtent(long, scales[i]) >= wanted[i]),
  );
  const long = padded(to, value, axes, changing(least, scales));
  const resized = to.op('Resize', [long, undefined, floats(to, scales)], { mode: 'linear', axes });
  return sliced(to, resized, axes, wanted);
}

/** The least extent, from one on, that will do. */
function longer(from: number, isEnough: (extent: number) => boolean): number {
  let extent = from;
  while (!isEnough(extent)) extent++;
  return extent;
}

/**
 * Extents of which at least one is another when it is scaled: ONNX Runtime takes a Resize to the extents that there are for a copy, whatever
 * the scales. The one that has the least to grow does.
 */
function changing(extents: readonly number[], scales: readonly number[]): readonly number[] {
  const changes = (extent: number, i: number): boolean => scaledExtent(extent, scales[i]) !== extent;
  if (extents.some(changes)) return extents;
  const grown = extents.map((extent, i) =>
    scales[i] === 1 ? Infinity : longer(extent, long => changes(long, i)) - extent,
  );
  const axis = grown.indexOf(Math.min(...grown));
  return extents.with(axis, extents[axis] + grown[axis]);
}
