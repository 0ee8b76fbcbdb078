import { describe, it } from 'vitest';
import { float32, scalar } from '../../../ir/index.ts';
import { compare, filled } from '../oracle.ts';

describe('operators of stitching', () => {
  it('Stitch maps channels of images, tokens and vectors', async () => {
    const inputs = {
      image: filled('float32', [2, 5, 3, 7], 1),
      volume: filled('float32', [1, 5, 2, 3, 4], 2),
      tokens: filled('float32', [2, 6, 5], 3),
      vector: filled('float32', [4, 5], 4),
      weight: filled('float32', [3, 5], 5),
      bias: filled('float32', [3], 6),
    };
    await compare(inputs, (b, { weight, bias, ...features }) =>
      Object.values(features).map(x => b.op('Stitch', [x, weight, bias])),
    );
  });

  it('Switch weighs sources as a whole, per sample and per channel', async () => {
    const inputs = {
      x: filled('float32', [2, 3, 4, 5], 1),
      y: filled('float32', [2, 3, 4, 5], 2),
      whole: float32([2], [0.25, 0.75]),
      sample: float32([2, 2], [1, 0, 0, 1]),
      channel: filled('float32', [2, 1, 3], 3),
    };
    await compare(inputs, (b, { x, y, ...weights }) => Object.values(weights).map(w => b.op('Switch', [w, x, y])));
  });

  it('FeatureLoss and its adjoint, normalised or not', async () => {
    for (const shape of [
      [2, 3, 5, 7],
      [4, 8, 32, 32],
      [3, 4],
    ]) {
      await compare(
        { x: filled('float32', shape, 1, 3, 6), reference: filled('float32', shape, 2, 3, 5), dloss: scalar(0.7) },
        (b, { x, reference, dloss }) =>
          [0, 1].flatMap(normalize => [
            b.op('FeatureLoss', [x, reference], { normalize }),
            b.op('FeatureLossGrad', [dloss, x, reference], { normalize }),
          ]),
      );
      await compare(
        { x: filled('float32', shape, 1, 3, 6), reference: filled('float32', shape, 2, 3, 5), dloss: scalar(0.7) },
        (b, { x, reference, dloss }) => {
          const [loss, divisor] = b.ops('FeatureLoss', [x, reference], {}, { outputs: ['loss', 'divisor'] });
          return [loss, divisor, b.op('FeatureLossGrad', [dloss, x, reference, divisor])];
        },
      );
    }
  });

  it('StitchGrad sums over samples and positions', async () => {
    const features: [number[], number[]][] = [
      [
        [2, 5, 9, 8],
        [2, 3, 9, 8],
      ],
      [
        [3, 16, 24, 24],
        [3, 9, 24, 24],
      ],
      [
        [2, 17, 6, 6],
        [2, 1, 6, 6],
      ],
      [
        [2, 6, 5],
        [2, 6, 12],
      ],
      [
        [7, 5],
        [7, 4],
      ],
    ];
    for (const [dy, x] of features) {
      await compare(
        { dy: filled('float32', dy, 1), x: filled('float32', x, 2) },
        (b, v) => b.ops('StitchGrad', [v.dy, v.x], {}, { outputs: ['dw', 'db'] }),
        { absolute: 1e-4 },
      );
    }
  });

  it('SwitchGrad sums what each weight is spread over', async () => {
    const inputs = {
      dy: filled('float32', [2, 3, 4, 5], 4),
      x: filled('float32', [2, 3, 4, 5], 1),
      y: filled('float32', [2, 3, 4, 5], 2),
      whole: float32([2], [0.25, 0.75]),
      sample: float32([2, 2], [1, 0, 0, 1]),
      channel: filled('float32', [2, 1, 3], 3),
    };
    await compare(inputs, (b, { dy, x, y, ...weights }) =>
      Object.values(weights).map(w => b.op('SwitchGrad', [dy, w, x, y])),
    );
  });

  it('AdamW steps as its body says', async () => {
    const inputs = {
      p: filled('float32', [37], 1),
      g: filled('float32', [37], 2),
      m: filled('float32', [37], 3),
      v: filled('float32', [37], 4, 0, 1),
      rate: scalar(0.01),
      bias1: scalar(0.19),
      bias2: scalar(0.002),
    };
    await compare(inputs, (b, { p, g, m, v, rate, bias1, bias2 }) =>
      b.ops('AdamW', [p, g, m, v, rate, bias1, bias2], { weight_decay: 0.1 }, { outputs: ['p1', 'm1', 'v1'] }),
    );
  });
});
