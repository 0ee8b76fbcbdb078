import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Graph,
  GraphBuilder,
  isSutureOp,
  numbersOf,
  print,
  symbol,
  type Tensor,
  verify,
} from '../../../ir/index.ts';
import {
  averagedAt,
  kaimingStitches,
  match,
  original,
  type Setting,
  settingTensors,
  settle,
  simplify,
  stitch,
  stitchedAt,
  weightedAt,
  withOutputOf,
  withOutputs,
} from '../../../passes/index.ts';
import { evaluateGraph } from '../../ir/evaluate/graph.ts';
import { draw, networks, randomNetwork, samples } from '../networks.ts';
import { random, relativeError, runOrt } from '../ort.ts';

const join = (a: Graph, b: Graph) =>
  stitch(
    [
      { tag: 'a', graph: a },
      { tag: 'b', graph: b },
    ],
    match(a, b).pairs,
    { outputMean: 'logits' },
  );

const numbers = (t: Tensor | undefined): number[] => Array.from(numbersOf(t!));

/** The lines of the graph without what tells it from a parent: the prefix of names, and the order of branches. */
const unprefixed = (graph: Graph, tag: string): readonly string[] =>
  print(graph)
    .replace(/^graph \S+\(/, 'graph net(')
    .replaceAll(`%${tag}/`, '%')
    .replaceAll(`$${tag}/`, '$')
    .replaceAll(`return ${tag}/`, 'return ')
    .split('\n')
    .sort();

const weight = fc.constantFrom(0, 0.25, 0.5, 0.9, 1);

describe('settle', () => {
  test('every switch on the original gives the parents back, node by node', () => {
    fc.assert(
      fc.property(networks(), networks(), (netA, netB) => {
        const [a, b] = [simplify(netA), simplify(netB)];
        const network = join(a, b);
        for (const [tag, graph] of [
          ['a', a],
          ['b', b],
        ] as const) {
          const settled = verify(settle(network, withOutputOf(network, original(network), tag), new Map()));
          expect(unprefixed(settled, tag)).toEqual(unprefixed(graph, tag));
        }
      }),
      { numRuns: 4 },
    );
  });

  test('and the same bits in ONNX Runtime', async () => {
    for (const seed of [11, 12, 13]) {
      const [a, b] = [randomNetwork(seed), randomNetwork(seed + 100)];
      const network = join(a, b);
      const x = samples(seed);
      const settled = settle(network, original(network), new Map(), { parentOutputs: true, standard: true });
      const results = await runOrt(settled, { x });
      expect(Array.from(results['a/logits'].data)).toEqual(Array.from((await runOrt(a, { x })).logits.data));
      expect(Array.from(results['b/logits'].data)).toEqual(Array.from((await runOrt(b, { x })).logits.data));
    }
  });

  test('any setting computes what the super-network computes with those weights as data', () => {
    fc.assert(
      fc.property(
        networks(6),
        networks(6),
        fc.array(weight, { minLength: 40, maxLength: 40 }),
        fc.nat(),
        fc.record({ merge: fc.boolean(), standard: fc.boolean(), fuse: fc.boolean(), parentOutputs: fc.boolean() }),
        (a, b, weights, seed, options) => {
          const network = join(a, b);
          const setting: Setting = new Map(
            [...network.switches, ...network.outputs].map((s, i) => [
              s.weights,
              [weights[i % 40], 1 - weights[i % 40]],
            ]),
          );
          const parameters = kaimingStitches(network, random(seed));
          const settled = verify(settle(network, setting, parameters, options));
          expect(settled.inputs.map(v => v.name)).toEqual(['x']);
          expect(settled.outputs.map(o => o.name)).toEqual(
            options.parentOutputs ? ['logits', 'a/logits', 'b/logits'] : ['logits'],
          );
          if (options.standard) expect(settled.nodes.filter(n => isSutureOp(n.op))).toEqual([]);
          const x = samples(seed);
          const given = { x, ...Object.fromEntries([...settingTensors(network, setting), ...parameters]) };
          const wanted = evaluateGraph(network.graph, given);
          for (const [name, got] of evaluateGraph(settled, { x })) {
            expect(relativeError(numbers(got), numbers(wanted.get(name)))).toBeLessThan(1e-4);
          }
        },
      ),
      { numRuns: 4 },
    );
  });

  test('parameters that are not given stay inputs, where they are read', () => {
    const network = join(randomNetwork(1), randomNetwork(2));
    const settled = verify(settle(network, averagedAt(network, 1)));
    const open = network.stitches.filter(s => s.position === 1).flatMap(s => [s.weight, s.bias]);
    expect(settled.inputs.map(v => v.name).sort()).toEqual(['x', ...open].sort());
    expect(() => settle(network, averagedAt(network, 1), new Map())).toThrow(/'stitch\/1\/.*\/weight' is missing/);
  });

  test('refuses a setting or a parameter that does not fit', () => {
    const network = join(randomNetwork(1), randomNetwork(2));
    expect(() => settle(network, new Map())).toThrow(/says nothing of the switch 'switch\/0\/a'/);
    expect(() => settle(network, withOutputs(network, original(network), [1, 0, 0]))).toThrow(/has 2 sources/);
    const wrong = new Map([[network.stitches[0].weight, draw(random(1), 9, 9)]]);
    expect(() => settle(network, original(network), wrong)).toThrow(/but a float32\[9, 9\] was given/);
  });

  test('weights per channel', () => {
    const network = join(randomNetwork(1), randomNetwork(2));
    const position = network.positions[0];
    const setting = new Map(averagedAt(network, position.id));
    for (const s of network.switches.filter(w => w.position === position.id)) {
      const channels = s.original.type.shape[1] as number;
      setting.set(s.weights, draw(random(3), 2, 1, channels));
    }
    const parameters = kaimingStitches(network, random(1));
    const x = samples(1);
    const [merged, plain] = [true, false].map(merge => verify(settle(network, setting, parameters, { merge })));
    const wanted = evaluateGraph(plain, { x }).get('logits');
    expect(relativeError(numbers(evaluateGraph(merged, { x }).get('logits')), numbers(wanted))).toBeLessThan(1e-5);
    expect(plain.nodes.filter(n => n.op === 'Switch').length).toBe(3);
  });
});

describe('merging', () => {
  /** Conv, norm, activation; then a point-wise convolution. */
  function parent(channels: number, seed: number): Graph {
    const next = random(seed);
    const b = new GraphBuilder('net');
    const x = b.input('x', { dtype: 'float32', shape: [symbol('N'), 2, 4, 4] });
    const weights = b.constant(draw(next, channels, 2, 3, 3), 'w');
    const conv = b.op(
      'Conv',
      [x, weights, b.constant(draw(next, channels), 'b')],
      { pads: [1, 1, 1, 1] },
      { outputs: ['conv'] },
    );
    const norm = b.op(
      'InstanceNormalization',
      [conv, b.constant(draw(next, channels), 'scale'), b.constant(draw(next, channels), 'shift')],
      {},
      { outputs: ['norm'] },
    );
    const act = b.op('LeakyRelu', [norm], { alpha: 0.1 }, { outputs: ['act'] });
    const last = b.op('Conv', [act, b.constant(draw(next, 2, channels, 1, 1), 'last')], {}, { outputs: ['logits'] });
    b.output('logits', last);
    return b.build();
  }
  const settled = (feature: string, pick: (network: ReturnType<typeof stitch>) => Setting) => {
    const network = stitch(
      [
        { tag: 'a', graph: parent(3, 1) },
        { tag: 'b', graph: parent(4, 2) },
      ],
      [{ features: { a: feature, b: feature } }],
    );
    const parameters = kaimingStitches(network, random(1));
    const x = samples(1);
    const [merged, plain] = [true, false].map(merge => verify(settle(network, pick(network), parameters, { merge })));
    const [got, wanted] = [merged, plain].map(g => numbers(evaluateGraph(g, { x }).get('logits')));
    expect(relativeError(got, wanted)).toBeLessThan(1e-6);
    return merged.nodes.map(n => n.op).join(' ');
  };

  test('the halves of an average go into the stitch and through the activation into the norm', () => {
    expect(settled('act', n => withOutputOf(n, averagedAt(n, 0), 'a'))).toBe(
      'Conv Conv InstanceNormalization InstanceNormalization LeakyRelu LeakyRelu Stitch Add Conv',
    );
    expect(settled('act', n => averagedAt(n, 0))).toMatch(
      /^[^S]*Stitch Add Stitch Add Conv Conv LogSoftmax LogSoftmax Add Add Sub Abs Max Neg Softplus Add$/,
    );
  });

  test('any weight, not only a half', () => {
    expect(settled('norm', n => withOutputOf(n, weightedAt(n, 0.9, 0), 'a'))).not.toMatch('Switch');
  });

  test('a stitch goes into the convolution before it, or the point-wise one behind it', () => {
    expect(settled('conv', n => withOutputOf(n, stitchedAt(n, 0), 'a'))).toBe(
      'Conv InstanceNormalization LeakyRelu Conv',
    );
    expect(settled('act', n => withOutputOf(n, stitchedAt(n, 0), 'a'))).toBe(
      'Conv InstanceNormalization LeakyRelu Conv',
    );
  });
});
