/** The sweep over settings of more than two networks. */
import { describe, expect, it } from 'vitest';
import { type Graph, GraphBuilder, symbol } from '../../../ir/index.ts';
import { identityStitches, kaimingStitches, meaningOf, stitch } from '../../../passes/index.ts';
import type { Dataset } from '../../../src/data/dataset.ts';
import { withExecutor } from '../../../src/execution/open.ts';
import { LabelledData } from '../../../src/metrics/labelled.ts';
import { networkOf } from '../../../src/network/network.ts';
import { frontFigures } from '../../../src/report/front-figure.ts';
import { sharesOf } from '../../../src/selection/combination.ts';
import { type Front, type FrontOptions, sweepFront } from '../../../src/selection/weighted.ts';
import { draw } from '../../passes/networks.ts';
import { random } from '../../passes/ort.ts';

/** Two layers and logits of two classes. */
function parent(seed: number): Graph {
  const next = random(seed);
  const b = new GraphBuilder(`net${seed}`);
  const x = b.input('x', { dtype: 'float32', shape: [symbol('N'), 1, 8, 8] });
  const weight = (...shape: number[]) => b.constant(draw(next, ...shape), 'w');
  const hidden = b.op('Conv', [x, weight(3, 1, 3, 3), weight(3)], { pads: [1, 1, 1, 1] });
  const act = b.op('Relu', [hidden], {}, { name: 'act' });
  b.output('logits', b.op('Conv', [act, weight(2, 3, 1, 1), weight(2)]));
  return b.build();
}

const images = draw(random(9), 5, 1, 8, 8);

const dataset: Dataset = {
  source: 'images.npz',
  count: 5,
  images: Float32Array.from(images.data),
  imageShape: [1, 8, 8],
  labels: {
    data: Uint8Array.from(images.data, v => (v > 0.1 ? 1 : 0)),
    shape: [8, 8],
    ignore: undefined,
    regions: undefined,
    task: undefined,
  },
  arrays: ['images', 'labels'],
};

const tags = ['a', 'b', 'c'];

/** Sweeps over networks by their seeds, each stitched to the first. */
async function swept(seeds: readonly number[], options: FrontOptions, alike = false): Promise<Front> {
  const parents = seeds.map((seed, p) => ({ tag: tags[p], graph: parent(seed) }));
  const network = stitch(
    parents,
    parents.slice(1).flatMap(({ tag }) => [{ features: { a: 'act', [tag]: 'act' } }]),
  );
  const parameters = (alike ? identityStitches : kaimingStitches)(network, random(4));
  const { graph } = parents[0];
  const data = LabelledData.for([networkOf(graph, 'a', meaningOf(graph, graph.outputs[0].value))], dataset);
  const tests = [{ name: 'own', data }];
  return withExecutor({ executor: 'ort' }, executor =>
    sweepFront({ executor }, { network, parameters }, { validation: data, tests }, options),
  );
}

const mean = [1 / 3, 1 / 3, 1 / 3];

describe('a sweep over settings of three networks', () => {
  it('holds them against every ensemble of the three, and draws it', async () => {
    const front = await swept([1, 2, 3], { weights: [0.5] });
    expect(front.rivals).toHaveLength(496);
    // The parents, and averaged at the one position; 28 ways to share the output, those of more than one also with a gate.
    expect(front.points).toHaveLength(2 * (28 + 25));
    const best = Math.max(...front.rivals.map(r => r.scores[1]));
    for (const { positions, gated, output, scores, beyond } of front.points) {
      const rival = front.rivals.find(r => String(r.output) === String(output));
      if (positions.length > 0 || gated || !rival) continue;
      expect(scores).toEqual(rival.scores);
      expect(beyond).toBeLessThanOrEqual(0);
      if (scores[1] === best) expect(beyond).toBe(0);
    }
    const [figure] = frontFigures(front);
    for (const text of ['own alone', 'partner 1 alone', 'partner 2 alone', 'mean']) expect(figure).toContain(text);
  });

  it('gives the scores of one where all are copies of it', async () => {
    const { rivals, points } = await swept([1, 1, 1], { weights: [0.5] }, true);
    const [first] = rivals;
    for (const { scores } of [...rivals, ...points]) expect(scores[0]).toBeCloseTo(first.scores[0], 9);
    for (const { beyond } of points) expect(beyond).toBeCloseTo(0, 9);
  });

  it('gives the partners their scores wherever they stand', async () => {
    const outputs = [mean, [0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.25, 0.25, 0.5]];
    const [straight, turned] = [
      await swept([1, 2, 3], { weights: [1], outputs }),
      await swept([1, 3, 2], { weights: [1], outputs }),
    ];
    for (const { output, gated, scores, beyond } of straight.points) {
      const [a, b, c] = sharesOf(output);
      const same = turned.points.find(p => p.gated === gated && String(p.output) === String([a, c, b]))!;
      expect(same.scores[0]).toBeCloseTo(scores[0], 3);
      expect(same.beyond).toBeCloseTo(beyond, 3);
    }
  });

  it('refuses shares that are not one for each of them', async () => {
    await expect(swept([1, 2, 3], { outputs: [0.5] })).rejects.toThrow(/must be 3, one for each parent/);
    await expect(swept([1, 2, 3], { outputs: [[0.5, 0.6, 0.2]] })).rejects.toThrow(/sum to 1/);
  });
});
