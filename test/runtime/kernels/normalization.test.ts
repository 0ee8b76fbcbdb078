import { describe, it } from 'vitest';
import { compare, filled } from '../oracle.ts';

describe('normalisation', () => {
  // A mean that is large against the deviation shows a variance that cancels.
  it.each([[[2, 3, 5, 7]], [[1, 8, 24, 24]], [[2, 4, 3, 4, 5]], [[3, 2, 11]]])(
    'of instances and groups of %j',
    async shape => {
      const c = shape[1];
      const inputs = {
        x: filled('float32', shape, 1, 9, 11),
        dy: filled('float32', shape, 2),
        scale: filled('float32', [c], 3, 0.5, 2),
        bias: filled('float32', [c], 4),
      };
      await compare(
        inputs,
        (b, { x, dy, scale, bias }) => [
          b.op('InstanceNormalization', [x, scale, bias]),
          b.op('InstanceNormalizationGrad', [dy, x, scale]),
          b.op('InverseDeviation', [x]),
          b.op('InstanceNormalizationGradFromOutput', [
            dy,
            b.op('InstanceNormalization', [x, scale, bias]),
            scale,
            bias,
            b.op('InverseDeviation', [x]),
          ]),
          b.op('GroupNormalization', [x, scale, bias], { num_groups: c % 2 === 0 ? 2 : 1 }),
        ],
        { absolute: 2e-4 },
      );
    },
  );

  it('of layers', async () => {
    const inputs = {
      x: filled('float32', [3, 5, 36], 1),
      dy: filled('float32', [3, 5, 36], 2),
      scale: filled('float32', [36], 3),
      bias: filled('float32', [36], 4),
      wide: filled('float32', [5, 36], 5),
    };
    await compare(
      inputs,
      (b, { x, dy, scale, bias, wide }) => [
        b.op('LayerNormalization', [x, scale, bias]),
        b.op('LayerNormalization', [x, wide], { axis: 1 }),
        b.op('LayerNormalizationGrad', [dy, x, scale]),
        ...b.ops('LayerNormalization', [x, scale, bias], {}, { outputs: ['y', 'mean', 'deviation'] }),
      ],
      { absolute: 2e-5 },
    );
  });
});
