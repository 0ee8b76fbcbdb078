import { describe, expect, it } from 'vitest';
import {
  float32,
  type Graph,
  GraphBuilder,
  numbersOf,
  symbol,
  type Tensor,
  tensorFromNumbers,
  verify,
} from '../../../ir/index.ts';
import {
  fitStages,
  ridge,
  StitchFit,
  settingInput,
  settle,
  stitch,
  stitchedAt,
  withoutStops,
} from '../../../passes/index.ts';
import { relativeError, runOrt } from '../ort.ts';
import { feeds, network } from './networks.ts';

const batch = 3;
const net = network();
const images = feeds(net.graph, batch).images;

/** Runs all stages with these weights on the originals. */
async function fitAll(settings: ReadonlyMap<number, readonly number[]>) {
  const values = new Map<string, Tensor>([['images', images]]);
  for (const [id, weights] of settings)
    values.set(settingInput(id), tensorFromNumbers('float32', [batch, 1, 1, 1], weights));
  const order: number[][] = [];
  for (const stage of fitStages(net, { N: batch }, batch)) {
    const given = Object.fromEntries(stage.graph.inputs.map(({ name }) => [name, values.get(name)!] as const));
    const found = await runOrt(verify(stage.graph), given as never);
    const outputs = Object.fromEntries(
      Object.entries(found).map(([name, { shape, data }]) => [
        name,
        tensorFromNumbers('float32', shape, data as never),
      ]),
    );
    const fitted = new StitchFit(stage.stitches);
    fitted.add(outputs, batch);
    for (const [name, value] of withoutStops(fitted.ridge())) values.set(name, value);
    for (const name of stage.keeps) values.set(name, outputs[name]);
    for (const name of stage.drops) if (!name.startsWith('stitch/')) values.delete(name);
    order.push([...new Set(stage.stitches.map(s => s.position))]);
  }
  return { values, order };
}

/** A network whose features are all of one shape. */
function chain(length: number): Graph {
  const b = new GraphBuilder('net');
  const weight = (seed: number) =>
    b.constant(
      float32(
        [3, 3, 1, 1],
        Array.from({ length: 9 }, (_, i) => Math.sin(9 * seed + i + 1)),
      ),
    );
  let x = b.input('x', { dtype: 'float32', shape: [symbol('N'), 3, 4, 4] });
  for (let i = 0; i < length; i++) x = b.op('Tanh', [b.op('Conv', [x, weight(i)])], {}, { outputs: [`f${i}`] });
  b.output('logits', b.op('Conv', [x, weight(length)]));
  return b.build();
}

const allOf = (weight: number) => new Map(net.positions.map(({ id }) => [id, Array<number>(batch).fill(weight)]));

describe('stitches fitted in sequence', () => {
  it('are fitted position by position, in the order of the network', async () => {
    const { order } = await fitAll(allOf(0));
    expect(order).toEqual(net.positions.map(({ id }) => [id]));
  });

  it('keep nothing but what is still to be read', () => {
    const stages = fitStages(net, { N: batch }, batch);
    const kept = new Set<string>();
    for (const { graph, keeps, drops } of stages) {
      const foreign = graph.inputs.map(v => v.name).filter(n => !/^(images|setting\/|stitch\/\d)/.test(n));
      expect(foreign.filter(name => !kept.has(name))).toEqual([]);
      for (const name of keeps) kept.add(name);
      for (const name of drops) kept.delete(name);
      // Two streams of two networks, each with a feature and a skip at most, before and after a position.
      expect(kept.size).toBeLessThanOrEqual(12);
    }
    expect([...kept]).toEqual([]);
  });

  it('have all their moments where they are fitted, also where features are equal and share them', () => {
    // Joined with itself, a network has every feature twice, of which simplification leaves one; here as parts of two positions.
    const twice = stitch(
      [
        { tag: 'a', graph: chain(4) },
        { tag: 'b', graph: chain(4) },
      ],
      [0, 1, 2].map(i => ({ features: { a: `f${i}`, b: `f${i + 1}` } })),
    );
    const fitted: number[] = [];
    const known = new Set<string>();
    for (const { graph, stitches } of fitStages(twice, { N: batch }, batch)) {
      verify(graph);
      const parameters = graph.inputs.map(v => v.name).filter(name => name.startsWith('stitch/'));
      expect(parameters.filter(name => !known.has(name))).toEqual([]);
      const names = graph.outputs.map(o => o.name);
      for (const { position, from, to, weight, bias } of stitches) {
        for (const key of ['meanX', 'meanY', 'xx', 'xy'])
          expect(names).toContain(`statistics/${position}/${from}-${to}/${key}`);
        fitted.push(position);
        known.add(weight).add(bias);
      }
    }
    expect(fitted.length).toBe(twice.stitches.length);
  });

  it('compute no node of the networks twice', () => {
    const nodes = fitStages(net, { N: batch }, batch).flatMap(({ graph }) => graph.nodes.map(n => n.name));
    expect(new Set(nodes).size).toBe(nodes.length);
  });

  it('map the stitched feature to the reference, as the network computes it when all before is stitched', async () => {
    const { values } = await fitAll(allOf(0));
    // What the last position's switch lets through, in the network that is stitched everywhere.
    const last = net.positions.at(-1)!.id;
    const stitch = net.stitches.find(s => s.position === last && s.to === 'a')!;
    const before = net.positions.map(p => p.id).filter(id => id !== last);
    const feature = async (ids: readonly number[], tag: string) => {
      const value = net.switches.find(s => s.position === last && s.parent === tag)!.original;
      const outputs = [{ name: 'feature', value }];
      const joined = { ...net, graph: net.graph.with({ outputs }) };
      const graph = settle(joined, stitchedAt(net, ...ids), values, { parentOutputs: true });
      const found = await runOrt(verify(graph), { images });
      return rows(Array.from(found.feature.data, Number), found.feature.shape);
    };
    const [x, y] = [await feature(before, 'b'), await feature([], 'a')];
    const want = ridge(momentsOf(x, y));
    expect(
      relativeError(Float32Array.from(numbersOf(values.get(stitch.weight)!)), Float32Array.from(want.weight)),
    ).toBeLessThan(1e-3);
    expect(
      relativeError(Float32Array.from(numbersOf(values.get(stitch.bias)!)), Float32Array.from(want.bias)),
    ).toBeLessThan(1e-3);
  });

  it('are plain least squares where no sample is stitched', async () => {
    const { values } = await fitAll(allOf(1));
    const { values: mixed } = await fitAll(new Map(net.positions.map(({ id }) => [id, [1, 0, 1]])));
    const { weight } = net.stitches.find(s => s.position === 7)!;
    expect(numbersOf(values.get(weight)!)).not.toEqual(numbersOf(mixed.get(weight)!));
    const first = net.stitches.find(s => s.position === 0)!.weight;
    expect(numbersOf(values.get(first)!)).toEqual(numbersOf(mixed.get(first)!));
  });
});

/** [N, C, H, W] as a list of C lists of places. */
const rows = (data: readonly number[], [n, c, ...spatial]: readonly number[]): number[][] => {
  const area = spatial.reduce((x, y) => x * y, 1);
  return Array.from({ length: c }, (_, k) =>
    Array.from({ length: n * area }, (_v, i) => data[(Math.floor(i / area) * c + k) * area + (i % area)]),
  );
};

function momentsOf(x: readonly number[][], y: readonly number[][]) {
  const mean = (v: readonly number[]) => v.reduce((a, b) => a + b, 0) / v.length;
  const [meanX, meanY] = [x, y].map(list => Float64Array.from(list, mean));
  const centre = (list: readonly number[][]) => list.map(v => v.map(a => a - mean(v)));
  const [p, q] = [centre(x), centre(y)];
  const covariance = (other: readonly number[][]) => ({
    rows: p.length,
    columns: other.length,
    data: Float64Array.from(p.flatMap(v => other.map(w => mean(v.map((a, i) => a * w[i]))))),
  });
  return { meanX, meanY, xx: covariance(p), xy: covariance(q) };
}
