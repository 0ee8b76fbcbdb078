/** Networks whose gate is for a case, given its windows in parts. */
import { describe, expect, it } from 'vitest';
import { exportOnnx, type Graph, rewrite, verify } from '../../../ir/index.ts';
import { importOnnx } from '../../../ir/onnx/file.ts';
import { original, settleGated, splitOverBatch } from '../../../passes/index.ts';
import { onProcessor } from '../../../src/execution/open.ts';
import { gateMetadata } from '../../../src/network/gate.ts';
import { withMetadata } from '../../../src/network/metadata.ts';
import { networkOf } from '../../../src/network/network.ts';
import { Predictor } from '../../../src/prediction/predictor.ts';
import { joined } from '../../passes/stitch/joined.ts';

/** Two networks for images [2, 4, 4], gated over cases, as a file has them. */
function gated(activation?: 'Softmax'): Graph {
  const network = joined([1, 2], 3, activation);
  const graph = settleGated(network, original(network), undefined, { standard: true, over: 'case' });
  return importOnnx(exportOnnx(withMetadata(graph, gateMetadata('case')))).graph;
}

const extents = [2, 9, 10];
const field = {
  shape: extents,
  data: Float32Array.from({ length: 180 }, (_, i) => Math.sin(3 * i) + (i < 90 ? 2 : 0)),
};
const meaning = { kind: 'probabilities', activation: 'softmax', channels: 3, channelAxis: 1 } as const;
const looking = { step: 0.5, mirrorAxes: [1] };

const predicted = (graph: Graph, batch: number, onLook = (_done: number, _total: number): void => undefined) =>
  onProcessor(async executor => {
    const predictor = new Predictor(executor, networkOf(graph, 'net', meaning), undefined);
    try {
      return await predictor.predict(field, { ...looking, batch, onLook });
    } finally {
      predictor.dispose();
    }
  });

describe('a network that is gated over cases', () => {
  it.each([undefined, 'Softmax'] as const)('weighs windows in parts as all at once (%s)', async activation => {
    const graph = gated(activation);
    const { statistics, answers, kinds } = splitOverBatch(graph)!;
    for (const part of [statistics, answers]) verify(part);
    expect([...kinds.values()].toSorted()).toEqual(['mean', 'mean', 'sum', 'sum', 'sum', 'sum', 'sum', 'sum']);
    const { data, shape } = await predicted(graph, 1000);
    expect(shape).toEqual([3, 9, 10]);
    for (const batch of [1, 3]) {
      const looks: string[] = [];
      const found = await predicted(graph, batch, (done, total) => looks.push(`${done} of ${total}`));
      for (const [i, value] of data.entries()) expect(Math.abs(found.data[i] - value)).toBeLessThan(1e-5);
      // 4 × 4 windows, mirrored or not, for their statistics and for their answers.
      expect(looks.at(-1)).toBe('64 of 64');
    }
  });

  it('is given all windows at once, or refused, where what it takes of a case is not a sum or a mean', async () => {
    const graph = gated();
    const most = rewrite(graph, (node, to) =>
      node.op === 'ReduceMean' ? to.op('ReduceMax', node.inputs as never, node.attributes as never) : undefined,
    );
    expect(splitOverBatch(most)).toBeUndefined();
    expect((await predicted(most, 16)).data.every(Number.isFinite)).toBe(true);
    await expect(predicted(most, 15)).rejects.toThrow(
      'net is said to weigh all windows of a case alike, and how is not known of it',
    );
  });
});
