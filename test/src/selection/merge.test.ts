import { describe, expect, it } from 'vitest';
import { float32, type Graph, GraphBuilder, print, symbol, verify } from '../../../ir/index.ts';
import { mergeGraphs } from '../../../src/selection/merge.ts';

/** x → Relu → + c → output, with a constant of its own object. */
function network(c: number): Graph {
  const b = new GraphBuilder('net');
  const x = b.input('x', { dtype: 'float32', shape: [symbol('N'), 2] });
  const relu = b.op('Relu', [x], {}, { name: 'relu' });
  b.output('y', b.op('Add', [relu, b.constant(float32([2], [c, c]), 'c')], {}, { name: 'add' }));
  return b.build();
}

describe('mergeGraphs', () => {
  it('computes once what the graphs have in common', () => {
    const merged = mergeGraphs('all', [
      { name: 'first', graph: network(1) },
      { name: 'second', graph: network(2) },
      { name: 'again', graph: network(1) },
    ]);
    verify(merged);
    expect(print(merged)).toMatchInlineSnapshot(`
      "graph all(%x: float32[N, 2]) {
        %relu: float32[N, 2] = Relu(%x)
        %add: float32[N, 2] = Add(%relu, [1, 1])
        %add_1: float32[N, 2] = Add(%relu, [2, 2])
        return first/y = %add, second/y = %add_1, again/y = %add
      }"
    `);
  });
});
