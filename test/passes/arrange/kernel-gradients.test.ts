import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../ir/builder.ts';
import type { Graph } from '../../../ir/graph.ts';
import { float32 } from '../../../ir/tensor.ts';
import { verify } from '../../../ir/verify.ts';
import { differentiate, kernelGradientsAsProducts } from '../../../passes/index.ts';
import { random, relativeError, runOrt } from '../ort.ts';

/** The mean of a convolution's squares, differentiated with respect to its kernel. */
function gradientOf(
  image: readonly number[],
  kernel: readonly number[],
  attributes: {
    readonly strides: readonly number[];
    readonly dilations: readonly number[];
    readonly pads: readonly number[];
  },
): Graph {
  const b = new GraphBuilder('convolution');
  const y = b.op(
    'Conv',
    [b.input('x', { dtype: 'float32', shape: image }), b.input('w', { dtype: 'float32', shape: kernel })],
    attributes,
  );
  b.output('loss', b.op('ReduceMean', [b.op('Mul', [y, y])], { keepdims: 0 }));
  return differentiate(b.build(), { loss: 'loss', parameters: ['w'] }).graph;
}

const noise = (seed: number, shape: readonly number[]) => {
  const draw = random(seed);
  return float32(
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => draw() - 0.5),
  );
};

describe('gradients of kernels as matrix products', () => {
  it('are the same in one, two and three dimensions, with strides, dilations and pads', () =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 3 }),
        fc.tuple(...[1, 3, 2].map(max => fc.integer({ min: 1, max: max + 1 }))),
        fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 2 })),
        fc.integer({ min: 0, max: 1 }),
        fc.integer({ min: 6, max: 9 }),
        async (rank, [n, c, m], [k, stride, dilation], pad, extent) => {
          const all = (value: number, times = rank): number[] => Array<number>(times).fill(value);
          const shapes = { x: [n, c, ...all(extent)], w: [m, c, ...all(k)] };
          const how = { strides: all(stride), dilations: all(dilation), pads: all(pad, 2 * rank) };
          const graph = gradientOf(shapes.x, shapes.w, how);
          const feeds = { x: noise(1, shapes.x), w: noise(2, shapes.w) };
          const [want, got] = [
            await runOrt(graph, feeds),
            await runOrt(verify(kernelGradientsAsProducts(graph)), feeds),
          ];
          expect(relativeError(got['gradient/w'].data, want['gradient/w'].data)).toBeLessThan(1e-5);
        },
      ),
      { numRuns: 12 },
    ));

  it('have no convolution as large as the image, and leave others as they are', () => {
    const graph = gradientOf([2, 3, 8, 8], [4, 3, 3, 3], { strides: [1, 1], dilations: [1, 1], pads: [1, 1, 1, 1] });
    const convolutions = (g: Graph) => g.nodes.filter(n => n.op === 'Conv');
    expect(convolutions(graph)).toHaveLength(2);
    const products = kernelGradientsAsProducts(graph);
    expect(convolutions(products)).toHaveLength(1);
    expect(products.nodes.filter(n => n.op === 'MatMul')).toHaveLength(9);
    expect(kernelGradientsAsProducts(products)).toBe(products);
  });
});
