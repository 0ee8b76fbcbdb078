import { expect, test } from 'vitest';
import { GraphBuilder, inputAt, rewrite, symbol, verify } from '../../../ir/index.ts';
import { simplify } from '../../../passes/index.ts';

test('extents that depend on data are never taken for one another', () => {
  const b = new GraphBuilder('net');
  const x = b.input('x', { dtype: 'float32', shape: [symbol('N'), symbol('unknown')] });
  const shapes = ['s', 't'].map(name => b.input(name, { dtype: 'int64', shape: [2] }));
  const first = b.op('Reshape', [x, shapes[0]]);
  b.output('y', b.op('Reshape', [b.op('Relu', [first]), shapes[1]]));
  const graph = verify(simplify(b.build()));
  expect(graph.nodes.map(n => n.op)).toEqual(['Reshape', 'Relu', 'Reshape']);
  // The second Reshape is inferred anew, the first is shared.
  const changed = rewrite(graph, (node, to) => (node.op === 'Relu' ? to.op('Neg', [inputAt(node, 0)]) : undefined));
  const texts = verify(changed).nodes.flatMap(n => n.outputs[0].type.shape.map(String));
  expect(new Set([...texts, 'unknown']).size).toBe(5);
});
