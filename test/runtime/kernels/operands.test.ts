import { describe, expect, it } from 'vitest';
import { GraphBuilder, type Value } from '../../../ir/index.ts';
import { requireFit } from '../../../runtime/kernels/operands.ts';

type Make = (b: GraphBuilder, inputs: readonly Value[]) => unknown;

function check(shapes: readonly (readonly number[])[], make: Make, integers: readonly number[] = [1]): () => void {
  const b = new GraphBuilder('g');
  const dtype = (i: number) => (integers.includes(i) ? ('int32' as const) : ('float32' as const));
  make(
    b,
    shapes.map((shape, i) => b.input(`x${i}`, { dtype: dtype(i), shape: [...shape] })),
  );
  const node = b.build().nodes.at(-1)!;
  return () => requireFit(node);
}

const gatherElements: Make = (b, [x, i]) => b.op('GatherElements', [x, i], { axis: 1 });
const gatherND: Make = (b, [x, i]) => b.op('GatherND', [x, i], { batch_dims: 1 });
const scatterElements: Make = (b, [x, i, u]) => b.op('ScatterElements', [x, i, u], { axis: 0 });
const scatterND: Make = (b, [x, i, u]) => b.op('ScatterND', [x, i, u]);
const maxPoolGrad: Make = (b, [dy, x]) => b.op('MaxPoolGrad', [dy, x], { kernel_shape: [2], strides: [2] });
const stitchGrad: Make = (b, [dy, x]) => b.ops('StitchGrad', [dy, x]);
const switched: Make = (b, [w, x, y]) => b.op('Switch', [w, x, y]);

describe('operands that would lead a kernel out of its buffers', () => {
  const none: number[] = [];
  it.each<[string, number[][], number[][], Make, number[]]>([
    [
      'GatherElements',
      [
        [3, 4],
        [3, 9],
      ],
      [
        [3, 0],
        [3, 2],
      ],
      gatherElements,
      [1],
    ],
    [
      'GatherND',
      [
        [2, 3, 4],
        [2, 5, 1],
      ],
      [
        [2, 3, 4],
        [3, 5, 1],
      ],
      gatherND,
      [1],
    ],
    [
      'ScatterElements',
      [
        [3, 4],
        [7, 4],
        [7, 4],
      ],
      [
        [0, 4],
        [7, 4],
        [7, 4],
      ],
      scatterElements,
      [1],
    ],
    [
      'ScatterND',
      [
        [3, 4],
        [5, 1],
        [5, 4],
      ],
      [
        [0, 4],
        [5, 1],
        [5, 4],
      ],
      scatterND,
      [1],
    ],
    [
      'MaxPoolGrad',
      [
        [1, 2, 3],
        [1, 2, 6],
      ],
      [
        [1, 2, 4],
        [1, 2, 6],
      ],
      maxPoolGrad,
      none,
    ],
    [
      'StitchGrad',
      [
        [2, 3, 5, 5],
        [2, 4, 5, 5],
      ],
      [
        [2, 3, 5, 4],
        [2, 4, 5, 5],
      ],
      stitchGrad,
      none,
    ],
    [
      'Switch',
      [
        [2, 3],
        [3, 4],
        [3, 4],
      ],
      [
        [2, 4],
        [3, 4],
        [3, 4],
      ],
      switched,
      none,
    ],
  ])('%s', (_op, fitting, others, make, integers) => {
    expect(check(fitting, make, integers)).not.toThrow();
    expect(check(others, make, integers)).toThrow(/do not fit each other/);
  });

  it('an index has something to name', () => {
    const gather: Make = (b, [x, i]) => b.op('Gather', [x, i], { axis: 0 });
    expect(check([[0, 4], [2]], gather)).toThrow(/do not fit each other/);
    expect(check([[0, 4], [0]], gather)).not.toThrow();
  });
});
