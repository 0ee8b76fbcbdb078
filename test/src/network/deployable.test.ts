import { expect, it } from 'vitest';
import { GraphBuilder } from '../../../ir/index.ts';
import { describedAs, scored, undescribed } from '../../../src/network/deployable.ts';

it('a file says no more of how it was made and scored once its weights are others, and keeps what was said by others', () => {
  const b = new GraphBuilder('net', {
    documentation: 'by hand',
    metadata: { author: 'me', 'suture.gate.over': 'image' },
  });
  b.output('y', b.op('Relu', [b.input('x', { dtype: 'float32', shape: [1, 2] })]));
  const graph = b.build();
  expect(undescribed(graph)).toBe(graph);
  const parents = { a: 'f00', b: 'ba5' };
  const made = describedAs(graph, { note: 'stitched at 3', parents, metadata: { 'suture.run': 'seal' } });
  const { info } = undescribed(scored(made, 'dice', { own: 0.9, shift: 0.8 }));
  expect(info).toEqual({ metadata: { author: 'me', 'suture.gate.over': 'image', 'suture.batch': '1' } });
});
