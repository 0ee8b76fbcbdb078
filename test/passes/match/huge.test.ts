/** Graphs that are too large to be compared vertex by vertex. */
import { expect, it } from 'vitest';
import { GraphBuilder, symbol } from '../../../ir/index.ts';
import { match } from '../../../passes/index.ts';

/** So many activations one after the other. */
function chain(length: number) {
  const b = new GraphBuilder('chain');
  let x = b.input('x', { dtype: 'float32', shape: [symbol('N'), 3, 8, 8] });
  for (let i = 0; i < length; i++) x = b.op('Relu', [x]);
  b.output('y', x);
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
