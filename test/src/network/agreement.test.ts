import { describe, expect, it } from 'vitest';
import { float32, type Graph, GraphBuilder, symbol, type Value } from '../../../ir/index.ts';
import { type ClassMap, mapClasses, type OutputMeaning } from '../../../passes/index.ts';
import type { Dataset } from '../../../src/data/dataset.ts';
import { Random } from '../../../src/data/random.ts';
import { onProcessor } from '../../../src/execution/open.ts';
import { compareAnswers, disagreementTexts, preparationOf } from '../../../src/network/agreement.ts';
import { networkOf } from '../../../src/network/network.ts';
import { tagOf } from '../../../src/network/tags.ts';

const random = Random.seeded(5, 'images');
const dataset: Dataset = {
  source: 'data.npz',
  count: 5,
  images: Float32Array.from({ length: 5 * 64 }, () => random.normal()),
  imageShape: [1, 8, 8],
  arrays: ['images'],
};

const meaning: OutputMeaning = { kind: 'logits', activation: 'softmax', channelAxis: 1, channels: 3 };

/** Three classes by intensity: between ±0.7, below, above. `order` says where each goes; `prepare` is done to the image first. */
function network(
  order: readonly number[],
  prepare: (b: GraphBuilder, x: Value) => Value = (_, x) => x,
  bias: readonly number[] = [0, -0.35, -0.35],
  weights: readonly number[] = [0, -0.5, 0.5],
): Graph {
  const b = new GraphBuilder('net');
  const x = b.input('x', { dtype: 'float32', shape: [symbol('N'), 1, 8, 8] });
  const weight = b.constant(
    float32(
      [3, 1, 1, 1],
      order.map(k => weights[k]),
    ),
  );
  const shift = b.constant(
    float32(
      [3],
      order.map(k => bias[k]),
    ),
  );
  b.output('y', b.op('Conv', [prepare(b, x), weight, shift]));
  return b.build();
}

const compare = async (...graphs: readonly [Graph, Graph, ...Graph[]]) => {
  const networks = graphs.map((graph, i) => networkOf(graph, tagOf(i), meaning));
  return compareAnswers(onProcessor, networks, dataset);
};

describe('parents that', () => {
  it('answer alike give no warning', async () => {
    const [found] = await compare(network([0, 1, 2]), network([0, 1, 2]));
    expect(found.agreement).toBe(1);
    expect(found.confusion.flat().reduce((x, y) => x + y)).toBe(5 * 64);
    expect(disagreementTexts(found)).toEqual([]);
  });

  it('order their classes differently are told how, each partner for itself', async () => {
    const [found, third] = await compare(network([0, 1, 2]), network([2, 0, 1]), network([0, 1, 2]));
    expect(third).toMatchObject({ partner: 'c', agreement: 1 });
    expect(found.agreement).toBeLessThan(0.1);
    expect(found.order).toEqual({ classes: [1, 2, 0], agreement: 1 });
    expect(disagreementTexts(found)).toEqual([
      expect.stringMatching(/b's 1 is a's 0, b's 2 is a's 1, b's 0 is a's 2.* say --classes-b 2,0,1 /),
    ]);
  });

  it('were put in a wrong order are told the right one of the channels in their files', async () => {
    const own = networkOf(network([0, 1, 2]), 'a', meaning);
    const partner = network([2, 0, 1]);
    const mapped = (classes: ClassMap) => ({
      ...networkOf(mapClasses(partner, meaning, classes, 3), 'b', meaning),
      classes,
    });
    const textsFor = async (classes: ClassMap) =>
      (await compareAnswers(onProcessor, [own, mapped(classes)], dataset)).flatMap(disagreementTexts);
    expect(await textsFor([2, 0, 1])).toEqual([]);
    for (const wrong of [
      [1, 2, 0],
      [0, 1, 2],
      [0, 2, 1],
    ]) {
      expect(await textsFor(wrong)).toEqual([expect.stringMatching(/ say --classes-b 2,0,1 and stitch again/)]);
    }
    // Of two channels that are swapped nothing is said of the third.
    expect((await textsFor([2, 1, 0]))[0]).toMatch(/order: b's 1 is a's 0, b's 2 is a's 1\. /);
  });

  it('say in their graphs that they take other scales are told the change', async () => {
    const scaled = network([0, 1, 2], (b, x) => b.op('Div', [b.op('Sub', [x, b.scalar(120)]), b.scalar(40)]));
    expect(preparationOf(scaled)).toEqual({ scale: 1 / 40, offset: -3 });
    const [found] = await compare(network([0, 1, 2]), scaled);
    expect(found.input).toEqual({ scale: 40, offset: 120, agreement: 1 });
    expect(disagreementTexts(found)).toEqual([expect.stringMatching(/given x·40 \+ 120 instead of x/)]);
    const [back] = await compare(scaled, network([0, 1, 2]));
    expect(back.input).toMatchObject({ scale: 1 / 40, offset: -3 });
  });

  it('take other scales without saying so are found by a search', async () => {
    // The same classes of 40 x + 120.
    const [w, v] = [0.5 / 40, -0.35];
    const folded = network([0, 1, 2], undefined, [0, v + 3 * 0.5, v - 3 * 0.5], [0, -w, w]);
    const [found] = await compare(network([0, 1, 2]), folded);
    expect(found.agreement).toBeLessThan(0.5);
    expect(found.input!.agreement).toBeGreaterThan(0.7);
    expect(found.input!.scale).toBeGreaterThan(10);
  });

  it('hardly agree are asked after, and real values are not compared', async () => {
    expect(disagreementTexts({ images: 5, agreement: 0.05, confusion: [], partner: 'b' })).toEqual([
      expect.stringMatching(/hardly at all/),
    ]);
    const values = networkOf(network([0, 1, 2]), 'a', { ...meaning, kind: 'values', activation: undefined });
    expect(await compareAnswers(onProcessor, [values, values], dataset)).toEqual([]);
  });
});
