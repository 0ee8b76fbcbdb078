import { describe, expect, it } from 'vitest';
import { float32, type Graph, GraphBuilder, symbol, type Value } from '../../../ir/index.ts';
import type { Dataset } from '../../../src/data/dataset.ts';
import { onProcessor } from '../../../src/execution/open.ts';
import { establishMeaning, meaningMetadata, statedMeaning } from '../../../src/network/meaning.ts';

const side = 4;

/** 1 in the left half of every image, noise elsewhere; labelled so, or not. */
function dataset(labels?: ArrayLike<number>, shape: readonly number[] = [side, side]): Dataset {
  const images = Float32Array.from({ length: 2 * side * side }, (_, i) => (i % side < 2 ? 1 : -1));
  return {
    source: 'data.npz',
    count: 2,
    images,
    imageShape: [1, side, side],
    arrays: ['images'],
    ...(labels && {
      labels: { data: Uint8Array.from(labels), shape, ignore: undefined, regions: undefined, task: undefined },
    }),
  };
}

const left = Array.from({ length: 2 * side * side }, (_, i) => (i % side < 2 ? 1 : 0));

/** Channels `weight · x + bias`, and what becomes of them. */
function network(
  channels: readonly (readonly [weight: number, bias: number])[],
  head: (b: GraphBuilder, x: Value) => Value = (_, x) => x,
): Graph {
  const b = new GraphBuilder('net');
  const x = b.input('x', { dtype: 'float32', shape: [symbol('N'), 1, side, side] });
  const n = channels.length;
  const weight = b.constant(
    float32(
      [n, 1, 1, 1],
      channels.map(([w]) => w),
    ),
  );
  const bias = b.constant(
    float32(
      [n],
      channels.map(([, v]) => v),
    ),
  );
  b.output('y', head(b, b.op('Conv', [x, weight, bias])));
  return b.build();
}

const classes = [
  [-3, 0],
  [3, 0],
] as const;
const regions = [
  [4, 0],
  [4, -6],
] as const;
const softmax = { kind: 'logits', activation: 'softmax', channelAxis: 1, channels: 2 };

describe('what an output means', () => {
  it('is read from its graph through changes of layout and type', async () => {
    const last = network(classes, (b, x) =>
      b.op('Identity', [b.op('Softmax', [b.op('Transpose', [x], { perm: [0, 2, 3, 1] })], { axis: -1 })]),
    );
    const probabilities = { kind: 'probabilities', activation: 'softmax', channelAxis: 3, channels: 2 };
    expect(statedMeaning(last)).toEqual(probabilities);
    expect(await establishMeaning(onProcessor, { graph: last, path: 'a' }, dataset())).toEqual(probabilities);
    const one = network([[3, 0]], (b, x) => b.op('Squeeze', [b.op('Sigmoid', [x]), b.ints([1])]));
    expect(statedMeaning(one)).toEqual({
      kind: 'probabilities',
      activation: 'sigmoid',
      channelAxis: undefined,
      channels: 1,
    });
  });

  it('is seen in the answers where no operator tells', async () => {
    // exp x / Σ exp x, spelt out
    const spelt = network(classes, (b, x) => {
      const e = b.op('Exp', [x]);
      return b.op('Div', [e, b.op('ReduceSum', [e, b.ints([1])])]);
    });
    expect(await establishMeaning(onProcessor, { graph: spelt, path: 'a' }, dataset())).toEqual({
      ...softmax,
      kind: 'probabilities',
    });
    const log = network(classes, (b, x) => b.op('Sub', [x, b.op('ReduceLogSumExp', [x, b.ints([1])])]));
    expect(await establishMeaning(onProcessor, { graph: log, path: 'a' }, dataset())).toEqual({
      ...softmax,
      kind: 'log-probabilities',
    });
  });

  it('is not told by numbers that lie between 0 and 1 by chance, as small logits do', async () => {
    const small = network([
      [0.1, 0.4],
      [-0.1, 0.5],
    ]);
    expect(await establishMeaning(onProcessor, { graph: small, path: 'a' }, dataset())).toEqual(softmax);
    // 1 / (1 + exp -x), spelt out
    const spelt = network(regions, (b, x) =>
      b.op('Reciprocal', [b.op('Add', [b.op('Exp', [b.op('Neg', [x])]), b.scalar(1)])]),
    );
    expect(await establishMeaning(onProcessor, { graph: spelt, path: 'a' }, dataset())).toEqual({
      ...softmax,
      kind: 'probabilities',
      activation: 'sigmoid',
    });
  });

  it('is classes, or regions where labels say so, and asked for where nothing does', async () => {
    expect(await establishMeaning(onProcessor, { graph: network(classes), path: 'a' }, dataset())).toEqual(softmax);
    expect(await establishMeaning(onProcessor, { graph: network(classes), path: 'a' }, dataset(left))).toEqual(softmax);
    const sigmoid = { ...softmax, activation: 'sigmoid' };
    expect(await establishMeaning(onProcessor, { graph: network(regions), path: 'a' }, dataset(left))).toEqual(sigmoid);
    const masks = [...left, ...left];
    expect(
      await establishMeaning(onProcessor, { graph: network(regions), path: 'a' }, dataset(masks, [2, side, side])),
    ).toEqual(sigmoid);
    expect(
      await establishMeaning(onProcessor, { graph: network(regions), path: 'a' }, dataset(), { activation: 'softmax' }),
    ).toEqual(softmax);
    await expect(
      establishMeaning(onProcessor, { graph: network(regions), path: 'net.onnx' }, dataset()),
    ).rejects.toMatchObject({
      code: 'option-invalid',
      message: expect.stringMatching(/^The output of net\.onnx .*say --activation softmax or --activation sigmoid\.$/),
    });
  });

  it('contradicts no option', async () => {
    const given = network(classes, (b, x) => b.op('Sigmoid', [x]));
    await expect(
      establishMeaning(onProcessor, { graph: given, path: 'a' }, dataset(), { activation: 'softmax' }),
    ).rejects.toMatchObject({
      code: 'option-invalid',
      message: expect.stringContaining('comes from a sigmoid, and so has no softmax'),
    });
  });

  it('survives in the metadata of a file', async () => {
    for (const meaning of [
      { kind: 'logits', activation: 'sigmoid', channelAxis: 1, channels: 2 },
      { kind: 'log-probabilities', activation: 'softmax', channelAxis: 1, channels: 2 },
      { kind: 'values', activation: undefined, channelAxis: 1, channels: 2 },
    ] as const) {
      const graph = network(classes);
      const kept = graph.with({ info: { ...graph.info, metadata: meaningMetadata(meaning) } });
      expect(statedMeaning(kept)).toEqual(meaning);
      expect(await establishMeaning(onProcessor, { graph: kept, path: 'a' }, dataset(left))).toEqual(meaning);
    }
  });
});
