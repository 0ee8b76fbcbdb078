import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Graph, GraphBuilder, symbol, type Tensor, tensorFromNumbers, verify } from '../../../ir/index.ts';
import { type GateScope, type OutputMeaning, specialize } from '../../../passes/index.ts';
import { doubtOf } from '../../../passes/stitch/doubt.ts';
import { evaluateGraph } from '../../ir/evaluate/graph.ts';
import { executors } from '../../runtime/oracle.ts';
import { random, runOrt, values } from '../ort.ts';

const meaning = (
  kind: OutputMeaning['kind'],
  activation: OutputMeaning['activation'],
  channels: number,
  channelAxis: number | null = 1,
): OutputMeaning => ({ kind, activation, channels, channelAxis: channelAxis ?? undefined });

/** The extents of outputs of `count` images, the channels where the meaning has them. */
function shapeOf({ channels, channelAxis }: OutputMeaning, count: number, spatial: readonly number[]): number[] {
  const shape = [count, ...spatial];
  if (channelAxis !== undefined) shape.splice(channelAxis, 0, channels);
  return shape;
}

function graphOf(outputs: OutputMeaning, shape: readonly number[], over: GateScope = 'image'): Graph {
  const b = new GraphBuilder('doubt');
  const x = b.input('x', { dtype: 'float32', shape: [symbol('N'), ...shape.slice(1)] });
  b.output('doubt', doubtOf(b, x, outputs, over));
  return b.build();
}

/** By image and place, the numbers of all channels. */
function placesOf({ channels, channelAxis = 1 }: OutputMeaning, { shape, data }: Tensor): number[][][] {
  const last = channelAxis === shape.length - 1 && shape.length > 2;
  const places = data.length / shape[0] / channels;
  return Array.from({ length: shape[0] }, (_, n) =>
    Array.from({ length: places }, (_, at) =>
      Array.from({ length: channels }, (_, k) =>
        Number(data[n * places * channels + (last ? at * channels + k : k * places + at)]),
      ),
    ),
  );
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, v) => total + v, 0);

/** Classes and their probabilities as pairs of p and -log p, in double precision. */
function classesOf(
  kind: OutputMeaning['kind'],
  numbers: readonly number[],
): (readonly [p: number, surprise: number])[] {
  if (kind === 'probabilities') return numbers.map(p => [p, p === 0 ? 0 : -Math.log(p)]);
  const most = Math.max(...numbers);
  const first = numbers.indexOf(most);
  const others = sum(numbers.map((l, k) => (k === first ? 0 : Math.exp(l - most))));
  return numbers.map(l => [Math.exp(l - most) / (1 + others), most - l + Math.log1p(others)]);
}

/** As it is thought: the Dice of the answer with the probabilities, and what the probabilities leave open. */
function doubtsOf(outputs: OutputMeaning, output: Tensor): number[] {
  const classes = outputs.activation === 'softmax';
  return placesOf(outputs, output).map(places => {
    let [shared, sizes, entropy] = [0, 0, 0];
    const add = (p: number, answer: number): void => {
      shared += p * answer;
      sizes += p + answer;
    };
    for (const numbers of places) {
      // A region is a choice of two, no and yes.
      const choices = classes
        ? [classesOf(outputs.kind, numbers)]
        : numbers.map(v => classesOf(outputs.kind, outputs.kind === 'probabilities' ? [1 - v, v] : [0, v]));
      for (const choice of choices) {
        const p = choice.map(([own]) => own);
        const answer = p.indexOf(Math.max(...p));
        for (let k = 1; k < p.length; k++) add(p[k], k === answer ? 1 : 0);
        entropy += sum(choice.map(([own, surprise]) => own * surprise));
      }
    }
    return (1.001 - (2 * shared + 1) / (sizes + 1)) * (entropy / places.length + 1e-4);
  });
}

/** The largest difference of any number, relative to the number itself. */
const worst = (got: ArrayLike<number>, want: readonly number[]): number =>
  got.length === want.length
    ? Math.max(...want.map((w, i) => (Number.isFinite(got[i]) ? Math.abs(got[i] - w) / w : Infinity)))
    : Infinity;

/** Logits or probabilities; those of one image spread over many orders of magnitude, of another all alike. */
function outputOf(outputs: OutputMeaning, shape: readonly number[], seed: number, scale: number): Tensor {
  const next = random(seed);
  const logits = tensorFromNumbers(
    'float32',
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => (next() * 2 - 1) * scale),
  );
  if (outputs.kind !== 'probabilities') return logits;
  const b = new GraphBuilder('probabilities');
  const x = b.input('x', { dtype: 'float32', shape });
  b.output('p', outputs.activation === 'sigmoid' ? b.op('Sigmoid', [x]) : b.op('Softmax', [x], { axis: 1 }));
  return evaluateGraph(b.build(), { x: logits }).get('p')!;
}

describe.each([
  ['logits over two classes', meaning('logits', 'softmax', 2), [3, 2]],
  ['logits over four classes of a volume', meaning('logits', 'softmax', 4), [2, 3, 2]],
  ['logits over classes, channels last', meaning('logits', 'softmax', 3, 3), [3, 4]],
  ['logarithms of probabilities', meaning('log-probabilities', 'softmax', 3), [5]],
  ['probabilities of classes', meaning('probabilities', 'softmax', 3), [3, 4]],
  ['logits of one region without an axis for it', meaning('logits', 'sigmoid', 1, null), [3, 4]],
  ['logits of three regions', meaning('logits', 'sigmoid', 3), [2, 2, 3]],
  ['probabilities of regions', meaning('probabilities', 'sigmoid', 2), [3, 4]],
] as const)('the doubt of %s', (_, outputs, spatial) => {
  const shape = shapeOf(outputs, 3, spatial);
  const graph = graphOf(outputs, shape);

  it('is what is written, from guesses to certainties', async () => {
    verify(graph);
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.double({ min: -2, max: 4, noNaN: true }), async (seed, power) => {
        const x = outputOf(outputs, shape, seed, 10 ** power);
        const want = doubtsOf(outputs, x);
        expect(worst(values(evaluateGraph(graph, { x }).get('doubt')!), want)).toBeLessThan(2e-6);
        expect(worst((await runOrt(graph, { x })).doubt.data, want)).toBeLessThan(2e-6);
      }),
      { numRuns: 4 },
    );
  });

  it('is that on the embedded adapter', async () => {
    const { webgpu } = await executors();
    const session = await webgpu.prepare(specialize(graph, { N: 3 }));
    for (const [seed, scale] of [0.1, 3, 12, 1e4].entries()) {
      const x = outputOf(outputs, shape, seed, scale);
      const { doubt } = await session.run({ x });
      expect(worst(values(doubt), doubtsOf(outputs, x))).toBeLessThan(1e-5);
    }
    session.dispose();
  });
});

describe('the doubt of a network', () => {
  it('of one region is that of the two classes no and yes', () => {
    const [region, classes] = [meaning('logits', 'sigmoid', 1), meaning('logits', 'softmax', 2)];
    fc.assert(
      fc.property(fc.integer(), fc.double({ min: -2, max: 4, noNaN: true }), (seed, power) => {
        const yes = outputOf(region, [1, 1, 3, 4], seed, 10 ** power);
        const both = tensorFromNumbers('float32', [1, 2, 3, 4], [...Array<number>(12).fill(0), ...values(yes)]);
        const [found, want] = [
          evaluateGraph(graphOf(region, yes.shape), { x: yes }),
          evaluateGraph(graphOf(classes, both.shape), { x: both }),
        ].map(outputs => values(outputs.get('doubt')!));
        expect(worst(found, [...want])).toBeLessThan(1e-6);
      }),
      { numRuns: 10 },
    );
  });

  it('is the same, and the least, for all that are sure of every place', async () => {
    const classes = meaning('logits', 'softmax', 3);
    const empty = [1e4, -1e4, -1e4, 1e4, 0, 0];
    const full = [-1e4, -1e4, 1e4, -1e4, -1e4, 1e4];
    // By image, class and place.
    const x = tensorFromNumbers(
      'float32',
      [2, 3, 2],
      [empty, full].flatMap(v => [0, 1, 2].flatMap(k => [v[k], v[3 + k]])),
    );
    const graph = graphOf(classes, x.shape);
    for (const doubts of [values(evaluateGraph(graph, { x }).get('doubt')!), (await runOrt(graph, { x })).doubt.data]) {
      expect(doubts[1]).toBe(doubts[0]);
      expect(worst(doubts, [1e-7, 1e-7])).toBeLessThan(1e-6);
    }
  });
});
