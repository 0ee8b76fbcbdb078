import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Graph, GraphBuilder, numbersOf, print, symbol, type Tensor, verify } from '../../../ir/index.ts';
import {
  allStitched,
  kaimingStitches,
  match,
  original,
  type Setting,
  type StitchOptions,
  type SuperNetwork,
  settingTensors,
  specialize,
  stitch,
  withOutputs,
} from '../../../passes/index.ts';
import { evaluateGraph } from '../../ir/evaluate/graph.ts';
import { networks, randomNetwork, samples } from '../networks.ts';
import { random, relativeError, runOrt } from '../ort.ts';

const join = (a: Graph, b: Graph) =>
  stitch(
    [
      { tag: 'a', graph: a },
      { tag: 'b', graph: b },
    ],
    match(a, b).pairs,
  );

/** Data, weights of switches, and random stitches: all that a super-network takes. */
const feeds = (network: SuperNetwork, x: Tensor, setting: Setting, seed = 1): Record<string, Tensor> => ({
  [network.parents[0].inputs[0]]: x,
  ...Object.fromEntries(settingTensors(network, setting)),
  ...Object.fromEntries(kaimingStitches(network, random(seed))),
});

const numbers = (t: Tensor | undefined): number[] => Array.from(numbersOf(t!));

function chain(scale: number): Graph {
  const b = new GraphBuilder('chain');
  const x = b.input('x', { dtype: 'float32', shape: [symbol('N'), 2] });
  const weight = (): ReturnType<GraphBuilder['constant']> =>
    b.constant({ dtype: 'float32', shape: [2, 2], data: Float32Array.of(scale, 0, 0, scale) }, 'w');
  const h = b.op('Gemm', [x, weight()], {}, { outputs: ['h'] });
  const r = b.op('Relu', [h], {}, { outputs: ['r'] });
  b.output('logits', b.op('Gemm', [r, weight()], {}, { outputs: ['logits'] }));
  return b.build();
}

describe('stitch', () => {
  test('puts stitches and switches where they belong', () => {
    const network = stitch(
      [
        { tag: 'a', graph: chain(1) },
        { tag: 'b', graph: chain(2) },
      ],
      [{ features: { a: 'r', b: 'r' } }],
      { outputMean: 'logits' },
    );
    expect(print(verify(network.graph))).toMatchInlineSnapshot(`
      "graph chain+chain(%x: float32[N, 2], %stitch/0/b-a/weight: float32[2, 2], %stitch/0/b-a/bias: float32[2], %switch/0/a: float32[2], %stitch/0/a-b/weight: float32[2, 2], %stitch/0/a-b/bias: float32[2], %switch/0/b: float32[2], %output/logits: float32[2]) {
        %a/h: float32[N, 2] = Gemm(%x, $a/w: float32[2, 2])
        %b/h: float32[N, 2] = Gemm(%x, $b/w: float32[2, 2])
        %a/r: float32[N, 2] = Relu(%a/h)
        %b/r: float32[N, 2] = Relu(%b/h)
        %stitch/0/b-a/output: float32[N, 2] = Stitch(%b/r, %stitch/0/b-a/weight, %stitch/0/b-a/bias)
        %switch/0/a/output: float32[N, 2] = Switch(%switch/0/a, %a/r, %stitch/0/b-a/output)
        %stitch/0/a-b/output: float32[N, 2] = Stitch(%a/r, %stitch/0/a-b/weight, %stitch/0/a-b/bias)
        %switch/0/b/output: float32[N, 2] = Switch(%switch/0/b, %b/r, %stitch/0/a-b/output)
        %a/logits: float32[N, 2] = Gemm(%switch/0/a/output, $a/w_1: float32[2, 2])
        %b/logits: float32[N, 2] = Gemm(%switch/0/b/output, $b/w_1: float32[2, 2])
        %output/logits/switch: float32[N, 2] = Switch(%output/logits, %a/logits, %b/logits)
        return logits = %output/logits/switch, a/logits = %a/logits, b/logits = %b/logits
      }"
    `);
  });

  test('with every switch on the original, the parents compute what they did alone, bit for bit', () => {
    fc.assert(
      fc.property(networks(), networks(), fc.nat(), (a, b, seed) => {
        const network = join(a, b);
        verify(network.graph);
        const x = samples(seed);
        const results = evaluateGraph(network.graph, feeds(network, x, original(network)));
        for (const [tag, graph] of [
          ['a', a],
          ['b', b],
        ] as const) {
          expect(numbers(results.get(`${tag}/logits`))).toEqual(numbers(evaluateGraph(graph, { x }).get('logits')));
        }
      }),
      { numRuns: 4 },
    );
  });

  test('and so they do in ONNX Runtime', async () => {
    for (const seed of [1, 2, 3]) {
      const [a, b] = [randomNetwork(seed), randomNetwork(seed + 100)];
      const network = join(a, b);
      const x = samples(seed);
      const results = await runOrt(network.graph, feeds(network, x, original(network)));
      expect(Array.from(results['a/logits'].data)).toEqual(Array.from((await runOrt(a, { x })).logits.data));
      expect(Array.from(results['b/logits'].data)).toEqual(Array.from((await runOrt(b, { x })).logits.data));
    }
  });

  test('swapping the parents swaps nothing but names', () => {
    fc.assert(
      fc.property(networks(5), networks(5), fc.nat(), (a, b, seed) => {
        const pairs = match(a, b).pairs;
        const tagged = [
          { tag: 'a', graph: a },
          { tag: 'b', graph: b },
        ];
        const one = stitch(tagged, pairs);
        const other = stitch(tagged.toReversed(), pairs);
        expect(other.stitches.length).toBe(one.stitches.length);
        // Positions may be numbered otherwise: each stitch gets parameters that depend on what it joins.
        const run = (network: SuperNetwork) => {
          const given = feeds(network, samples(seed), allStitched(network));
          for (const s of network.stitches) {
            const { features } = network.positions[s.position];
            const next = random(
              [...`${features.a} ${features.b} ${s.from}`].reduce((h, c) => h * 31 + c.charCodeAt(0), 7),
            );
            for (const name of [s.weight, s.bias]) {
              const { shape } = network.graph.input(name).type;
              const length = (shape as number[]).reduce((p, q) => p * q);
              given[name] = { dtype: 'float32', shape: shape as number[], data: Float32Array.from({ length }, next) };
            }
          }
          return evaluateGraph(network.graph, given);
        };
        const [first, second] = [run(one), run(other)];
        for (const name of ['a/logits', 'b/logits'])
          expect(numbers(second.get(name))).toEqual(numbers(first.get(name)));
        expect(relativeError(numbers(second.get('logits')), numbers(first.get('logits')))).toBeLessThan(1e-6);
      }),
      { numRuns: 4 },
    );
  });

  test('three parents share positions: partners are stitched to the backbone, not to each other', () => {
    const graphs = [randomNetwork(1), randomNetwork(2), randomNetwork(3)];
    const parents = graphs.map((graph, i) => ({ tag: 'abc'[i], graph }));
    const withBackbone = [
      ...match(graphs[0], graphs[1]).pairs,
      ...match(graphs[0], graphs[2], { tags: ['a', 'c'] }).pairs,
    ];
    // Pairs of different matchings can close a cycle together; those of one feature of the backbone can't.
    const shared = withBackbone
      .filter(p => withBackbone.some(q => q !== p && q.features.a === p.features.a))
      .slice(0, 1);
    const both = withBackbone.filter(p => p.features.a === shared[0].features.a);
    const network = stitch(parents, both);
    verify(network.graph);
    expect(network.positions.length).toBe(1);
    expect(network.switches.map(s => s.sources)).toEqual([
      ['a', 'b', 'c'],
      ['b', 'a'],
      ['c', 'a'],
    ]);
    expect(network.stitches.length).toBe(4);
    const all = stitch(parents, [...both, { features: { b: both[0].features.b, c: both[1].features.c } }]);
    expect(all.switches.map(s => s.sources)).toEqual([
      ['a', 'b', 'c'],
      ['b', 'a', 'c'],
      ['c', 'a', 'b'],
    ]);
    const x = samples(1);
    const results = evaluateGraph(network.graph, feeds(network, x, original(network)));
    for (const { tag, graph } of parents) {
      expect(numbers(results.get(`${tag}/logits`))).toEqual(numbers(evaluateGraph(graph, { x }).get('logits')));
    }
  });

  test('the output is the logarithm of the mean probability', () => {
    const [a, b] = [randomNetwork(5), randomNetwork(6)];
    const network = join(a, b);
    const results = evaluateGraph(
      network.graph,
      feeds(network, samples(1), withOutputs(network, original(network), [0.25, 0.75])),
    );
    const softmax = (logits: number[]) => {
      const plane = 16;
      return logits.map((v, i) => {
        const sample = Math.floor(i / (2 * plane)) * 2 * plane;
        const other = sample + ((i - sample + plane) % (2 * plane));
        return 1 / (1 + Math.exp(logits[other] - v));
      });
    };
    const [pa, pb] = ['a/logits', 'b/logits'].map(name => softmax(numbers(results.get(name))));
    const wanted = pa.map((p, i) => Math.log(0.25 * p + 0.75 * pb[i]));
    expect(relativeError(numbers(results.get('logits')), wanted)).toBeLessThan(1e-6);
  });
});

describe('the combined output', () => {
  /** A feature, and an output of `channels` channels behind `activation`. */
  const parent = (scale: number, channels: number, activation?: 'Softmax' | 'Sigmoid') => {
    const b = new GraphBuilder('net');
    const x = b.input('x', { dtype: 'float32', shape: [symbol('N'), 2] });
    const f = b.op('Mul', [x, b.scalar(scale)], {}, { outputs: ['f'] });
    const logits = channels === 1 ? b.op('ReduceSum', [f, b.ints([1])]) : f;
    b.output(
      'y',
      activation === 'Softmax' ? b.op('Softmax', [logits]) : activation ? b.op('Sigmoid', [logits]) : logits,
    );
    return b.build();
  };
  const combined = (graphs: readonly [Graph, Graph], options: StitchOptions = {}) => {
    const network = stitch(
      graphs.map((graph, i) => ({ tag: 'ab'[i], graph })),
      [{ features: { a: 'f', b: 'f' } }],
      options,
    );
    const x: Tensor = { dtype: 'float32', shape: [1, 2], data: Float32Array.of(3, -1) };
    const [{ mean, combined: meaning }] = network.outputs;
    return { mean, meaning, y: numbers(evaluateGraph(network.graph, feeds(network, x, original(network))).get('y')) };
  };
  const near = (got: readonly number[], wanted: readonly number[]) =>
    expect(relativeError(got, wanted)).toBeLessThan(1e-6);

  test('one channel: the logit of the mean probability, to the last digit where it is near one', () => {
    const { meaning, y } = combined([parent(1, 1), parent(20, 1)]);
    expect(meaning).toEqual({ kind: 'logits', activation: 'sigmoid', channelAxis: 1, channels: 1 });
    const no = (1 / (1 + Math.exp(2)) + 1 / (1 + Math.exp(40))) / 2;
    near(y, [Math.log((1 - no) / no)]);
  });

  test('probabilities, regression and logits on request are averaged as they are', () => {
    near(combined([parent(1, 2), parent(2, 2)], { task: 'regression' }).y, [4.5, -1.5]);
    near(combined([parent(1, 2), parent(2, 2)], { outputMean: 'logits' }).y, [4.5, -1.5]);
    const { mean, y } = combined([parent(1, 2, 'Softmax'), parent(2, 2, 'Softmax')]);
    expect(mean).toBe('plain');
    near(y, [
      (1 / (1 + Math.exp(-4)) + 1 / (1 + Math.exp(-8))) / 2,
      (1 / (1 + Math.exp(4)) + 1 / (1 + Math.exp(8))) / 2,
    ]);
  });

  test('a class that no parent believes in has a finite logarithm', () => {
    const { y } = combined([parent(1000, 2), parent(1000, 2)]);
    expect(y.every(Number.isFinite)).toBe(true);
    expect(y[0]).toBe(0);
  });

  test('classes do not meet regions', () => {
    expect(() => combined([parent(1, 2, 'Sigmoid'), parent(1, 2, 'Softmax')])).toThrow(
      /'a' is probabilities of 2 regions \(sigmoid\), the output of parent 'b' is probabilities of 2 classes \(softmax\)/,
    );
  });
});

describe('parents whose outputs are of one size for some inputs only', () => {
  /** A head on features of the full size, or on those that were pooled and brought back. */
  const sized = (pooled: boolean, [batch, height, width]: readonly [string, string, string]): Graph => {
    const b = new GraphBuilder('sized');
    const weight = (...shape: readonly number[]) => {
      const draw = random(shape.length + Number(pooled));
      const data = Float32Array.from({ length: shape.reduce((x, y) => x * y) }, () => draw() - 0.5);
      return b.constant({ dtype: 'float32', shape, data }, 'w');
    };
    const shape = [symbol(batch), 1, symbol(height), symbol(width)];
    const x = b.op('Conv', [b.input('x', { dtype: 'float32', shape }), weight(3, 1, 3, 3)], { pads: [1, 1, 1, 1] });
    const small = b.op('MaxPool', [x], { kernel_shape: [2, 2], strides: [2, 2] });
    const large = b.op('ConvTranspose', [small, weight(3, 3, 2, 2)], { strides: [2, 2] });
    b.output('y', b.op('Conv', [pooled ? large : b.op('Relu', [x]), weight(2, 3, 1, 1)]));
    return b.build();
  };
  const network = join(sized(true, ['batch', 'H', 'W']), sized(false, ['N', 'height', 'width']));

  test('are joined', async () => {
    verify(network.graph);
    const draw = random(4);
    const data = Float32Array.from({ length: 2 * 6 * 8 }, () => draw());
    const given = feeds(network, { dtype: 'float32', shape: [2, 1, 6, 8], data }, allStitched(network));
    const ours = evaluateGraph(network.graph, given);
    const theirs = await runOrt(network.graph, given);
    for (const { name } of network.graph.outputs) {
      expect(relativeError(numbers(ours.get(name)), theirs[name].data), name).toBeLessThan(1e-5);
    }
    const size = specialize(network.graph, { batch: 2, H: 3, W: 4 });
    expect(verify(size).output('y').type.shape).toEqual([2, 2, 6, 8]);
  });

  test('take the sizes for which they agree', () => {
    expect(network.graph.inputs[0].type.shape.map(String)).toEqual(['batch', '1', '2·H', '2·W']);
  });
});

describe('parents that do not fit together', () => {
  const net = (shape: readonly (number | string)[], outputs: readonly string[] = ['y'], name = 'x') => {
    const b = new GraphBuilder('net');
    const x = b.input(name, { dtype: 'float32', shape: shape.map(d => (typeof d === 'string' ? symbol(d) : d)) });
    const y = b.op('Relu', [x], {}, { outputs: ['f'] });
    for (const output of outputs) b.output(output, b.op('Neg', [y]));
    return b.build();
  };
  const joined = (a: Graph, b: Graph) => () =>
    stitch(
      [
        { tag: 'a', graph: a },
        { tag: 'b', graph: b },
      ],
      [{ features: { a: 'f', b: 'f' } }],
    );

  test('are refused in a sentence', () => {
    expect(joined(net(['N', 1, 8, 8]), net(['N', 3, 8, 8]))).toThrow(
      "The input 'x' of parent 'a' is float32[N, 1, 8, 8], but 'x' of parent 'b' is float32[N, 3, 8, 8]: both must take the same input.",
    );
    expect(joined(net(['N', 1, 8, 8]), net(['N', 1, 8, 8], ['y', 'z']))).toThrow(
      /Parent 'a' has 1 output \(y\), parent 'b' has 2/,
    );
  });

  test('symbols of different names are the same extent, and a fixed one wins', () => {
    const network = joined(net(['N', 4, 'H', 8]), net(['batch', 4, 16, 'W'], ['out'], 'image'))();
    expect(network.graph.inputs[0].toString()).toBe('%x: float32[N, 4, 16, 8]');
    expect(network.graph.outputs.map(o => o.name)).toEqual(['y', 'a/y', 'b/out']);
    verify(network.graph);
  });

  test('bad pairs are refused', () => {
    const parents = [
      { tag: 'a', graph: chain(1) },
      { tag: 'b', graph: chain(2) },
    ];
    const pairs =
      (...list: [string, string][]) =>
      () =>
        stitch(
          parents,
          list.map(([a, b]) => ({ features: { a, b } })),
        );
    expect(pairs()).toThrow(/no pair/);
    expect(pairs(['h', 'nothing'])).toThrow(/'nothing', which no node of parent 'b' computes/);
    expect(pairs(['h', 'r'], ['r', 'h'])).toThrow(/close a cycle/);
    expect(pairs(['h', 'r'], ['r', 'r'])).toThrow(/join 'h' and 'r' of parent 'a'/);
  });
});
