import { describe, expect, test } from 'vitest';
import { float32, type Graph, GraphBuilder, symbol, type Value, verify } from '../../ir/index.ts';
import { narrow } from '../../passes/float-width.ts';
import { halfRange, peaksOf, wideNodes, withPeaks } from '../../passes/wide-nodes.ts';
import { draw } from './networks.ts';
import { random, relativeError, runOrt } from './ort.ts';

const next = random(5);

/** Images that are scaled first, a convolution, a normalisation by single operators, and a head. */
function network(scale = 1): Graph {
  const b = new GraphBuilder('net');
  const constant = (value: number, name: string): Value => b.constant(float32([1], [value]), name);
  const x = b.input('x', { dtype: 'float32', shape: [symbol('N'), 3, 8, 8] });
  const scaled = b.op('Mul', [x, constant(1 / 1000, 'c')], {}, { name: 'prepare' });
  const weight = draw(next, 4, 3, 3, 3).data as Float32Array;
  const conv = b.op(
    'Conv',
    [
      scaled,
      b.constant(
        float32(
          [4, 3, 3, 3],
          weight.map(v => v * scale),
        ),
        'w',
      ),
    ],
    { pads: [1, 1, 1, 1] },
    { name: 'conv' },
  );
  const axes = b.ints([1, 2, 3]);
  const centred = b.op('Sub', [conv, b.op('ReduceMean', [conv, axes], {}, { name: 'mean' })], {}, { name: 'centred' });
  const squares = b.op('Pow', [centred, constant(2, 'two')], {}, { name: 'squares' });
  const variance = b.op('ReduceMean', [squares, axes], {}, { name: 'variance' });
  const safe = b.op('Add', [variance, constant(1e-5, 'epsilon')], {}, { name: 'safe' });
  const normal = b.op('Div', [centred, b.op('Sqrt', [safe], {}, { name: 'deviation' })], {}, { name: 'normal' });
  const active = b.op('LeakyRelu', [normal], {}, { name: 'active' });
  b.output('y', b.op('Conv', [active, b.constant(draw(next, 2, 4, 1, 1), 'h')], {}, { name: 'head' }));
  return verify(b.build());
}

const namesOf = (nodes: Iterable<{ readonly name: string }>): string[] => [...nodes].map(({ name }) => name).sort();
const statistics = ['deviation', 'mean', 'prepare', 'safe', 'squares', 'variance'];

describe('wideNodes', () => {
  test('keeps statistics, what is between them, and what prepares the images', () => {
    expect(namesOf(wideNodes(network()))).toEqual(statistics);
  });

  test('keeps what brings outputs together', () => {
    const b = new GraphBuilder('net');
    const x = b.input('x', { dtype: 'float32', shape: [symbol('N'), 2] });
    const outer = b.op('Gemm', [x, b.constant(draw(next, 2, 2), 'w')], {}, { name: 'layer' });
    b.output(
      'y',
      b.scope('output', () => b.op('Relu', [outer], {}, { name: 'sum' }), { combines: true }),
    );
    expect(namesOf(wideNodes(b.build()))).toEqual(['output/sum']);
  });

  test('keeps what has too large a weight, or a feature that is too large on known images', async () => {
    const graph = network(3e5);
    expect(namesOf(wideNodes(graph))).toEqual(['conv', ...statistics].sort());
    const images = draw(next, 2, 3, 8, 8);
    const peaking = withPeaks(graph);
    const { [peaking.output]: found } = await runOrt(peaking.graph, { x: images });
    const peaks = peaksOf(peaking, [found.data]);
    expect(peaks.get(graph.inputs[0])).toBeCloseTo(Math.max(...(images.data as Float32Array).map(Math.abs)), 5);
    const conv = graph.nodes.find(node => node.name === 'conv')!;
    const less = new Map([...peaks].map(([value, peak]) => [value, value === conv.outputs[0] ? halfRange + 1 : peak]));
    // Its readers would have it in float16.
    expect(namesOf(wideNodes(graph, less))).toEqual(expect.arrayContaining(['centred', 'conv', 'mean']));
  });

  test('leaves a network that computes the same in float16 as far as its digits go', async () => {
    for (const scale of [1, 1e6]) {
      const graph = network(scale);
      const images = draw(next, 2, 3, 8, 8);
      const peaking = withPeaks(graph);
      const { [peaking.output]: found } = await runOrt(peaking.graph, { x: images });
      const kept = wideNodes(graph, peaksOf(peaking, [found.data]));
      const half = narrow(graph, { keep: node => kept.has(node), input: 'float32', output: 'float32' });
      expect(half.nodes.find(node => node.name === 'head')!.outputs[0].type.dtype).toBe('float16');
      const [{ y: want }, { y: got }] = [await runOrt(graph, { x: images }), await runOrt(verify(half), { x: images })];
      expect(relativeError(got.data, want.data)).toBeLessThan(5e-3);
    }
  });
});
