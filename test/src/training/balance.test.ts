import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Graph, tensorFromNumbers } from '../../../ir/index.ts';
import {
  closeWeights,
  gateShares,
  openWeights,
  original,
  settleAbreast,
  settleSources,
  stitch,
} from '../../../passes/index.ts';
import type { Dataset } from '../../../src/data/dataset.ts';
import { withExecutor } from '../../../src/execution/open.ts';
import { networkOf } from '../../../src/network/network.ts';
import { balancedShares } from '../../../src/training/balance.ts';
import { draw } from '../../passes/networks.ts';
import { random, runOrt, values } from '../../passes/ort.ts';
import { parent } from '../../passes/stitch/joined.ts';

const count = 5;

/** As they are. */
const training = { seed: 0, shift: 0, turn: false, batch: 5, steps: 1 };

const imagesFrom = (seed: number): Float32Array<ArrayBuffer> =>
  Float32Array.from(values(draw(random(seed), count, 2, 4, 4)));

/** A network whose weights have been multiplied, so that it is surer of its answers, or less sure. */
function scaledBy(graph: Graph, factor: number): Graph {
  const open = openWeights(graph);
  return closeWeights(
    open,
    new Map(
      [...open.weights].map(([name, { dtype, shape, data }]) => [
        name,
        tensorFromNumbers(
          dtype,
          shape,
          Array.from(data as Float32Array, w => w * factor),
        ),
      ]),
    ),
  );
}

it('gives branches that have become more or less sure the say of their teachers', () =>
  withExecutor({ executor: 'ort' }, executor =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 50 }),
        fc.tuple(...[0, 1].map(() => fc.constantFrom(0.5, 1, 1.5))),
        async (seed, factors) => {
          const graphs = [parent(seed, 3), parent(seed + 1, 3)];
          const joinedOf = (parents: readonly Graph[]) =>
            stitch(
              parents.map((graph, p) => ({ tag: 'ab'[p], graph })),
              [{ features: { a: 'act', b: 'act' } }],
            );
          const [before, after] = [joinedOf(graphs), joinedOf(graphs.map((graph, p) => scaledBy(graph, factors[p])))];
          const [teacher, student] = [before, after].map(network =>
            networkOf(settleAbreast(network, original(network), new Map()), 'branches', network.outputs[0].meaning),
          );
          const images = imagesFrom(seed);
          const dataset: Dataset = { source: 'drawn', count, images, imageShape: [2, 4, 4], arrays: ['images'] };
          const shares = await balancedShares({ executor }, { student, teacher, dataset, training });
          expect(shares[0] + shares[1]).toBeCloseTo(1, 6);
          if (factors[0] === 1 && factors[1] === 1) expect(shares[0]).toBeCloseTo(0.5, 6);
          // What the gate makes of them, as its own graph says: how much likelier the first is than the second.
          const lead = async (network: typeof before, ways: readonly number[]) => {
            const graph = settleSources(network, original(network), new Map(), { gated: [ways] });
            const { data } = (await runOrt(graph, { x: tensorFromNumbers('float32', [count, 2, 4, 4], [...images]) }))[
              gateShares
            ];
            const odds = Array.from({ length: count }, (_, i) => Math.log(data[2 * i] / data[2 * i + 1]));
            return odds.reduce((sum, x) => sum + x, 0) / count;
          };
          expect(await lead(after, shares)).toBeCloseTo(await lead(before, [0.5, 0.5]), 3);
        },
      ),
      { numRuns: 8 },
    ),
  ));
