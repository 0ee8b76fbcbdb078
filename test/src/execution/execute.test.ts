import { expect, test } from 'vitest';
import { GraphBuilder, symbol } from '../../../ir/index.ts';
import { specialize } from '../../../passes/index.ts';
import { bindingFor } from '../../../src/execution/execute.ts';

test.each(['constructor', 'toString', 'valueOf'])('sizes of an axis called %s', name => {
  const b = new GraphBuilder('g');
  b.output('y', b.op('Relu', [b.input('x', { dtype: 'float32', shape: [symbol(name), 3] })]));
  const graph = b.build();
  expect(specialize(graph, bindingFor(graph, { x: [4, 3] })).output('y').type.shape).toEqual([4, 3]);
});
