import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Graph, tensorFromNumbers, verify } from '../../../ir/index.ts';
import {
  allStitched,
  averagedAt,
  gateOutput,
  gateShares,
  isGateable,
  kaimingStitches,
  narrow,
  original,
  type SuperNetwork,
  settingTensors,
  settle,
  settleGated,
  settleSources,
  specialize,
  stitch,
  withOutputs,
} from '../../../passes/index.ts';
import { evaluateGraph } from '../../ir/evaluate/graph.ts';
import { draw } from '../networks.ts';
import { type Numbers, random, relativeError, runOrt, values } from '../ort.ts';
import { joined, parent } from './joined.ts';

const join = (channels: number, activation?: 'Softmax', options = {}): SuperNetwork =>
  joined([1, 2], channels, activation, options);

/** Probabilities by image, pixel and class, of logits [N, K, 4, 4]; of one channel, those of no and yes. */
function probabilities({ data, shape: [count, channels] }: Numbers, given = false): number[][][] {
  return Array.from({ length: count }, (_, n) =>
    Array.from({ length: 16 }, (_, p) => {
      const l = Array.from({ length: channels }, (_, k) => data[(n * channels + k) * 16 + p]);
      if (given) return l;
      const all = channels === 1 ? [0, ...l] : l;
      const powers = all.map(v => Math.exp(v - Math.max(...all)));
      return powers.map(v => v / powers.reduce((total, w) => total + w));
    }),
  );
}

/** What Dice each image's answer is expected to lose, times its mean entropy. */
function doubts(a: number[][][]): number[] {
  return a.map(pixels => {
    let [shared, sizes, entropy] = [0, 0, 0];
    for (const classes of pixels) {
      const answer = classes.indexOf(Math.max(...classes));
      for (const [k, p] of classes.entries()) {
        entropy -= p === 0 ? 0 : p * Math.log(p);
        if (k === 0) continue;
        shared += k === answer ? p : 0;
        sizes += k === answer ? p + 1 : p;
      }
    }
    return (1.001 - (2 * shared + 1) / (sizes + 1)) * (entropy / pixels.length + 1e-4);
  });
}

/** By parent and image: what the gate should make of shares, written as it is thought and not as it is computed. */
function sharesOf(parents: readonly number[][][][], shares: readonly number[]): number[][] {
  const errors = parents.map(doubts);
  return errors.map((own, i) =>
    own.map((error, n) => shares[i] / error ** 2 / errors.reduce((sum, e, j) => sum + shares[j] / e[n] ** 2, 0)),
  );
}

/** The mean probability of every class, with weights of each image's own. */
function weighed(parents: readonly number[][][][], shares: readonly number[]): number[][][] {
  const weights = sharesOf(parents, shares);
  return parents[0].map((pixels, n) =>
    pixels.map((classes, at) =>
      classes.map((_, k) => parents.reduce((sum, p, i) => sum + weights[i][n] * p[n][at][k], 0)),
    ),
  );
}

const images = (seed: number, count: number) => draw(random(seed), count, 2, 4, 4);

/** Points of a simplex, corners and edges too. */
const simplex = (parents: number): fc.Arbitrary<readonly number[]> =>
  fc
    .array(fc.integer({ min: 0, max: 4 }), { minLength: parents, maxLength: parents })
    .filter(parts => parts.some(v => v > 0))
    .map(parts => parts.map(v => v / parts.reduce((sum, w) => sum + w)));

const evaluated = (graph: Graph, x: ReturnType<typeof images>): Record<string, Numbers> =>
  Object.fromEntries(
    [...evaluateGraph(graph, { x })].map(([name, t]) => [name, { shape: t.shape, data: values(t) }] as const),
  );

describe.each([
  ['softmax over three classes', 3, undefined],
  ['sigmoid of one channel', 1, undefined],
  ['probabilities', 2, 'Softmax'],
] as const)('the gate for %s', (_, channels, activation) => {
  const given = activation !== undefined;

  it.each([2, 3])('of %i networks gives what is written, in ONNX Runtime too', async count => {
    const net = joined([1, 2, 3, 4].slice(0, count), channels, activation);
    const parameters = kaimingStitches(net, random(3));
    const { sources } = net.outputs[0];
    const settings = fc.constantFrom(original(net), allStitched(net));
    const several = fc.array(simplex(count), { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(fc.integer(), settings, several, async (seed, setting, ways) => {
        const x = images(seed, 3);
        const apart = settleSources(net, setting, parameters, { gated: ways });
        verify(apart);
        const found = await runOrt(apart, { x });
        const answers = sources.map(tag => probabilities(found[tag], given));
        const want = ways.map(shares => sharesOf(answers, shares));
        const byImage = Array.from({ length: 3 }, (_, n) => sources.flatMap((_, i) => want.map(way => way[i][n])));
        for (const { shape, data } of [found[gateShares], evaluated(apart, x)[gateShares]]) {
          expect(shape).toEqual([3, count, ways.length]);
          expect(relativeError(data, byImage.flat())).toBeLessThan(1e-6);
        }
        const [shares] = ways;
        const graph = settleGated(net, withOutputs(net, setting, shares), parameters, { standard: true });
        verify(graph);
        const { logits } = await runOrt(graph, { x });
        const blend = weighed(answers, shares).flat(3);
        expect(relativeError(probabilities(logits, given).flat(3), blend)).toBeLessThan(1e-5);
      }),
      { numRuns: 2 },
    );
  });

  it('with all weight on one parent is that parent', () => {
    const net = join(channels, activation);
    const x = images(5, 2);
    for (const shares of [
      [0, 1],
      [1, 0],
    ]) {
      const setting = withOutputs(net, original(net), shares);
      const [found, want] = [settleGated(net, setting), settle(net, setting)].map(graph =>
        probabilities(evaluated(graph, x).logits, given).flat(3),
      );
      expect(relativeError(found, want)).toBeLessThan(1e-6);
    }
  });

  it.each([2, 4])('of %i copies of one network gives its output, shared as before', count => {
    const net = joined(Array<number>(count).fill(1), channels, activation);
    fc.assert(
      fc.property(fc.integer(), simplex(count), (seed, shares) => {
        const x = images(seed, 2);
        const setting = withOutputs(net, original(net), shares);
        const found = evaluated(settleSources(net, setting, new Map(), { gated: [shares] }), x);
        const wanted = [...shares, ...shares];
        expect(relativeError(found[gateShares].data, wanted)).toBeLessThan(1e-6);
        const { logits } = evaluated(settleGated(net, setting), x);
        const [got, want] = [logits, found.a].map(output => probabilities(output, given).flat(3));
        expect(relativeError(got, want)).toBeLessThan(1e-6);
      }),
      { numRuns: 2 },
    );
  });

  it('shares as it did when networks change places', () => {
    const order = [0, 1, 2];
    const permuted = fc.shuffledSubarray(order, { minLength: 3, maxLength: 3 });
    fc.assert(
      fc.property(fc.integer(), simplex(3), permuted, (seed, shares, places) => {
        const x = images(seed, 3);
        const [straight, turned] = [order, places].map(at => {
          const net = joined(
            at.map(i => i + 1),
            channels,
            activation,
          );
          const ways = [at.map(i => shares[i])];
          const rows = evaluated(settleSources(net, original(net), new Map(), { gated: ways }), x)[gateShares].data;
          return at.map((_, i) => Array.from({ length: 3 }, (_, n) => rows[3 * n + i]));
        });
        const found = places.flatMap((_, i) => turned[i]);
        expect(
          relativeError(
            found,
            places.flatMap(i => straight[i]),
          ),
        ).toBeLessThan(1e-6);
      }),
      { numRuns: 2 },
    );
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
    for (const setting of [original(net), allStitched(net), averagedAt(net, net.positions[0].id)]) {
      const x = images(7, 3);
      const given = Object.fromEntries([...parameters, ...settingTensors(net, setting)]);
      const feeds = Object.fromEntries(whole.inputs.map(({ name }) => [name, name === 'x' ? x : given[name]]));
      const [found, want] = [
        evaluateGraph(whole, feeds),
        evaluateGraph(settleGated(net, setting, parameters), { x }),
      ].map(outputs => values(outputs.get('logits')!));
      expect(relativeError(found, want)).toBeLessThan(1e-5);
    }
  });

  it.each([undefined, 'Softmax'] as const)(
    'over a case shares alike on all its images, as if they were one (%s)',
    async head => {
      const net = joined([1, 2, 3], 3, head);
      const parameters = kaimingStitches(net, random(3));
      const given = head !== undefined;
      const shares = [0.5, 0.2, 0.3];
      const setting = withOutputs(net, original(net), shares);
      const x = images(8, 4);
      const apart = settleSources(net, setting, parameters, { gated: [shares, [1, 0, 0]], over: 'case' });
      const settled = settleGated(net, setting, parameters, { standard: true, over: 'case' });
      for (const graph of [apart, settled]) verify(graph);
      const found = await runOrt(apart, { x });
      const answers = net.outputs[0].sources.map(tag => probabilities(found[tag], given));
      const want = sharesOf(
        answers.map(own => [own.flat()]),
        shares,
      ).flat();
      expect(found[gateShares].shape).toEqual([1, 3, 2]);
      const byWay = want.flatMap((share, i) => [share, i === 0 ? 1 : 0]);
      expect(relativeError(found[gateShares].data, byWay)).toBeLessThan(1e-6);
      const blend = answers[0].map((pixels, n) =>
        pixels.map((classes, at) =>
          classes.map((_, k) => want.reduce((sum, w, i) => sum + w * answers[i][n][at][k], 0)),
        ),
      );
      const feeds = Object.fromEntries([...parameters, ...settingTensors(net, setting), ['x', x] as const]);
      for (const graph of [settled, gateOutput(net, { shares, over: 'case' })]) {
        const { logits } = await runOrt(graph, feeds);
        expect(relativeError(probabilities(logits, given).flat(3), blend.flat(3))).toBeLessThan(1e-5);
      }
      // One image is a case of one.
      const one = images(9, 1);
      const [alone, together] = (['image', 'case'] as const).map(
        over => evaluated(settleSources(net, setting, parameters, { gated: [shares], over }), one)[gateShares].data,
      );
      expect(together).toEqual(alone);
    },
  );

  it('over a case refuses networks that take a fixed number of images', () => {
    const parents = ['a', 'b'].map((tag, i) => ({ tag, graph: specialize(parent(i + 1, 2), { N: 2 }) }));
    const net = stitch(parents, [{ features: { a: 'act', b: 'act' } }]);
    const refused = () => settleGated(net, original(net), undefined, { over: 'case' });
    expect(refused).toThrow(/the networks take 2: gate over images/);
    verify(settleGated(net, original(net)));
  });

  it.each([undefined, 'Softmax'] as const)(
    'shares finitely among networks that are all but certain (%s)',
    async head => {
      for (const [scale, channels] of [
        [1e4, 3],
        [1e2, 2],
        [30, 3],
      ] as const) {
        const net = joined([1, 2, 3], channels, head, { scale });
        const apart = settleSources(net, original(net), new Map(), { gated: [[0.5, 0.3, 0.2]] });
        const whole = settleGated(net, withOutputs(net, original(net), [0.5, 0.3, 0.2]));
        const x = images(11, 4);
        const outputs = [evaluated(apart, x), await runOrt(apart, { x })];
        const answers = outputs.map(found =>
          net.outputs[0].sources.map(tag => probabilities(found[tag], head !== undefined)),
        );
        for (const [i, found] of outputs.entries()) {
          const want = sharesOf(answers[i], [0.5, 0.3, 0.2]);
          const byImage = Array.from({ length: 4 }, (_, n) => want.map(own => own[n]));
          expect(relativeError(found[gateShares].data, byImage.flat())).toBeLessThan(2e-6);
        }
        const blend = weighed(answers[1], [0.5, 0.3, 0.2]).flat(3);
        const { logits } = await runOrt(whole, { x });
        expect(relativeError(probabilities(logits, head !== undefined).flat(3), blend)).toBeLessThan(1e-5);
      }
    },
  );

  it.each([1, 300])('of networks in half precision shares as in single (logits times %i)', async scale => {
    const x = images(12, 4);
    const nets = (['float32', 'float16'] as const).map(dtype => joined([1, 2, 3], 3, undefined, { scale, dtype }));
    const shares = nets.map(net => {
      const graph = settleSources(net, original(net), new Map(), { gated: [[0.5, 0.3, 0.2]] });
      verify(graph);
      const { dtype } = graph.inputs[0].type;
      return evaluateGraph(graph, { x: tensorFromNumbers(dtype, x.shape, Array.from(values(x))) }).get(gateShares)!;
    });
    expect(shares.map(t => t.dtype)).toEqual(['float32', 'float16']);
    expect(relativeError(values(shares[1]), values(shares[0]))).toBeLessThan(0.02);
    const single = settleGated(nets[0], original(nets[0]), undefined, { standard: true });
    const half = narrow(single, { keep: node => node.origin?.combines === true, input: 'float32', output: 'float32' });
    const [found, want] = [await runOrt(half, { x }), await runOrt(single, { x })].map(outputs =>
      probabilities(outputs.logits).flat(3),
    );
    expect(relativeError(found, want)).toBeLessThan(0.02);
  });

  it('refuses what are no probabilities', () => {
    for (const options of [{ outputMean: 'logits' }, { task: 'regression' }]) {
      const net = join(2, undefined, options);
      expect(() => settleGated(net, original(net))).toThrow(/averaged as it is/);
      expect(isGateable(net)).toBe(false);
    }
  });
});
