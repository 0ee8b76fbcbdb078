/** Networks on grids of their own, and their features at the places of others, against interpolation by the book. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { evaluateGraph } from '../../ir/evaluate/index.ts';
import { type Graph, GraphBuilder, numbersOf, substitute, symbol, tensor } from '../../ir/index.ts';
import { matchParents, onOtherGrid, stitch, withDemandedSizes } from '../../passes/index.ts';
import { atPlacesOf, type BranchGrid, shapeOnShared } from '../../passes/other-grid.ts';
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
      { numRuns: 25 },
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

/** One axis of a branch: what is shared, its own extent, what it takes, and the stride of a feature. */
const branches = (shared: number) =>
  fc
    .record({
      own: fc.integer({ min: 2, max: 30 }),
      stride: fc.constantFrom(1, 2, 4),
      more: fc.integer({ min: 0, max: 2 }),
    })
    .map(({ own, stride, more }) => {
      const taken = 4 * (Math.ceil(own / 4) + more);
      const grid: BranchGrid = { shared: [shared], resized: [own], taken: [taken], features: new Set(['f']) };
      return { grid, stride, extent: taken / stride, perImage: own / stride };
    });

describe('features at the places of another grid', () => {
  it('are what a line through them is there', () => {
    const pairs = fc.integer({ min: 2, max: 8 }).chain(quarter => {
      const shared = 4 * quarter;
      return fc.tuple(fc.constant(shared), branches(shared), branches(shared), fc.boolean());
    });
    fc.assert(
      fc.property(pairs, ([shared, from, other, onShared]) => {
        // Features are paired where their strides are one.
        const { stride } = from;
        const target = onShared
          ? { grid: undefined, extent: shared / stride, perImage: shared / stride }
          : { grid: other.grid, extent: other.grid.taken[0] / stride, perImage: other.grid.resized[0] / stride };
        const to = new GraphBuilder('places');
        const x = to.input('x', { dtype: 'float32', shape: [1, 1, from.extent] });
        const like = to.input('like', { dtype: 'float32', shape: [1, 2, target.extent] });
        to.output(
          'y',
          to.op('Identity', [atPlacesOf(to, { value: x, grid: from.grid }, { value: like, grid: target.grid })]),
        );
        // Where the middle of each place lies on the image, which goes from 0 to 1.
        const middles = (extent: number, perImage: number): number[] =>
          Array.from({ length: extent }, (_, i) => (i + 0.5) / perImage);
        const given = middles(from.extent, from.perImage);
        const feeds = {
          x: tensor('float32', [1, 1, from.extent], Float32Array.from(given)),
          like: tensor('float32', [1, 2, target.extent], new Float32Array(2 * target.extent)),
        };
        const found = numbersOf(evaluateGraph(to.build(), feeds).get('y')!);
        expect(found).toHaveLength(target.extent);
        for (const [i, wanted] of middles(target.extent, target.perImage).entries()) {
          // What lies on the image and between the places that are known.
          if (wanted > 1 || wanted < given[0] || wanted > given[given.length - 1]) continue;
          expect(Math.abs(found[i] - wanted)).toBeLessThan(1e-4);
        }
      }),
    );
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
