import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { evaluateGraph } from '../../../ir/evaluate/index.ts';
import { type Graph, GraphBuilder, symbol, verify } from '../../../ir/index.ts';
import {
  allStitched,
  averagedAt,
  featurePairs,
  gateOutput,
  isGateable,
  kaimingStitches,
  original,
  type SuperNetwork,
  settingTensors,
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

/** What Dice each image's answer is expected to lose. */
function expectedErrors(a: number[][][]): number[] {
  return a.map(pixels => {
    let [shared, sizes] = [0, 0];
    for (const p of pixels.flatMap(classes => (classes.length === 1 ? classes : classes.slice(1)))) {
      shared += p > 0.5 ? p : 0;
      sizes += p + (p > 0.5 ? 1 : 0);
    }
    return 1 - (2 * shared + 1) / (sizes + 1) + 0.001;
  });
}

/** What the gate should give: the mean probability of yes, or of every class, with weights of each image's own. */
function weighed(a: number[][][], b: number[][][], share: number): number[][][] {
  const [p, q] = [a, b].map(expectedErrors);
  return a.map((pixels, n) => {
    const [u, v] = [share / p[n] ** 2, (1 - share) / q[n] ** 2];
    return pixels.map((classes, at) => classes.map((c, k) => (u * c + v * b[n][at][k]) / (u + v)));
  });
}

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
        fc.asyncProperty(fc.integer(), share, async (seed, a) => {
          const x = images(seed, 6);
          const found = await whole({ x });
          const [p, q] = ['a/logits', 'b/logits'].map(name => probabilities(found[name], given));
          const graph = settleGated(net, withOutputs(net, setting, [a, 1 - a]), parameters, { standard: true });
          verify(graph);
          const { logits } = await runOrt(graph, { x });
          const want = weighed(p, q, a).flat(3);
          expect(relativeError(probabilities(logits, given).flat(3), want)).toBeLessThan(1e-5);
        }),
        { numRuns: 8 },
      );
    }
  });

  it('with all weight on one parent is that parent', () => {
    const x = images(5, 2);
    for (const shares of [
      [0, 1],
      [1, 0],
    ]) {
      const setting = withOutputs(net, original(net), shares);
      const [gated, plain] = [settleGated(net, setting), settle(net, setting)].map(graph =>
        evaluateGraph(graph, { x }),
      );
      const [found, want] = [gated, plain].map(outputs => {
        const { shape } = outputs.get('logits')!;
        const data = values(outputs.get('logits')!);
        return probabilities({ data, shape }, given).flat(3);
      });
      expect(relativeError(found, want)).toBeLessThan(1e-6);
    }
  });
});

describe('the gate', () => {
  it('is of standard operators, and keeps names and the open batch', () => {
    const net = join(2);
    const graph = settleGated(net, original(net), undefined, { standard: true });
    expect(graph.inputs.map(String)).toEqual(['%x: float32[N, 2, 4, 4]']);
    expect(graph.outputs.map(o => o.name)).toEqual(['logits']);
    expect(graph.nodes.filter(n => n.op === 'Switch' || n.op === 'Stitch')).toEqual([]);
  });

  it('on the whole super-network computes what the settled network does', () => {
    const net = join(2);
    const parameters = kaimingStitches(net, random(3));
    const whole = gateOutput(net);
    verify(whole);
    for (const setting of [original(net), allStitched(net), averagedAt(net, net.positions[0]!.id)]) {
      const x = images(7, 3);
      const given = Object.fromEntries([...parameters, ...settingTensors(net, setting)]);
      const feeds = Object.fromEntries(whole.inputs.map(({ name }) => [name, name === 'x' ? x : given[name]!]));
      const [found, want] = [
        evaluateGraph(whole, feeds),
        evaluateGraph(settleGated(net, setting, parameters), { x }),
      ].map(outputs => values(outputs.get('logits')!));
      expect(relativeError(found!, want!)).toBeLessThan(1e-5);
    }
  });

  it('refuses what are no probabilities', () => {
    for (const options of [{ outputMean: 'logits' }, { task: 'regression' }]) {
      const net = join(2, undefined, options);
      expect(() => settleGated(net, original(net))).toThrow(/averaged as it is/);
      expect(isGateable(net)).toBe(false);
    }
  });
});
