import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { evaluateGraph } from '../../../ir/evaluate/index.ts';
import { type Graph, GraphBuilder, symbol, verify } from '../../../ir/index.ts';
import {
  allStitched,
  featurePairs,
  type Gate,
  kaimingStitches,
  original,
  type SuperNetwork,
  settle,
  settleGated,
  stitch,
  withOutputs,
} from '../../../passes/index.ts';
import { draw } from '../networks.ts';
import { type Numbers, random, relativeError, runOrt, session, values } from '../ort.ts';

/** Two layers, so that there is something to stitch; `channels` logits. */
function parent(seed: number, channels: number, activation?: 'Softmax'): Graph {
  const next = random(seed);
  const b = new GraphBuilder(`net${seed}`);
  const x = b.input('x', { dtype: 'float32', shape: [symbol('N'), 2, 4, 4] });
  const weight = (...shape: number[]) => b.constant(draw(next, ...shape), 'w');
  const hidden = b.op('Conv', [x, weight(3, 2, 3, 3), weight(3)], { pads: [1, 1, 1, 1] }, { name: 'hidden' });
  const logits = b.op('Conv', [
    b.op('Relu', [hidden], {}, { name: 'act' }),
    weight(channels, 3, 1, 1),
    weight(channels),
  ]);
  b.output('logits', activation ? b.op(activation, [logits], { axis: 1 }) : logits);
  return b.build();
}

const join = (channels: number, activation?: 'Softmax', options = {}): SuperNetwork =>
  stitch(
    [
      { tag: 'a', graph: parent(1, channels, activation) },
      { tag: 'b', graph: parent(2, channels, activation) },
    ],
    featurePairs([{ a: 'act', b: 'act' }]),
    options,
  );

/** Probabilities by image, pixel and class, of logits [N, K, 4, 4]; of one channel, those of yes. */
function probabilities({ data, shape: [count, channels] }: Numbers, given = false): number[][][] {
  return Array.from({ length: count }, (_, n) =>
    Array.from({ length: 16 }, (_, p) => {
      const l = Array.from({ length: channels }, (_, k) => data[(n * channels + k) * 16 + p]);
      if (given) return l;
      if (channels === 1) return [1 / (1 + Math.exp(-l[0]))];
      const sum = l.reduce((total, v) => total + Math.exp(v), 0);
      return l.map(v => Math.exp(v) / sum);
    }),
  );
}

/** By image. */
function disagreements(a: number[][][], b: number[][][]): number[] {
  return a.map((pixels, n) => {
    let [shared, sizes] = [0, 0];
    pixels.forEach((p, at) => {
      for (let k = p.length === 1 ? 0 : 1; k < p.length; k++) {
        const [u, v] = [p[k], b[n][at][k]];
        shared += u * v;
        sizes += u * u + v * v;
      }
    });
    return 1 - (2 * shared + 1) / (sizes + 1);
  });
}

/** What the gate should give: the mean probability of yes, or of every class, image by image. */
const weighed = (a: number[][][], b: number[][][], gate: Gate): number[][][] => {
  const d = disagreements(a, b);
  return a.map((pixels, n) => {
    const w = d[n] > gate.threshold ? gate.apart : gate.together;
    return pixels.map((p, at) => p.map((v, k) => w * v + (1 - w) * b[n][at][k]));
  });
};

const images = (seed: number, count: number) => draw(random(seed), count, 2, 4, 4);
const share = fc.constantFrom(0, 0.25, 0.5, 1);

describe.each([
  ['softmax over three classes', 3, undefined],
  ['sigmoid of one channel', 1, undefined],
  ['probabilities', 2, 'Softmax'],
] as const)('the gate for %s', (_, channels, activation) => {
  const net = join(channels, activation);
  const parameters = kaimingStitches(net, random(3));
  const given = activation !== undefined;

  it('in ONNX Runtime gives what the host computes', async () => {
    for (const setting of [original(net), allStitched(net)]) {
      const whole = await session(settle(net, setting, parameters, { parentOutputs: true, standard: true }));
      await fc.assert(
        fc.asyncProperty(fc.integer(), fc.nat({ max: 5 }), share, share, async (seed, rank, together, apart) => {
          const x = images(seed, 6);
          const found = await whole({ x });
          const [a, b] = ['a/logits', 'b/logits'].map(name => probabilities(found[name], given));
          const sorted = disagreements(a, b).sort((p, q) => p - q);
          // Between two images, so that rounding cannot put one on the other side.
          const threshold = rank === 5 ? 1 : (sorted[rank] + sorted[rank + 1]) / 2;
          fc.pre(rank === 5 || sorted[rank + 1] - sorted[rank] > 1e-5);
          const gate = { threshold, together, apart };
          const graph = settleGated(net, setting, gate, parameters, { standard: true });
          verify(graph);
          const { logits } = await runOrt(graph, { x });
          const want = weighed(a, b, gate).flat(3);
          expect(relativeError(probabilities(logits, given).flat(3), want)).toBeLessThan(1e-5);
        }),
        { numRuns: 12 },
      );
    }
  });

  it('with one share on both sides is the setting with that share', () => {
    const x = images(5, 2);
    const gate = { threshold: 0.1, together: 0.25, apart: 0.25 };
    const gated = evaluateGraph(settleGated(net, original(net), gate), { x });
    const plain = evaluateGraph(settle(net, withOutputs(net, original(net), [0.25, 0.75])), { x });
    expect(relativeError(values(gated.get('logits')!), values(plain.get('logits')!))).toBeLessThan(1e-6);
  });
});

describe('the gate', () => {
  const gate = { threshold: 0.1, together: 0.5, apart: 0 };

  it('is of standard operators, and keeps names and the open batch', () => {
    const net = join(2);
    const graph = settleGated(net, original(net), gate, undefined, { standard: true });
    expect(graph.inputs.map(String)).toEqual(['%x: float32[N, 2, 4, 4]']);
    expect(graph.outputs.map(o => o.name)).toEqual(['logits']);
    expect(graph.nodes.filter(n => n.op === 'Switch' || n.op === 'Stitch')).toEqual([]);
  });

  it('refuses what are no probabilities', () => {
    for (const options of [{ outputMean: 'logits' }, { task: 'regression' }]) {
      const net = join(2, undefined, options);
      expect(() => settleGated(net, original(net), gate)).toThrow(/averaged as it is/);
    }
  });
});
