import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { float32, type Graph, GraphBuilder, symbol, type Tensor, verify } from '../../../ir/index.ts';
import {
  type Activation,
  meaningOf,
  type OutputKind,
  original,
  settle,
  settledMeaning,
  settleGated,
  stitch,
  withOutputs,
} from '../../../passes/index.ts';
import { random, relativeError, runOrt } from '../ort.ts';

type Kind = Exclude<OutputKind, 'values'>;

interface Head {
  readonly kind: Kind;
  readonly activation: Activation;
  /** Channels last. */
  readonly last: boolean;
}

const pixels = 4;

/** Takes logits [N, C, 2, 2], scales each channel, and gives them as the head says. */
function parent(scales: readonly number[], { kind, activation, last }: Head): Graph {
  const b = new GraphBuilder('net');
  const channels = scales.length;
  const x = b.input('x', { dtype: 'float32', shape: [symbol('N'), channels, 2, 2] });
  const weight = b.constant(float32([channels, 1, 1, 1], [...scales]));
  const f = b.op('Conv', [x, weight], { group: channels }, { outputs: ['f'] });
  const moved = last ? b.op('Transpose', [f], { perm: [0, 2, 3, 1] }) : f;
  const axis = last ? 3 : 1;
  const activated = {
    logits: () => moved,
    probabilities: () => (activation === 'softmax' ? b.op('Softmax', [moved], { axis }) : b.op('Sigmoid', [moved])),
    'log-probabilities': () =>
      activation === 'softmax'
        ? b.op('LogSoftmax', [moved], { axis })
        : b.op('Neg', [b.op('Softplus', [b.op('Neg', [moved])])]),
  }[kind]();
  b.output('y', b.op('Identity', [activated]));
  return b.build();
}

/** log p of every element, [N, C, pixels], in double precision; `sign` -1: log(1 - p), for single channels. */
function logarithms(logits: readonly number[], channels: number, activation: Activation, sign = 1): number[] {
  return logits.map((z, i) => {
    if (activation === 'sigmoid') return -softplus(-sign * z);
    const first = i - (Math.floor(i / pixels) % channels) * pixels;
    const all = Array.from({ length: channels }, (_, c) => logits[first + c * pixels]);
    const top = Math.max(...all);
    return z - top - Math.log(all.reduce((sum, v) => sum + Math.exp(v - top), 0));
  });
}

const softplus = (z: number): number => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));

const meanOfLogs = (logs: readonly (readonly number[])[], shares: readonly number[]): number[] =>
  logs[0].map((_, i) => {
    const terms = logs.flatMap((log, p) => (shares[p] === 0 ? [] : [log[i] + Math.log(shares[p])]));
    const top = Math.max(...terms);
    return top + Math.log(terms.reduce((sum, v) => sum + Math.exp(v - top), 0));
  });

/** What the joined network should give. */
function expected(
  logits: readonly (readonly number[])[],
  channels: number,
  activation: Activation,
  kind: OutputKind,
  shares: readonly number[],
): number[] {
  const yes = meanOfLogs(
    logits.map(z => logarithms(z, channels, activation)),
    shares,
  );
  if (kind === 'probabilities') return yes.map(Math.exp);
  if (activation === 'softmax') return yes;
  const no = meanOfLogs(
    logits.map(z => logarithms(z, channels, activation, -1)),
    shares,
  );
  return yes.map((v, i) => v - no[i]);
}

/** [N, C, 2, 2] of an output in either layout. */
function channelsFirst(
  { data, shape }: { data: ArrayLike<number>; shape: readonly number[] },
  last: boolean,
): number[] {
  if (!last) return Array.from(data);
  const [n, h, w, c] = shape;
  return Array.from({ length: data.length }, (_, i) => {
    const [image, channel, pixel] = [Math.floor(i / (c * h * w)), Math.floor(i / (h * w)) % c, i % (h * w)];
    return data[(image * h * w + pixel) * c + channel];
  }).slice(0, n * c * h * w);
}

const join = (graphs: readonly [Graph, Graph], activation?: Activation) =>
  stitch(
    graphs.map((graph, i) => ({ tag: 'ab'[i], graph })),
    [{ features: { a: 'f', b: 'f' } }],
    activation && { activation },
  );

const kinds: readonly Kind[] = ['logits', 'log-probabilities', 'probabilities'];
const heads = fc.record({
  kinds: fc.tuple(fc.constantFrom(...kinds), fc.constantFrom(...kinds)),
  activation: fc.constantFrom<Activation>('softmax', 'sigmoid'),
  last: fc.tuple(fc.boolean(), fc.boolean()),
  channels: fc.integer({ min: 1, max: 4 }),
  /** Up to logits whose probabilities no float32 holds. */
  magnitude: fc.constantFrom(1, 20, 150),
  share: fc.constantFrom(0.5, 0.1, 0.999),
  seed: fc.nat(),
});

describe('the combined output, in ONNX Runtime', () => {
  test('is that of the mean probability, whatever kind and layout the parents give', async () => {
    await fc.assert(
      fc.asyncProperty(heads, async ({ kinds: [p, q], activation, last, channels, magnitude, share, seed }) => {
        fc.pre(activation === 'sigmoid' || channels > 1);
        const draw = random(seed);
        const number = () => (draw() * 2 - 1) * magnitude;
        const scales = [0, 1].map(() => Array.from({ length: channels }, () => draw() + 0.5));
        const data = Array.from({ length: 2 * channels * pixels }, number);
        const x: Tensor = float32([2, channels, 2, 2], data);
        const network = join(
          [
            parent(scales[0], { kind: p, activation, last: last[0] }),
            parent(scales[1], { kind: q, activation, last: last[1] }),
          ],
          activation,
        );
        const [output] = network.outputs;
        const logits = scales.map(scale =>
          Array.from(x.data as Float32Array, (v, i) => v * Math.fround(scale[Math.floor(i / pixels) % channels])),
        );
        const setting = withOutputs(network, original(network), [share, 1 - share]);
        const found = (await runOrt(verify(settle(network, setting, undefined, { standard: true })), { x })).y;
        const want = expected(logits, channels, activation, output.combined.kind, [share, 1 - share]);
        expect(relativeError(channelsFirst(found, last[0]), want)).toBeLessThan(1e-5);
        expect(output.combined).toMatchObject({ activation, channels, channelAxis: last[0] ? 3 : 1 });
      }),
      { numRuns: 15 },
    );
  });

  test('with all weight on one parent is what that parent gives', async () => {
    for (const kind of kinds) {
      const graphs = [
        parent([1, 2], { kind, activation: 'softmax', last: true }),
        parent([3, 1], { kind, activation: 'softmax', last: true }),
      ] as const;
      const network = join(graphs);
      const x = float32([1, 2, 2, 2], [5, -3, 80, 0, 1, 2, -200, 3]);
      for (const [p, graph] of graphs.entries()) {
        const setting = withOutputs(network, original(network), [1 - p, p]);
        const found = await runOrt(settle(network, setting), { x });
        expect(Array.from(found.y.data)).toEqual(Array.from((await runOrt(graph, { x })).y.data));
        expect(settledMeaning(network.outputs[0], setting).kind).toBe(kind);
      }
    }
  });

  test('is found to be what it is by its own graph', () => {
    for (const activation of ['softmax', 'sigmoid'] as const) {
      for (const [p, q] of kinds.flatMap(a => kinds.map(b => [a, b] as const))) {
        const network = join(
          [parent([1, 2], { kind: p, activation, last: true }), parent([3, 1], { kind: q, activation, last: true })],
          activation,
        );
        for (const standard of [false, true]) {
          const graph = settle(network, original(network), undefined, { standard });
          expect(meaningOf(graph, graph.output('y'), { activation })).toEqual(network.outputs[0].combined);
        }
      }
    }
  });

  test('of regions has no softmax, and a gate weighs all of them', () => {
    const head = { kind: 'logits', activation: 'sigmoid', last: false } as const;
    const graphs = [parent([1, 2], head), parent([3, 1], head)] as const;
    const network = join(graphs, 'sigmoid');
    for (const graph of [settle(network, original(network)), settleGated(network, original(network))]) {
      expect(graph.nodes.filter(n => /Softmax/.test(n.op))).toEqual([]);
    }
  });
});
