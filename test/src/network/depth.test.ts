import { describe, expect, it } from 'vitest';
import { type Graph, GraphBuilder, symbol, type Value } from '../../../ir/index.ts';
import { stitch } from '../../../passes/index.ts';
import { placedPositions } from '../../../src/network/depth.ts';
import { draw } from '../../passes/networks.ts';
import { random } from '../../passes/ort.ts';

/** `layers` convolutions, each with an activation `act0`, `act1`, …; the last reads the first as well, by a skip connection. */
function chain(layers: number): Graph {
  const next = random(layers);
  const b = new GraphBuilder(`net${layers}`);
  const conv = (x: Value, from: number) =>
    b.op('Conv', [x, b.constant(draw(next, 2, from, 3, 3), 'w')], { pads: [1, 1, 1, 1] });
  const input = b.input('x', { dtype: 'float32', shape: [symbol('N'), 1, 8, 8] });
  const first = b.op('Relu', [conv(input, 1)], {}, { name: 'act0' });
  let x = first;
  for (let i = 1; i < layers - 1; i++) x = b.op('Relu', [conv(x, 2)], {}, { name: `act${i}` });
  b.output('y', conv(b.op('Concat', [first, x], { axis: 1 }), 4));
  return b.build();
}

describe('the depth of a position', () => {
  it('is the share of layers that its features are computed from, whatever skips them', () => {
    const parents = [
      { tag: 'a', graph: chain(4) },
      { tag: 'b', graph: chain(8) },
    ];
    const pairs = [0, 1, 2].map(i => ({ features: { a: `act${i}`, b: `act${2 * i}` } }));
    const network = stitch(parents, pairs);
    expect(placedPositions(network).map(({ depth }) => depth)).toEqual([
      (1 / 4 + 1 / 8) / 2,
      (2 / 4 + 3 / 8) / 2,
      (3 / 4 + 5 / 8) / 2,
    ]);
  });
});
