import { describe, expect, test } from 'vitest';
import { exportOnnx, type Graph, verify } from '../../../ir/index.ts';
import { importOnnx } from '../../../ir/onnx/file.ts';
import {
  averagedAt,
  guardSizes,
  kaimingStitches,
  match,
  type SuperNetwork,
  settle,
  stitch,
  withDemandedSizes,
} from '../../../passes/index.ts';
import { draw } from '../networks.ts';
import { random, relativeError, runOrt } from '../ort.ts';
import { halvings, type SizedOptions, sizedNetwork } from './networks.ts';

const couples = halvings.flatMap((a, i) => halvings.slice(i + 1).map(b => [a, b] as const));

const namesOf = (found: ReturnType<typeof match>) => found.pairs.map(({ features: { a, b } }) => `${a} ${b}`);

const joined = (a: Graph, b: Graph): SuperNetwork =>
  stitch(
    [
      { tag: 'a', graph: a },
      { tag: 'b', graph: b },
    ],
    match(a, b).pairs,
  );

const settled = (network: SuperNetwork): Graph =>
  verify(
    settle(network, averagedAt(network, ...network.positions.map(p => p.id)), kaimingStitches(network, random(3)), {
      standard: true,
    }),
  );

describe.each(couples)('%s with %s, height and width open', (a, b) => {
  // A ceiling and a stride with padding round alike.
  const alike = a === 'ceil';
  const taken = alike ? ['N', '1', 'H', 'W'] : ['N', '1', '4·H', '4·W'];
  const parents = (skip: SizedOptions['skip'], size?: SizedOptions['size']) =>
    [a, b].map((halving, i) =>
      sizedNetwork({ halving, levels: 2, seed: i + 1, ...(skip && { skip }), ...(size && { size }) }),
    ) as [Graph, Graph];

  test.each(['Concat', 'Add', 'none'] as const)('pairs are those of sizes that are numbers (%s)', skip => {
    const [first, second] = parents(skip);
    const wanted = namesOf(match(...parents(skip, [8, 12])));
    expect(namesOf(match(first, second))).toEqual(wanted);
    expect(namesOf(match(withDemandedSizes(first), withDemandedSizes(second)))).toEqual(wanted);
    expect(match(withDemandedSizes(first), withDemandedSizes(second)).warnings?.map(w => w.code)).toEqual(
      skip === 'none' && !alike ? ['sizes-assumed'] : undefined,
    );
  });

  test.each(['Concat', 'none'] as const)('the joined network is that of numbers at another size (%s)', async skip => {
    const network = joined(...parents(skip));
    expect(verify(network.graph).inputs[0].type.shape.map(String)).toEqual(taken);
    const file = importOnnx(exportOnnx(settled(network))).graph;
    expect(file.inputs[0].type.shape.map(String)).toEqual(['N', '1', 'H', 'W']);
    if (skip === 'none') expect(withDemandedSizes(file).inputs[0].type.shape.map(String)).toEqual(taken);
    const x = draw(random(4), 2, 1, 4, 12);
    const fixed = settled(joined(...parents(skip, [4, 12])));
    const [open, closed] = [await runOrt(file, { x }), await runOrt(fixed, { x })];
    expect(open.y.shape).toEqual(closed.y.shape);
    expect(relativeError(open.y.data, closed.y.data)).toBeLessThan(1e-6);
  });
});

test('sizes that are assumed are enforced by the file, whatever runs it', async () => {
  const parents = (['pool', 'strided'] as const).map((halving, i) =>
    sizedNetwork({ halving, levels: 2, skip: 'none', seed: i + 1 }),
  ) as [Graph, Graph];
  const plain = settled(joined(...parents));
  const guarded = verify(
    guardSizes(
      plain,
      parents.map(p => p.inputs[0].type.shape),
    ),
  );
  const at = (size: number) => ({ x: draw(random(size), 1, 1, size, size) });
  // At 6 and 3 one place of a would meet two of b.
  for (const size of [6, 3, 1]) await expect(runOrt(guarded, at(size))).rejects.toThrow(/reshape/i);
  expect((await runOrt(guarded, at(8))).y.data).toEqual((await runOrt(plain, at(8))).y.data);
  const file = withDemandedSizes(importOnnx(exportOnnx(guarded)).graph);
  expect(file.inputs[0].type.shape.map(String)).toEqual(['N', '1', '4·H', '4·W']);
  expect(guardSizes(plain, [plain.inputs[0].type.shape])).toBe(plain);
});

describe('sizes that images have', () => {
  const [a, b] = (['pool', 'strided'] as const).map((halving, i) =>
    sizedNetwork({ halving, levels: 2, skip: 'none', seed: i + 1 }),
  ) as [Graph, Graph];

  test('are not assumed to be multiples of more than they are', () => {
    const at = (size: number) => namesOf(match(a, b, { imageShape: [1, size, size] }));
    const fixed = (size: number) => {
      const [x, y] = (['pool', 'strided'] as const).map((halving, i) =>
        sizedNetwork({ halving, levels: 2, skip: 'none', seed: i + 1, size: [size, size] }),
      ) as [Graph, Graph];
      return namesOf(match(x, y));
    };
    for (const size of [6, 8, 10, 12]) expect(at(size)).toEqual(fixed(size));
  });

  test('nothing is assumed of networks that round alike', () => {
    const found = match(a, sizedNetwork({ halving: 'pool', levels: 2, skip: 'none', seed: 3 }));
    expect(found.warnings).toBeUndefined();
  });
});
