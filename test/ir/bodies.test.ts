import { describe, expect, it } from 'vitest';
import { bodyOf } from '../../ir/bodies.ts';
import { GraphBuilder } from '../../ir/builder.ts';
import { symbol } from '../../ir/dim.ts';
import type { Node } from '../../ir/graph.ts';
import { isSutureOp, type SutureOp } from '../../ir/ops/index.ts';
import { print } from '../../ir/print.ts';
import { typeText } from '../../ir/type.ts';
import { verify } from '../../ir/verify.ts';

const N = symbol('N');
const f32 = (...shape: (number | typeof N)[]) => ({ dtype: 'float32' as const, shape });

/** One node of each of our operators, over symbolic batches and features of every rank that a stitch takes. */
function everyOperator() {
  const b = new GraphBuilder('all');
  for (const spatial of [[], [7], [6, 5], [4, 3, 2]]) {
    const shapeOf = (c: number) => (spatial.length === 1 ? f32(N, 7, c) : f32(N, c, ...spatial));
    const x = b.input('x', shapeOf(3));
    const y = b.input('y', shapeOf(4));
    const stitched = b.op('Stitch', [x, b.input('w', f32(4, 3)), b.input('b', f32(4))]);
    const weights = b.input('s', f32(2, N));
    b.op('Switch', [b.input('t', f32(2)), y, stitched]);
    b.op('SwitchGrad', [b.op('Switch', [weights, y, stitched]), weights, y, stitched]);
    const loss = b.op('FeatureLoss', [stitched, y]);
    const gradient = b.op('FeatureLossGrad', [loss, stitched, y]);
    b.ops('StitchGrad', [gradient, x]);
    if (spatial.length > 1) {
      b.op('InstanceNormalizationGrad', [gradient, y, b.input('scale', f32(4))]);
      const inverse = b.op('InverseDeviation', [y]);
      const [scale, bias] = ['scaling', 'shift'].map(name => b.input(name, f32(4)));
      b.op('InstanceNormalizationGradFromOutput', [gradient, y, scale, bias, inverse]);
      const window = { kernel_shape: spatial.map(() => 2) };
      b.op('MaxPoolGrad', [b.op('MaxPool', [y], window), y], window);
    }
    if (spatial.length === 1) b.op('LayerNormalizationGrad', [gradient, y, b.input('scale', f32(4))]);
  }
  const p = b.input('p', f32(5));
  const s = b.input('lr', f32());
  b.ops('AdamW', [p, p, p, p, s, s, s]);
  return b.build();
}

describe('bodies', () => {
  const graph = verify(everyOperator());

  it.each(graph.nodes.filter(n => isSutureOp(n.op)).map(n => [n.name, n] as const))(
    '%s has a body of the same type in ONNX operators',
    (_, node) => {
      const body = verify(bodyOf(node as unknown as Node<SutureOp>));
      expect(body.nodes.every(n => !isSutureOp(n.op))).toBe(true);
      const types = body.outputs.map(o => typeText(o.value.type).replaceAll('((7·N)/(7))', 'N'));
      expect(types).toEqual(node.outputs.map(o => typeText(o.type)));
    },
  );

  it('prints as a person would write it', () => {
    const b = new GraphBuilder('net');
    const x = b.input('x', f32(N, 1, 96, 96));
    const w = b.input('w', f32(8, 1, 3, 3));
    b.output(
      'logits',
      b.op('LeakyRelu', [b.op('Conv', [x, w], { pads: [1, 1, 1, 1], strides: [2, 2] })], { alpha: 0.1 }),
    );
    expect(print(b.build())).toMatchInlineSnapshot(`
      "graph net(%x: float32[N, 1, 96, 96], %w: float32[8, 1, 3, 3]) {
        %conv: float32[N, 8, 48, 48] = Conv(%x, %w) {pads = [1, 1, 1, 1], strides = [2, 2]}
        %leakyrelu: float32[N, 8, 48, 48] = LeakyRelu(%conv) {alpha = 0.1}
        return logits = %leakyrelu
      }"
    `);
  });
});
