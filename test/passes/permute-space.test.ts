/** Networks whose axes of space are permuted, against the networks of the files on permuted images, in ONNX Runtime. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Graph, GraphBuilder, isStatic, type Tensor, tensor, type Value } from '../../ir/index.ts';
import { importOnnx } from '../../ir/onnx/file.ts';
import { permuteSpace } from '../../passes/index.ts';
import { draw } from './networks.ts';
import { type Numbers, random, relativeError, runOrt } from './ort.ts';

const fixture = (name: string): Graph => importOnnx(`fixtures/models/${name}.onnx`).graph;

/** By ONNX Runtime. */
async function transposed({ shape, data }: Numbers | Tensor, perm: readonly number[]): Promise<Tensor> {
  const to = new GraphBuilder('transpose');
  const x = to.input('x', { dtype: 'float32', shape: [...shape] });
  to.output('y', to.op('Transpose', [x], { perm }));
  const { y } = await runOrt(to.build(), {
    x: tensor('float32', [...shape], Float32Array.from(data as ArrayLike<number>)),
  });
  return tensor('float32', [...y.shape], Float32Array.from(y.data));
}

/** How far the answer of the permuted network lies from the permuted answer of the network. @param extents where the input leaves them open. */
async function errorOf(graph: Graph, order: readonly number[], extents: readonly number[], from = 2): Promise<number> {
  const [{ name, type }] = graph.inputs;
  const shape = type.shape.map((dim, axis) => (isStatic(dim) ? dim : axis === 0 ? 2 : extents[axis - 2]));
  const x = draw(random(3), ...shape);
  const perm = [0, 1, ...order.map(axis => axis + 2)];
  const [output] = graph.outputs;
  const said = (await runOrt(graph, { [name]: x }))[output.name];
  const axes = said.shape.map((_, axis) =>
    axis < from || axis >= from + order.length ? axis : from + order[axis - from],
  );
  const expected = said.shape.length > 2 ? await transposed(said, axes) : said;
  const found = (await runOrt(permuteSpace(graph, order, 'net'), { [name]: await transposed(x, perm) }))[output.name];
  expect(found.shape).toEqual(expected.shape);
  return relativeError(found.data, expected.data as ArrayLike<number>);
}

const transposes = ({ nodes }: Graph): number => nodes.filter(({ op }) => op === 'Transpose').length;

describe('a network whose axes of space are permuted', () => {
  const orders = fc.shuffledSubarray([0, 1, 2], { minLength: 3 });

  it.each(['unet_plain_3d_13', 'unet_resenc_3d_13', 'volumes_13'])('answers as %s, for every order', async name => {
    const graph = fixture(name);
    await fc.assert(
      fc.asyncProperty(orders, async order => {
        expect(await errorOf(graph, order, [16, 8, 24])).toBeLessThan(1e-5);
        expect(transposes(permuteSpace(graph, order, 'net'))).toBe(transposes(graph));
      }),
      { numRuns: 2 },
    );
  });

  it.each([
    'unet_plain_17',
    'unet_resenc_nofold_13',
    'mixed_17',
    'resize_17',
    'convnext_17',
    'densenet_13',
    'resnet50_13',
  ])('answers as %s, with rows and columns exchanged', async name => {
    const graph = fixture(name);
    expect(await errorOf(graph, [1, 0], [32, 64])).toBeLessThan(1e-5);
    expect(transposes(permuteSpace(graph, [1, 0], 'net'))).toBe(transposes(graph));
  });

  it('has windows, pads, slices and constants of its own along every axis', async () => {
    const next = random(5);
    const built = (kernel: readonly number[], strides: readonly number[], pads: readonly number[]): Graph => {
      const to = new GraphBuilder('windows');
      const x = to.input('x', { dtype: 'float32', shape: [1, 2, 6, 7, 8] });
      const weight = (...shape: number[]): Value => to.constant(draw(next, ...shape), 'w');
      const conv = to.op('Conv', [x, weight(3, 2, ...kernel)], { strides, pads, dilations: [1, 2, 1] });
      const extents = conv.type.shape.slice(2) as number[];
      const placed = to.op('Add', [to.op('Mul', [conv, weight(...extents)]), weight(3, 1, extents[1], 1)]);
      const padded = to.op('Pad', [placed, to.ints([0, 1, 1, 2]), undefined, to.ints([-1, 2])], { mode: 'edge' });
      const pooled = to.op('AveragePool', [padded], { kernel_shape: [1, 2, 2], pads: [0, 1, 0, 0, 0, 1], strides });
      const cut = to.op('Slice', [pooled, to.ints([0]), to.ints([-1]), to.ints([4])]);
      const grown = to.op('ConvTranspose', [cut, weight(3, 2, ...kernel)], {
        strides,
        output_padding: strides.map(s => s - 1),
      });
      const resized = to.op('Resize', [grown, undefined, undefined, to.ints([2, 5, 3])], {
        mode: 'linear',
        axes: [3, 2, 4],
      });
      const wide = to.op('Tile', [resized, to.ints([1, 1, 2, 1, 3])]);
      const mean = to.op('ReduceMean', [wide, to.ints([-3])]);
      to.output('y', to.op('Sub', [wide, to.op('Softmax', [mean], { axis: 3 })]));
      return to.build();
    };
    const numbers = (max: number, count: number) =>
      fc.array(fc.integer({ min: 1, max }), { minLength: count, maxLength: count });
    await fc.assert(
      fc.asyncProperty(orders, numbers(3, 3), numbers(2, 3), numbers(2, 6), async (order, kernel, strides, pads) => {
        expect(await errorOf(built(kernel, strides, pads), order, [])).toBeLessThan(1e-5);
      }),
      { numRuns: 5 },
    );
  });

  it('gives channels behind the places where it did so', async () => {
    const to = new GraphBuilder('last');
    const x = to.input('x', { dtype: 'float32', shape: [1, 2, 3, 4] });
    const last = to.op('Transpose', [x], { perm: [0, 2, 3, 1] });
    to.output('y', to.op('MatMul', [last, to.constant(draw(random(1), 2, 3))]));
    expect(await errorOf(to.build(), [1, 0], [], 1)).toBeLessThan(1e-6);
  });

  it('is the same object where nothing moves', () => {
    const graph = fixture('unet_plain_3d_13');
    expect(permuteSpace(graph, [0, 1, 2], 'net')).toBe(graph);
  });

  it.each([
    [
      'vit_13',
      /^parent b has its axes of space in another order, and Transpose '\/Transpose' depends on the order in which places lie: prepare/,
    ],
    ['vgg_13', /Flatten '\/12\/Flatten' depends on the order/],
    ['shufflenet_13', /Transpose '\/stage2\/stage2.0\/Transpose' depends on the order/],
  ])('is refused where places are taken in their order, as in %s', (name, message) => {
    expect(() => permuteSpace(fixture(name), [1, 0], 'parent b')).toThrow(message);
  });

  it('is refused where its answer has other axes than the image', () => {
    const to = new GraphBuilder('turning');
    const x = to.input('x', { dtype: 'float32', shape: [1, 1, 3, 4, 5] });
    to.output('y', to.op('Transpose', [x], { perm: [0, 1, 3, 2, 4] }));
    expect(() => permuteSpace(to.build(), [2, 0, 1], 'net')).toThrow(
      "its answer 'y' does not have the axes of the image",
    );
  });
});
