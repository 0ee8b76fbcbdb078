import { describe, it } from 'vitest';
import { scalar, tensorFromNumbers } from '../../../ir/index.ts';
import { compare, filled } from '../oracle.ts';

const ints = (shape: readonly number[], values: readonly number[]) => tensorFromNumbers('int64', shape, values);

describe('indexing', () => {
  it('Gather and GatherElements, negative indices included', async () => {
    const inputs = {
      x: filled('float32', [4, 5, 3], 1),
      rows: ints([2, 2], [0, -1, 3, 1]),
      picks: ints(
        [4, 2, 3],
        Array.from({ length: 24 }, (_, i) => (i % 5) - (i % 2 ? 5 : 0)),
      ),
    };
    await compare(inputs, (b, { x, rows, picks }) => [
      b.op('Gather', [x, rows]),
      b.op('Gather', [x, rows], { axis: 1 }),
      b.op('Gather', [x, b.constant(ints([], [2]))], { axis: -1 }),
      b.op('GatherElements', [x, picks], { axis: 1 }),
    ]);
  });

  it('GatherND with and without batch axes', async () => {
    const inputs = { x: filled('float32', [2, 3, 4], 1), at: ints([2, 2], [0, 2, 1, -1]), each: ints([2, 1], [2, 0]) };
    await compare(inputs, (b, { x, at, each }) => [
      b.op('GatherND', [x, at]),
      b.op('GatherND', [x, each], { batch_dims: 1 }),
    ]);
  });

  it('scatters in order, with every reduction', async () => {
    const inputs = {
      x: filled('float32', [4, 5], 1),
      at: ints([2, 5], [0, 1, 2, 3, 0, 0, 1, -1, 3, 2]),
      updates: filled('float32', [2, 5], 2),
      rows: ints([3, 1], [1, 3, 1]),
      slices: filled('float32', [3, 5], 3),
    };
    await compare(inputs, (b, { x, at, updates, rows, slices }) => [
      // Of equal indices the order is open without a reduction, so there are none in `at`'s columns but with one.
      ...['add', 'mul', 'max', 'min'].flatMap(reduction => [
        b.op('ScatterElements', [x, at, updates], { reduction }),
        b.op('ScatterND', [x, rows, slices], { reduction }),
      ]),
      b.op('ScatterElements', [
        x,
        b.constant(ints([1, 5], [3, 1, 0, 2, 1])),
        b.op('Slice', [updates, b.ints([0]), b.ints([1])]),
      ]),
      b.op('ScatterND', [
        x,
        b.constant(ints([2, 2], [0, 1, 3, 4])),
        b.constant(tensorFromNumbers('float32', [2], [7, 8])),
      ]),
    ]);
  });

  it('OneHot on any axis', async () => {
    await compare(
      { k: ints([2, 3], [0, 3, -1, 2, 9, 1]), values: tensorFromNumbers('float32', [2], [0.5, 2]) },
      (b, v) => [-1, 0, 1].map(axis => b.op('OneHot', [v.k, b.constant(ints([], [4])), v.values], { axis })),
    );
  });
});

describe('other normalisations', () => {
  it('agree with ONNX Runtime', async () => {
    const inputs = {
      x: filled('float32', [2, 6, 3, 4], 1),
      s: filled('float32', [6], 2),
      b: filled('float32', [6], 3),
      m: filled('float32', [6], 4),
      v: filled('float32', [6], 5, 0.5, 2),
    };
    await compare(inputs, (b, { x, s, b: bias, m, v }) => [
      b.op('BatchNormalization', [x, s, bias, m, v]),
      b.op('LRN', [x], { size: 3 }),
      b.op('LRN', [x], { size: 5, alpha: 0.1 }),
      b.op('LpNormalization', [x], { axis: 1 }),
      b.op('LpNormalization', [x], { axis: -1, p: 1 }),
      b.op('MeanVarianceNormalization', [x]),
    ]);
  });
});

describe('Resize', () => {
  const modes = ['half_pixel', 'pytorch_half_pixel', 'align_corners', 'asymmetric'];

  it.each(['nearest', 'linear', 'cubic'])('%s agrees with ONNX Runtime in every coordinate mode', async mode => {
    await compare(
      { x: filled('float32', [1, 2, 5, 6], 1) },
      (b, { x }) =>
        modes.flatMap(coordinate_transformation_mode => [
          b.op('Resize', [x, undefined, b.constant(tensorFromNumbers('float32', [4], [1, 1, 2, 1.5]))], {
            mode,
            coordinate_transformation_mode,
          }),
          b.op('Resize', [x, undefined, undefined, b.ints([1, 2, 3, 4])], {
            mode,
            coordinate_transformation_mode,
            ...(mode === 'nearest' && { nearest_mode: 'floor' }),
          }),
        ]),
      { absolute: 1e-4 },
    );
  });

  it('volumes, antialiased, cropped', async () => {
    await compare(
      { v: filled('float32', [1, 1, 3, 4, 5], 1), x: filled('float32', [1, 1, 8, 8], 2), c: scalar(1) },
      (b, { v, x }) => [
        b.op('Resize', [v, undefined, b.constant(tensorFromNumbers('float32', [5], [1, 1, 2, 2, 2]))], {
          mode: 'linear',
        }),
        b.op('Resize', [x, undefined, undefined, b.ints([1, 1, 5, 3])], { mode: 'linear', antialias: 1 }),
        b.op(
          'Resize',
          [
            x,
            b.constant(tensorFromNumbers('float32', [8], [0, 0, 0.2, 0.1, 1, 1, 1.2, 0.7])),
            undefined,
            b.ints([1, 1, 4, 4]),
          ],
          { mode: 'linear', coordinate_transformation_mode: 'tf_crop_and_resize', extrapolation_value: 9 },
        ),
      ],
    );
  });
});
