/** Graphs that are too large to be compared vertex by vertex. */
import { expect, it } from 'vitest';
import { float32, GraphBuilder, symbol, type Value } from '../../../ir/index.ts';
import { match } from '../../../passes/index.ts';

/** So many activations one after the other. */
function times(b: GraphBuilder, input: Value, count: number): Value {
  let x = input;
  for (let i = 0; i < count; i++) x = b.op('Relu', [x]);
  return x;
}

function chain(length: number) {
  const b = new GraphBuilder('chain');
  b.output('y', times(b, b.input('x', { dtype: 'float32', shape: [symbol('N'), 3, 8, 8] }), length));
  return b.build();
}

it('are matched in parts, which the result says, and no proof is claimed', () => {
  const [a, b] = [chain(12_400), chain(12_300)];
  const found = match(a, b, { matcher: 'exact', names: ['a.onnx', 'b.onnx'] });
  expect(found).toMatchObject({ optimal: false, ended: 'work' });
  expect(found.warnings).toEqual([
    { code: 'networks-too-large', message: expect.stringMatching(/^a\.onnx has 12401 layers and b\.onnx 12301/) },
  ]);
  // Cuts cost a pair or so each.
  expect(found.score).toBeGreaterThan(12_280);
  expect(found.score).toBeLessThanOrEqual(found.bound!);
  const places = (graph: typeof a, names: readonly string[]): number[] => {
    const order = new Map(graph.nodes.map((node, i) => [node.outputs[0].name, i]));
    return names.map(name => order.get(name)!);
  };
  for (const at of [
    places(
      a,
      found.pairs.map(p => p.features.a),
    ),
    places(
      b,
      found.pairs.map(p => p.features.b),
    ),
  ]) {
    expect(at.every((place, i) => i === 0 || place > at[i - 1])).toBe(true);
  }
});

it('lose pairs where their parts have little in common, and are not said to have none', () => {
  const rows = 9_000;
  const builder = (name: string) => {
    const b = new GraphBuilder(name);
    return { b, x: b.input('x', { dtype: 'float32', shape: [symbol('N'), 3, 8, 8] }) };
  };
  const down = builder('down');
  const pooled = down.b.op('MaxPool', [times(down.b, down.x, rows)], { kernel_shape: [2, 2], strides: [2, 2] });
  down.b.output('y', times(down.b, pooled, rows));
  const up = builder('up');
  const small = times(up.b, up.b.op('MaxPool', [up.x], { kernel_shape: [2, 2], strides: [2, 2] }), rows);
  const weights = up.b.constant(float32([3, 3, 2, 2], new Float32Array(36)));
  up.b.output('y', times(up.b, up.b.op('ConvTranspose', [small, weights], { strides: [2, 2] }), rows));
  expect(match(down.b.build(), up.b.build()).warnings?.[0]?.code).toBe('networks-too-large');
});
