import { expect, it } from 'vitest';
import { GraphBuilder, tensor } from '../../ir/index.ts';
import { mapChannels } from '../../passes/index.ts';
import { runOrt } from './ort.ts';

const network = () => {
  const to = new GraphBuilder('network');
  const x = to.input('x', { dtype: 'float32', shape: [1, 2, 3] });
  to.output('y', to.op('Add', [x, to.op('Neg', [x])]));
  to.output('x2', to.op('Mul', [x, to.scalar(2)]));
  return to.build();
};

it('changes the channels of the images before anything else sees them', async () => {
  const mapped = mapChannels(network(), [
    { scale: 2, offset: 1, low: -1 },
    { scale: 1, offset: 0, high: 3 },
  ]);
  expect(mapped.nodes.slice(0, 4).map(node => node.name)).toEqual(['input/mul', 'input/add', 'input/max', 'input/min']);
  const x = tensor('float32', [1, 2, 3], Float32Array.of(-2, 0, 1, -5, 2, 4));
  const found = await runOrt(mapped, { x });
  expect([...found.x2.data]).toEqual([-2, 2, 6, -10, 4, 6]);
  expect([...found.y.data]).toEqual([0, 0, 0, 0, 0, 0]);
});

it('leaves a network as it is where nothing changes', () => {
  const graph = network();
  expect(
    mapChannels(graph, [
      { scale: 1, offset: 0 },
      { scale: 1, offset: 0 },
    ]),
  ).toBe(graph);
});
