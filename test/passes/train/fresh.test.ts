import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { float32, GraphBuilder, tensorFromNumbers } from '../../../ir/index.ts';
import { importOnnx } from '../../../ir/onnx/file.ts';
import { closeWeights, freshWeights, openWeights } from '../../../passes/train.ts';
import { Random } from '../../../src/data/random.ts';
import { randomNetwork } from '../networks.ts';

const filled = (...shape: number[]) => {
  const size = shape.reduce((x, y) => x * y, 1);
  return float32(
    shape,
    Float32Array.from({ length: size }, (_, i) => 7 + (i % 5)),
  );
};

const freshOf = (graph: Parameters<typeof openWeights>[0], seed = 1) => {
  const open = openWeights(graph);
  const random = Random.seeded(seed);
  return { open, values: freshWeights(open, () => random.normal()) };
};

const deviation = (data: ArrayLike<number>): number =>
  Math.sqrt(Array.from(data).reduce((sum, x) => sum + x * x, 0) / data.length);

describe('fresh weights', () => {
  it('have the variance that PyTorch gives kernels of a shape', () => {
    const b = new GraphBuilder('layers');
    const x = b.input('x', { dtype: 'float32', shape: [1, 24, 8, 8] });
    const constant = (name: string, ...shape: number[]) => b.constant(filled(...shape), name);
    const conv = b.op('Conv', [x, constant('conv', 32, 12, 3, 3), constant('bias', 32)], {
      group: 2,
      pads: [1, 1, 1, 1],
    });
    const up = b.op('ConvTranspose', [conv, constant('up', 32, 24, 4, 4)], { strides: [4, 4] });
    const slope = b.op('PRelu', [up, constant('slope', 24, 1, 1)]);
    const flat = b.op('Flatten', [b.op('GlobalAveragePool', [slope])]);
    const gemm = b.op('Gemm', [flat, constant('turned', 60, 24)], { transB: 1 });
    const other = b.op('Gemm', [gemm, constant('upright', 60, 40)]);
    b.output('y', b.op('MatMul', [other, constant('matrix', 40, 50)]));
    const { values } = freshOf(b.build());
    // Of torch.nn.init._calculate_fan_in_and_fan_out, whose fan-in of a transposed kernel counts its second axis.
    const fans = { conv: 12 * 9, up: 24 * 16, turned: 24, upright: 60, matrix: 40 };
    for (const [name, fan] of Object.entries(fans)) {
      const { data } = values.get(name)!;
      // kaiming_normal_(a=0.01)
      const want = Math.sqrt(2 / 1.0001 / fan);
      expect(deviation(data as Float32Array) / want, name).toBeCloseTo(1, 1);
    }
    expect(new Set<unknown>(values.get('bias')!.data)).toEqual(new Set([0]));
    expect(new Set<unknown>(values.get('slope')!.data)).toEqual(new Set([0.25]));
  });

  it('normalise as they find it, and leave running statistics', () => {
    const { graph } = importOnnx(join('fixtures', 'models', 'resnet18_preserve_13.onnx'));
    const { open, values } = freshOf(graph);
    expect(new Set(values.keys())).toEqual(new Set(open.weights.keys()));
    for (const [name, role] of open.roles) {
      const found = new Set<unknown>(values.get(name)!.data);
      if (role !== 'weight') expect(found, name).toEqual(new Set([role === 'bias' ? 0 : 1]));
    }
    const statistics = (given: typeof graph) =>
      given
        .constants()
        .filter(({ name }) => /running_(mean|var)$/.test(name))
        .map(c => [c.name, [...c.constant.data]]);
    expect(statistics(closeWeights(open, values))).toEqual(statistics(closeWeights(open, open.weights)));
  });

  it('are the same for a seed, of every network, and have nothing of what was there', () =>
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e6 }), seed => {
        const network = randomNetwork(seed, 6);
        const [first, again] = [freshOf(network, seed), freshOf(network, seed)];
        expect(first.values).toEqual(again.values);
        // With other weights in the file the fresh ones are the same.
        const { open } = first;
        const others = new Map(
          Array.from(open.weights, ([name, { dtype, shape, data }]) => [
            name,
            tensorFromNumbers(
              dtype,
              shape,
              Array.from({ length: data.length }, (_, i) => i + 2),
            ),
          ]),
        );
        const changed = freshOf(closeWeights(open, others), seed);
        expect(changed.values).toEqual(first.values);
      }),
      { numRuns: 20 },
    ));
});
