/** Networks on grids of their own, and their features at the places of others, against interpolation by the book. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Graph, GraphBuilder, numbersOf, substitute, symbol, tensor } from '../../ir/index.ts';
import { matchParents, observedOnShared, onOtherGrid, stitch, withDemandedSizes } from '../../passes/index.ts';
import { atPlacesOf, type BranchGrid, shapeOnShared } from '../../passes/other-grid.ts';
import { evaluateGraph } from '../ir/evaluate/graph.ts';
import { resized, within } from './fields.ts';
import { relativeError, runOrt } from './ort.ts';

/** Halves and doubles the image, and joins it with what came before: takes even extents. Of so many axes. */
function unet(axes: number, seed: number, size?: readonly number[]): Graph {
  const to = new GraphBuilder(`unet${seed}`);
  const ones = (extent: number): number[] => Array<number>(axes).fill(extent);
  let next = seed;
  const weights = (...shape: readonly number[]) =>
    to.constant(
      tensor(
        'float32',
        [...shape],
        Float32Array.from({ length: shape.reduce((p, d) => p * d, 1) }, () => Math.sin(++next * 1.7) / 2),
      ),
      'w',
    );
  const spatial = size ?? ['D', 'H', 'W'].slice(3 - axes).map(name => symbol(name));
  const x = to.input('x', { dtype: 'float32', shape: [symbol('N'), 1, ...spatial] });
  const pads = ones(1).concat(ones(1));
  const wide = to.op('LeakyRelu', [to.op('Conv', [x, weights(2, 1, ...ones(3))], { pads })]);
  const deep = to.op('LeakyRelu', [to.op('Conv', [wide, weights(3, 2, ...ones(3))], { pads, strides: ones(2) })]);
  const up = to.op('ConvTranspose', [deep, weights(3, 2, ...ones(2))], { strides: ones(2) });
  const joined = to.op('LeakyRelu', [to.op('Concat', [wide, up], { axis: 1 })]);
  to.output('said', to.op('Conv', [joined, weights(2, 4, ...ones(1))]));
  return withDemandedSizes(to.build());
}

const changes = fc.integer({ min: 2, max: 3 }).chain(axes =>
  fc.record({
    axes: fc.constant(axes),
    shared: fc.array(
      fc.integer({ min: 1, max: 5 }).map(half => 2 * half),
      { minLength: axes, maxLength: axes },
    ),
    resized: fc.array(fc.integer({ min: 1, max: 11 }), { minLength: axes, maxLength: axes }),
    seed: fc.nat(100),
  }),
);

const even = (extents: readonly number[]): readonly number[] => extents.map(extent => 2 * Math.ceil(extent / 2));

describe('a network whose images lie on another grid', () => {
  it('answers as resizing, padding and cutting around it by hand', async () => {
    await fc.assert(
      fc.asyncProperty(changes, async ({ axes, shared, resized: own, seed }) => {
        const network = unet(axes, seed);
        const { graph, grid } = onOtherGrid(network, { shared, resized: own }, 'net');
        expect(grid.taken).toEqual(even(own));
        const data = Float32Array.from({ length: shared.reduce((p, d) => p * d, 1) }, (_, i) => Math.cos(i + seed));
        const found = (await runOrt(graph, { x: tensor('float32', [1, 1, ...shared], data) })).said;
        const given = within(resized({ data, shape: [1, ...shared] }, own), grid.taken);
        const said = (await runOrt(network, { x: tensor('float32', [1, 1, ...grid.taken], given.data) })).said;
        const answer = { data: Float32Array.from(said.data), shape: [2, ...grid.taken] };
        expect(found.shape).toEqual([1, 2, ...shared]);
        expect(relativeError(found.data, resized(within(answer, own), shared).data)).toBeLessThan(1e-4);
      }),
      { numRuns: 6 },
    );
  });

  it('is refused where it takes less than the image, or answers in other extents', () => {
    expect(() => onOtherGrid(unet(2, 1, [4, 4]), { shared: [8, 8], resized: [6, 4] }, 'parent b')).toThrow(
      'parent b sees images of 6 × 4 places on its grid, and it takes 4 × 4 only: cut cases into smaller tiles (--tile), or export it with open extents.',
    );
    const to = new GraphBuilder('pool');
    const x = to.input('x', { dtype: 'float32', shape: [1, 1, 4, 4] });
    to.output('y', to.op('MaxPool', [x], { kernel_shape: [2, 2], strides: [2, 2] }));
    expect(() => onOtherGrid(to.build(), { shared: [8, 8], resized: [4, 4] }, 'parent b')).toThrow(
      'and it gives float32[1, 1, 2, 2] for 4 × 4.',
    );
  });

  it('answers for the whole image where its answer has no extents', async () => {
    const to = new GraphBuilder('mean');
    const x = to.input('x', { dtype: 'float32', shape: [1, 2, symbol('H')] });
    to.output('y', to.op('ReduceMean', [x, to.ints([2])], { keepdims: 0 }));
    const { graph } = onOtherGrid(to.build(), { shared: [2], resized: [4] }, 'net');
    const { y } = await runOrt(graph, { x: tensor('float32', [1, 2, 2], Float32Array.of(1, 3, 0, 4)) });
    expect([...y.data]).toEqual([2, 2]);
  });
});

/** Extents of a tile that all strides divide, and of the same tile on two other grids. */
const tiles = fc
  .array(
    fc.record({
      shared: fc.integer({ min: 1, max: 6 }).map(quarter => 4 * quarter),
      one: fc.integer({ min: 2, max: 26 }),
      other: fc.integer({ min: 2, max: 26 }),
    }),
    { minLength: 2, maxLength: 2 },
  )
  .map(axes => ({
    shared: axes.map(({ shared }) => shared),
    branches: [axes.map(({ one }) => one), axes.map(({ other }) => other)],
  }));

const product = (extents: readonly number[]): number => extents.reduce((all, extent) => all * extent, 1);

describe('features at the places of another grid', () => {
  it('are what a plane through them is there', async () => {
    const cases = fc.record({
      tile: tiles,
      stride: fc.constantFrom(1, 2, 4),
      direction: fc.constantFrom('from', 'onto', 'between' as const),
      more: fc.nat(2),
    });
    await fc.assert(
      fc.asyncProperty(cases, async ({ tile: { shared, branches }, stride, direction, more }) => {
        // Features are paired where their strides are one.
        const [one, other] = branches.map(own => {
          const taken = own.map(extent => 4 * (Math.ceil(extent / 4) + more));
          const grid: BranchGrid = { shared, resized: own, taken, features: new Set(['f']) };
          return { grid, extents: taken.map(extent => extent / stride), onImage: own.map(extent => extent / stride) };
        });
        const whole = shared.map(extent => extent / stride);
        const plain = { grid: undefined, extents: whole, onImage: whole };
        const [from, onto] = direction === 'from' ? [one, plain] : direction === 'onto' ? [plain, one] : [one, other];
        const to = new GraphBuilder('places');
        const x = to.input('x', { dtype: 'float32', shape: [1, 1, ...from.extents] });
        const like = to.input('like', { dtype: 'float32', shape: [1, 2, ...onto.extents] });
        const placed = atPlacesOf(to, { value: x, grid: from.grid }, { value: like, grid: onto.grid });
        expect(placed.type.shape).toEqual([1, 1, ...onto.extents]);
        to.output('y', to.op('Identity', [placed]));
        // Where the middle of each place lies on the image, which goes from 0 to 1 along each axis.
        const middles = ({ extents, onImage }: Record<'extents' | 'onImage', readonly number[]>): number[][] =>
          extents.map((extent, axis) => Array.from({ length: extent }, (_, i) => (i + 0.5) / onImage[axis]));
        const plane = ([us, vs]: number[][]): number[] => us.flatMap(u => vs.map(v => u + 3 * v));
        const [known, wanted] = [middles(from), middles(onto)];
        const feeds = {
          x: tensor('float32', [1, 1, ...from.extents], Float32Array.from(plane(known))),
          like: tensor('float32', [1, 2, ...onto.extents], new Float32Array(2 * product(onto.extents))),
        };
        const graph = to.build();
        // What lies on the image and between the places that are known.
        const counts = wanted.map((list, axis) =>
          list.map(at => at <= 1 && at >= known[axis][0] && at <= known[axis][known[axis].length - 1]),
        );
        const inside = counts[0].flatMap(u => counts[1].map(v => u && v));
        for (const found of [(await runOrt(graph, feeds)).y.data, numbersOf(evaluateGraph(graph, feeds).get('y')!)]) {
          for (const [i, value] of plane(wanted).entries()) {
            if (inside[i]) expect(Math.abs(found[i] - value)).toBeLessThan(1e-3);
          }
        }
      }),
      { numRuns: 12 },
    );
  });

  it('are resized by ONNX Runtime where extents stay and places do not', async () => {
    const grid: BranchGrid = { shared: [8, 8], resized: [6, 7], taken: [8, 8], features: new Set(['f']) };
    const to = new GraphBuilder('places');
    const [x, like] = ['x', 'like'].map(name => to.input(name, { dtype: 'float32', shape: [1, 1, 2, 2] }));
    to.output('y', to.op('Identity', [atPlacesOf(to, { value: x, grid }, { value: like, grid: undefined })]));
    const graph = to.build();
    const feeds = {
      x: tensor('float32', [1, 1, 2, 2], Float32Array.of(0, 1, 2, 3)),
      like: tensor('float32', [1, 1, 2, 2], new Float32Array(4)),
    };
    const [found, expected] = [(await runOrt(graph, feeds)).y.data, evaluateGraph(graph, feeds).get('y')!];
    expect(relativeError(found, numbersOf(expected))).toBeLessThan(1e-5);
    expect(found[3]).toBeLessThan(2.9);
  });

  it('are compared by their strides, and not where they are no features of the network', () => {
    const grid: BranchGrid = { shared: [8, 16], resized: [6, 13], taken: [8, 16], features: new Set(['f']) };
    const n = symbol('N');
    expect(shapeOnShared('f', [n, 3, 4, 8], undefined)).toEqual([n, 3, 4, 8]);
    expect(shapeOnShared('f', [n, 3, 4, 8], grid)).toEqual([n, 3, 4, 8]);
    expect(shapeOnShared('f', [n, 3, 4, 8], { ...grid, taken: [16, 32] })).toEqual([n, 3, 2, 4]);
    expect(shapeOnShared('f', [n, 3], grid)).toEqual([n, 3]);
    expect(shapeOnShared('f', [n, 9, 3], grid)).toBeUndefined();
    expect(shapeOnShared('f', [n, 3, 4, 8], { ...grid, taken: [12, 16] })).toBeUndefined();
    expect(shapeOnShared('grid/resize', [n, 3, 8, 16], grid)).toBeUndefined();
  });
});

describe('features that are observed on the shared grid', () => {
  it('are those of the network, resized, under their own names', async () => {
    const to = new GraphBuilder('net');
    const x = to.input('x', { dtype: 'float32', shape: [symbol('N'), 1, symbol('H'), symbol('W')] });
    to.output('y', to.op('Neg', [to.op('Sin', [x])]));
    const { graph, grid } = onOtherGrid(to.build(), { shared: [8, 12], resized: [4, 6] }, 'net');
    const features = graph.nodes.filter(({ op }) => op === 'Sin').flatMap(({ outputs }) => outputs);
    const image = { data: Float32Array.from({ length: 96 }, (_, i) => Math.cos(3 * i)), shape: [1, 8, 12] };
    const observed = observedOnShared(graph, features, grid);
    const found = await runOrt(observed, { x: tensor('float32', [1, 1, 8, 12], image.data) });
    const seen = resized(image, [4, 6]);
    const expected = resized({ ...seen, data: seen.data.map(Math.sin) }, [8, 12]);
    expect(Object.keys(found)).toEqual(features.map(({ name }) => name));
    const [{ shape, data }] = Object.values(found);
    expect(shape).toEqual([1, 1, 8, 12]);
    expect(relativeError(data, expected.data)).toBeLessThan(1e-5);
  });
});

describe('networks on two grids, joined', () => {
  it('are paired at every level, and with every switch on the original each is itself', async () => {
    const own = unet(2, 1);
    const { graph, grid } = onOtherGrid(unet(2, 2), { shared: [8, 12], resized: [5, 7] }, 'net');
    const parents = [
      { tag: 'a', graph: own },
      { tag: 'b', graph, grid },
    ];
    const { pairs } = matchParents(parents);
    expect(new Set(pairs.map(({ features }) => features.a)).size).toBe(pairs.length);
    expect(pairs.length).toBeGreaterThan(5);
    const network = stitch(parents, pairs);
    for (const { source, output } of network.stitches) {
      expect(source.type.shape.slice(2)).toEqual(output.type.shape.slice(2));
    }
    const data = Float32Array.from({ length: 96 }, (_, i) => Math.cos(3 * i));
    const x = tensor('float32', [1, 1, 8, 12], data);
    const feeds = Object.fromEntries(
      network.graph.inputs.map(({ name, type }) => {
        const shape = type.shape.map(dim => Number(substitute(dim, { N: 1 })));
        const count = shape.reduce((p, d) => p * d, 1);
        // Weights of switches: all on the first source; stitches: anything.
        const numbers = Float32Array.from({ length: count }, (_, i) =>
          name.startsWith('stitch/') ? Math.sin(i) : i === 0 ? 1 : 0,
        );
        return [name, name === 'x' ? x : tensor('float32', shape, numbers)];
      }),
    );
    const found = await runOrt(network.graph, feeds);
    for (const parent of parents) {
      const alone = (await runOrt(parent.graph, { x })).said;
      expect([...found[`${parent.tag}/said`].data]).toEqual([...alone.data]);
    }
  });
});
