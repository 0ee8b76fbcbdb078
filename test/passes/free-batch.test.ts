import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Value } from '../../ir/graph.ts';
import { float32, type Graph, GraphBuilder, isStatic, symbol, symbolsOf, verify } from '../../ir/index.ts';
import { importOnnx } from '../../ir/onnx/file.ts';
import { freeBatch } from '../../passes/free-batch.ts';
import { specialize } from '../../passes/specialize.ts';
import { draw } from './networks.ts';
import { random, relativeError, runOrt } from './ort.ts';

const models = join(import.meta.dirname, '../../fixtures/models');
const next = random(5);

/** A network of one input `x`. */
function network(shape: readonly number[], body: (b: GraphBuilder, x: Value) => Value): Graph {
  const b = new GraphBuilder('net');
  b.output('y', body(b, b.input('x', { dtype: 'float32', shape })));
  return verify(b.build());
}

describe('freeBatch', () => {
  test.each([
    ['vit_17', 1],
    ['swin_13', 3],
    ['segformer_11', 1],
    ['shufflenet_13', 2],
    ['view_11', 1],
    ['resize_13', 2],
    ['unet_resenc_3d_13', 1],
    ['unet_resenc_nofold_13', 1],
  ])('%s exported for a batch of %i runs on any batch as the network with an open one', async (name, batch) => {
    const { graph } = importOnnx(join(models, `${name}.onnx`));
    const [input] = graph.inputs;
    const [open] = input.type.shape;
    const fixed = specialize(graph, isStatic(open) ? {} : { [[...symbolsOf(open)][0]]: batch });
    expect(fixed.inputs[0].type.shape[0]).toBe(batch);
    const free = verify(freeBatch(fixed)!);
    expect(free.outputs[0].value.type.shape[0]).toEqual(symbol('N'));
    const images = draw(next, 4, ...(free.inputs[0].type.shape.slice(1) as number[]));
    const output = graph.outputs[0].name;
    const [want, got] = [graph, free].map(g => runOrt(g, { [input.name]: images }));
    expect(relativeError((await got)[output].data, (await want)[output].data)).toBeLessThan(1e-6);
  });

  test('each sample of a batch gives what it gives alone in the file', async () => {
    const fixed = network([1, 2, 4, 4], (b, x) => {
      const token = b.constant(draw(next, 1, 1, 16), 'token');
      const rows = b.op('Concat', [token, b.op('Reshape', [x, b.ints([1, 2, 16])])], { axis: 1 });
      const heads = b.op('Transpose', [b.op('Reshape', [rows, b.ints([1, 3, 4, 4])])], { perm: [2, 0, 1, 3] });
      const scores = b.op('MatMul', [heads, b.op('Transpose', [heads], { perm: [0, 1, 3, 2] })]);
      const mixed = b.op('MatMul', [b.op('Softmax', [scores], { axis: -1 }), heads]);
      const flat = b.op('Reshape', [b.op('Transpose', [mixed], { perm: [1, 2, 0, 3] }), b.ints([1, -1])]);
      const sizes = b.ints([1, 2, 8, 8]);
      const large = b.op('Resize', [x, undefined, undefined, sizes], { mode: 'linear' });
      // The number of channels is asked of the images, and the shape that it is put into holds nothing of the batch.
      const channels = b.op('Shape', [x], { start: 1, end: 2 });
      const shape = b.op('Concat', [b.ints([1]), channels, b.ints([8, 8])], { axis: 0 });
      const pooled = b.op('ReduceMean', [b.op('Expand', [large, shape]), b.ints([2, 3])], { keepdims: 0 });
      return b.op('Concat', [b.op('Gemm', [flat, b.constant(draw(next, 48, 3))]), pooled], { axis: 1 });
    });
    const free = verify(freeBatch(fixed)!);
    const images = draw(next, 3, 2, 4, 4);
    const { y } = await runOrt(free, { x: images });
    expect(y.shape).toEqual([3, 5]);
    for (let n = 0; n < 3; n++) {
      const alone = float32([1, 2, 4, 4], images.data.slice(32 * n, 32 * (n + 1)));
      const { y: want } = await runOrt(fixed, { x: alone });
      expect(relativeError(y.data.slice(5 * n, 5 * (n + 1)), want.data)).toBeLessThan(1e-6);
    }
  });

  test('tokens before samples: each row of a matrix product holds one sample', async () => {
    const fixed = network([1, 3, 4], (b, x) => {
      const tokens = b.op('Transpose', [x], { perm: [1, 0, 2] });
      const flat = b.op('Reshape', [tokens, b.ints([3, 4])]);
      const rows = b.op('Gemm', [flat, b.constant(draw(next, 2, 4)), b.constant(draw(next, 2))], { transB: 1 });
      return b.op('Transpose', [b.op('Reshape', [rows, b.ints([3, 1, 2])])], { perm: [1, 0, 2] });
    });
    const free = verify(freeBatch(fixed)!);
    const images = draw(next, 5, 3, 4);
    const { y } = await runOrt(free, { x: images });
    expect(y.shape).toEqual([5, 3, 2]);
    for (let n = 0; n < 5; n++) {
      const alone = float32([1, 3, 4], images.data.slice(12 * n, 12 * (n + 1)));
      const { y: want } = await runOrt(fixed, { x: alone });
      expect(relativeError(y.data.slice(6 * n, 6 * (n + 1)), want.data)).toBeLessThan(1e-6);
    }
  });

  test('keeps names, and leaves a batch that is open alone', () => {
    const fixed = network([2, 3], (b, x) => b.op('Relu', [x], {}, { name: 'act' }));
    const free = freeBatch(fixed)!;
    expect(free.nodes.map(n => n.outputs[0].name)).toEqual(['act']);
    expect(freeBatch(free)).toBeUndefined();
  });

  test.each<[string, (b: GraphBuilder, x: Value) => Value]>([
    ['a mean over the batch', (b, x) => b.op('Sub', [x, b.op('ReduceMean', [x, b.ints([0])])])],
    ['a mean over everything', (b, x) => b.op('Sub', [x, b.op('ReduceMean', [x])])],
    ['a softmax over the batch', (b, x) => b.op('Softmax', [x], { axis: 0 })],
    ['products of samples', (b, x) => b.op('MatMul', [x, b.op('Transpose', [x], { perm: [1, 0] })])],
    ['a sum over samples', (b, x) => b.op('Gemm', [b.constant(draw(next, 2, 2)), x])],
    ['samples taken apart', (b, x) => b.op('Reshape', [b.op('Transpose', [x], { perm: [1, 0] }), b.ints([2, 4])])],
    ['half of the batch', (b, x) => b.op('Slice', [x, b.ints([0]), b.ints([1]), b.ints([0])])],
    ['the batch backwards', (b, x) => b.op('Gather', [x, b.ints([1, 0])])],
    ['a constant for each place in the batch', (b, x) => b.op('Add', [x, b.constant(draw(next, 2, 4))])],
    ['padding of the batch', (b, x) => b.op('Pad', [x, b.ints([1, 0, 0, 0])])],
    ['a sum along the batch', (b, x) => b.op('CumSum', [x, b.ints([0])])],
    ['samples beside each other', (b, x) => b.op('Concat', [x, x], { axis: 0 })],
    [
      'the number of samples',
      (b, x) => b.op('Mul', [x, b.op('Cast', [b.op('Gather', [b.op('Shape', [x]), b.ints([0])])], { to: 'float32' })]),
    ],
    ['an output without samples', b => b.constant(draw(next, 2, 4))],
  ])('claims nothing of %s', (_, body) => {
    expect(freeBatch(network([2, 4], body))).toBeUndefined();
  });
});
