import { describe, expect, test } from 'vitest';
import { float32, type Graph, GraphBuilder, numbersOf, symbol, type Tensor, verify } from '../../../ir/index.ts';
import {
  featureStatistics,
  formOf,
  ridge,
  StitchFit,
  type SuperNetwork,
  specialize,
  stitch,
  withoutStops,
} from '../../../passes/index.ts';
import { evaluateGraph } from '../../ir/evaluate/graph.ts';
import { random, relativeError, runOrt } from '../ort.ts';
import { momentsOf } from './moments.ts';

function parent(channels: number, seed: number) {
  const r = random(seed);
  const draw = (...shape: number[]) =>
    float32(
      shape,
      Array.from({ length: shape.reduce((a, b) => a * b) }, () => r() - 0.5),
    );
  const b = new GraphBuilder('p');
  const x = b.input('x', { dtype: 'float32', shape: [symbol('N'), 2, 4, 4] });
  const conv = b.op('Conv', [x, b.constant(draw(channels, 2, 3, 3))], { pads: [1, 1, 1, 1] }, { outputs: ['feature'] });
  // A large mean beside a small spread is what float32 moments are worst at.
  const shifted = b.op('Add', [conv, b.constant(float32([1], [100]))], {}, { outputs: ['shifted'] });
  // More channels than places in eight images.
  const wide = b.op('Conv', [conv, b.constant(draw(150, channels, 4, 4))], {}, { outputs: ['wide'] });
  const flat = b.op('Flatten', [conv], {}, { outputs: ['flat'] });
  const deep = b.op('MatMul', [flat, b.constant(draw(16 * channels, 2))]);
  const joined = b.op('Add', [deep, b.op('MatMul', [b.op('Flatten', [wide]), b.constant(draw(150, 2))])]);
  const head = b.op('ReduceMean', [b.op('Conv', [shifted, b.constant(draw(2, channels, 1, 1))]), b.ints([2, 3])], {
    keepdims: 0,
  });
  b.output('y', b.op('Add', [head, joined]));
  return b.build();
}

const batch = (seed: number, n: number): Tensor => {
  const r = random(seed);
  return float32(
    [n, 2, 4, 4],
    Array.from({ length: n * 32 }, () => r() - 0.5),
  );
};

const tensors = (outputs: Readonly<Record<string, { shape: readonly number[]; data: ArrayLike<number> }>>) =>
  Object.fromEntries(Object.entries(outputs).map(([k, v]) => [k, float32(v.shape, Array.from(v.data))]));

/** Collects batches one by one. */
async function fitted(network: SuperNetwork, graph: Graph, batches: readonly Tensor[], lambda?: number) {
  const fit = new StitchFit(network.stitches);
  for (const x of batches) fit.add(tensors((await runOrt(graph, { x: x as never })) as never), x.shape[0]);
  return withoutStops(fit.ridge(lambda));
}

/** A feature of a parent on all batches, one row for each place. */
function rowsOf(graph: Graph, name: string, batches: readonly Tensor[]) {
  const only = graph.with({ outputs: [{ name: 'f', value: graph.value(name) }] });
  const lists = batches.map(x => {
    const { shape, data } = evaluateGraph(specialize(only, { N: x.shape[0] }), { x }).get('f')!;
    const [n, c] = shape;
    const area = shape.slice(2).reduce((p, q) => p * q, 1);
    return Array.from({ length: n * area }, (_, i) =>
      Float64Array.from({ length: c }, (_c, k) => Number(data[(Math.floor(i / area) * c + k) * area + (i % area)])),
    );
  });
  const list = lists.flat();
  const columns = list[0].length;
  const flat = new Float64Array(list.length * columns);
  for (const [i, row] of list.entries()) flat.set(row, i * columns);
  return { rows: list.length, columns, data: flat };
}

describe('feature statistics', () => {
  const parents = [
    { tag: 'a', graph: parent(3, 1) },
    { tag: 'b', graph: parent(4, 2) },
  ];
  const batches = [batch(1, 3), batch(2, 1), batch(3, 4)];

  test('batches collected one by one give the stitches of all samples together, from moments and from samples', async () => {
    for (const [features, form] of [
      [{ a: 'shifted', b: 'shifted' }, 'moments'],
      // [8, 48] and [8, 64]: fewer rows than channels.
      [{ a: 'flat', b: 'flat' }, 'samples'],
      [{ a: 'wide', b: 'wide' }, 'samples'],
    ] as const) {
      const network = stitch(parents, [{ features }]);
      const data = { images: 8 };
      for (const s of network.stitches) expect(formOf(s, data)).toBe(form);
      const parameters = await fitted(network, verify(featureStatistics(network, data)), batches);
      for (const { from, to, weight, bias } of network.stitches) {
        const [x, y] = [from, to].map(tag =>
          rowsOf(parents.find(p => p.tag === tag)!.graph, features[tag as 'a'], batches),
        );
        const want = ridge(momentsOf(x, y));
        expect(relativeError(numbersOf(parameters.get(weight)!), want.weight)).toBeLessThan(1e-3);
        expect(relativeError(numbersOf(parameters.get(bias)!), want.bias)).toBeLessThan(1e-3);
      }
    }
  });

  test('the form follows the number of rows, and moments are taken where it is not known', () => {
    const [s] = stitch(parents, [{ features: { a: 'shifted', b: 'shifted' } }]).stitches;
    // 16 places in an image, and 3 or 4 channels.
    expect(formOf(s, { images: 1 })).toBe('moments');
    const [flat] = stitch(parents, [{ features: { a: 'flat', b: 'flat' } }]).stitches;
    expect([formOf(flat, { images: 64 }), formOf(flat, { images: 47 })]).toEqual(['moments', 'samples']);
    const wide = { ...flat, inputChannels: 25_088 };
    expect(formOf(wide, { images: 100_000 })).toBe('samples');
  });

  test('between equal features ridge finds the identity', async () => {
    const same = stitch(
      [
        { tag: 'a', graph: parent(3, 1) },
        { tag: 'b', graph: parent(3, 1) },
      ],
      [{ features: { a: 'shifted', b: 'shifted' } }],
    );
    const parameters = await fitted(same, featureStatistics(same, { images: 4 }), [batch(1, 4)], 1e-9);
    expect([...parameters.keys()].sort()).toEqual(same.stitches.flatMap(s => [s.weight, s.bias]).sort());
    expect(relativeError(numbersOf(parameters.get('stitch/0/b-a/weight')!), [1, 0, 0, 0, 1, 0, 0, 0, 1])).toBeLessThan(
      1e-4,
    );
  });
});
