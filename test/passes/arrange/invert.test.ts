import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../ir/builder.ts';
import type { Graph, Value } from '../../../ir/graph.ts';
import { print } from '../../../ir/print.ts';
import { float32, tensorFromNumbers } from '../../../ir/tensor.ts';
import { verify } from '../../../ir/verify.ts';
import { arrange, fuse, invert, peakBytes, schedule } from '../../../passes/arrange.ts';
import { differentiate } from '../../../passes/differentiate/index.ts';
import { simplify } from '../../../passes/simplify/simplify.ts';
import { specialize } from '../../../passes/specialize.ts';
import { doubleBatch, taskMatching, trainingStep } from '../../../passes/train.ts';
import { type Numbers, runOrt } from '../ort.ts';
import { feeds, network } from '../train/networks.ts';

const f32 = (...shape: number[]) => ({ dtype: 'float32' as const, shape });

/** Stitch, convolution, instance norm, rectifier, stitch: the second stitch reads the rectified feature for its gradient. */
function net({ scale = [0.5, -2], alpha = 0.1 } = {}): Graph {
  const b = new GraphBuilder('net');
  const stitched = (x: Value, i: number) => b.op('Stitch', [x, b.input(`w${i}`, f32(2, 2)), b.input(`b${i}`, f32(2))]);
  const weight = float32([2, 2, 1, 1], Float32Array.of(1, -0.5, 0.25, 2));
  const x = stitched(b.input('x', f32(1, 2, 4, 4)), 0);
  const conv = b.op('Conv', [x, b.constant(weight, 'kernel')]);
  const scaling = b.constant(float32([2], Float32Array.from(scale)), 'scale');
  const shift = b.constant(float32([2], Float32Array.of(0.1, 0.2)), 'shift');
  const y = b.op('LeakyRelu', [b.op('InstanceNormalization', [conv, scaling, shift])], { alpha });
  b.output('loss', b.op('ReduceMean', [b.op('Sin', [stitched(y, 1)])], { keepdims: 0 }));
  return simplify(differentiate(b.build(), { loss: 'loss', parameters: ['w0', 'b0', 'w1', 'b1'] }).graph);
}

const inverted = (graph: Graph): Graph => verify(invert(graph, graph.output('loss')));
const count = (graph: Graph, op: string): number => graph.nodes.filter(n => n.op === op).length;

/**
 * Compares gradients, those of biases relative to their weights': before a normalisation a bias has none, and what is found for
 * it is rounding.
 */
function expectSameGradients(got: Record<string, Numbers>, want: Record<string, Numbers>, within: number): void {
  const names = Object.keys(want).filter(n => n.startsWith('gradient/'));
  expect(names.length).toBeGreaterThan(3);
  for (const name of names) {
    const weight = want[name.replace(/bias$/, 'weight').replace(/b(?=\d$)/, 'w')];
    const scale = Math.max(...weight.data.map(Math.abs));
    const difference = Math.max(...want[name].data.map((v, i) => Math.abs(v - got[name].data[i])));
    expect(difference / scale, name).toBeLessThan(within);
  }
}

describe('adjoints from outputs', () => {
  it('read a normalisation off the rectified feature that is kept for a stitch', () => {
    const text = print(inverted(net())).split('\n');
    const shown = text.filter(line => /deviation|norm|inverse/.test(line)).map(line => line.trim());
    expect(shown.join('\n').replaceAll(/: float32\[[\d, ]*\]/g, '')).toMatchInlineSnapshot(`
      "%instancenormalization = InstanceNormalization(%conv, [0.5, -2], [0.1, 0.2])
      %instancenormalization/deviation = InverseDeviation(%conv)
      %leakyrelu = LeakyRelu(%instancenormalization) {alpha = 0.1}
      %leakyrelu/inverse/greater: bool[1, 2, 4, 4] = Greater(%leakyrelu, 0)
      %leakyrelu/inverse/mul = Mul(%leakyrelu, 10)
      %leakyrelu/inverse/where = Where(%leakyrelu/inverse/greater, %leakyrelu, %leakyrelu/inverse/mul)
      %gradient/instancenormalization/instancenormalizationgrad_1 = InstanceNormalizationGradFromOutput(%gradient/leakyrelu/where, %leakyrelu/inverse/where, [0.5, -2], [0.1, 0.2], %instancenormalization/deviation)
      %gradient/conv/conv = Conv(%gradient/instancenormalization/instancenormalizationgrad_1, $gradient/conv/kernel/flipped) {dilations = [1, 1], pads = [0, 0, 0, 0], strides = [1, 1]}"
    `);
  });

  it('give the same gradients', async () => {
    const graph = net();
    const given = feeds(graph, 1);
    const [want, got] = [await runOrt(graph, given), await runOrt(inverted(graph), given)];
    expect(Object.keys(got)).toEqual(Object.keys(want));
    expectSameGradients(got, want, 1e-5);
  });

  it('leave alone what cannot be undone: a scale of 0 or next to it, a rectifier that forgets', () => {
    for (const options of [{ scale: [1, 0] }, { scale: [1, 1e-6] }, { alpha: 0 }]) {
      const graph = net(options);
      expect(inverted(graph)).toBe(graph);
    }
  });

  it('take a value off the memory of each normalisation, in training steps with and without references', async () => {
    const losses = [doubleBatch(network(), { switches: 'position' }), taskMatching(network())];
    for (const loss of losses) {
      const step = trainingStep(loss, { steps: 3 });
      const graph = simplify(specialize(step.graph, { N: 8 }));
      const frugal = inverted(graph);
      expect(count(frugal, 'InstanceNormalizationGradFromOutput')).toBeGreaterThan(2);
      const before = peakBytes(schedule(fuse(schedule(graph))));
      expect(peakBytes(arrange(graph, { step }))).toBeLessThan(0.95 * before);
      const labels = tensorFromNumbers(
        'int32',
        [8, 8, 8],
        Array.from({ length: 512 }, (_, i) => (i >> 3) & 1),
      );
      const given = { ...feeds(graph, 8), labels, ...Object.fromEntries(step.state) };
      const [want, got] = [await runOrt(graph, given), await runOrt(frugal, given)];
      expectSameGradients(got, want, 1e-5);
    }
  });
});
