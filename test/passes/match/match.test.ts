import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Dim, float32, type Graph, GraphBuilder, symbol, type Value } from '../../../ir/index.ts';
import { importOnnx } from '../../../ir/onnx/file.ts';
import {
  centredGram,
  cka,
  type Matching,
  match,
  matchableValues,
  matchers,
  type SampledFeature,
} from '../../../passes/match.ts';
import { mulberry } from './problems.ts';

const image = (batch: Dim, height: Dim, width: Dim = height): readonly Dim[] => [batch, 1, height, width];

interface NetOptions {
  readonly shape?: readonly Dim[];
  readonly name?: string;
  readonly prefix?: string;
}

/** Convolution and activation per entry, the entry being the stride; the last convolution gives the output. */
function convNet(strides: readonly number[], options: NetOptions = {}): Graph {
  const { shape = image(symbol('N'), 16), name = 'net', prefix = '' } = options;
  const b = new GraphBuilder(name);
  let x = b.input('x', { dtype: 'float32', shape });
  const conv = (from: Value, stride: number, outputs: number, stem: string): Value => {
    const inputs = from.type.shape[1] as number;
    const weight = b.constant(float32([outputs, inputs, 3, 3], new Float32Array(outputs * inputs * 9)));
    return b.op('Conv', [from, weight], { strides: [stride, stride], pads: [1, 1, 1, 1] }, { name: prefix + stem });
  };
  strides.forEach((stride, i) => {
    x = b.op('Relu', [conv(x, stride, 2 + i, `conv${i}`)], {}, { name: `${prefix}relu${i}` });
  });
  b.output('y', conv(x, 1, 3, 'head'));
  return b.build();
}

const named = ({ pairs }: Matching): string[] => pairs.map(({ features: { a, b } }) => `${a}:${b}`);
const pairsOf = (a: Graph, b: Graph): string[] => named(match(a, b));

describe('matching two graphs', () => {
  it('pairs all activations but inputs and outputs, with their positions', () => {
    const net = convNet([1, 2]);
    const { pairs, score, ...rest } = match(net, net);
    expect(pairs.map(({ features: { a, b }, progress }) => [a, b, progress.a, progress.b])).toEqual([
      ['conv0', 'conv0', 0.2, 0.2],
      ['relu0', 'relu0', 0.4, 0.4],
      ['conv1', 'conv1', 0.6, 0.6],
      ['relu1', 'relu1', 0.8, 0.8],
    ]);
    expect(score).toBe(4);
    expect(rest).toEqual({});
  });

  it('pairs equal resolutions only, channels may differ', () => {
    expect(pairsOf(convNet([1, 2, 1]), convNet([2], { prefix: 'b/' }))).toEqual(['conv1:b/conv0', 'conv2:b/relu0']);
  });

  it('says with the exact matcher what is proven', () => {
    const { score, bound, optimal, ended } = match(convNet([1, 2, 1]), convNet([1, 2]), { matcher: 'exact' });
    expect([bound, optimal, ended]).toEqual([score, true, 'proof']);
  });

  it('says what can be matched at all', () => {
    const { a, b } = matchableValues(convNet([1, 2, 1]), convNet([2], { prefix: 'b/' }));
    expect(a.map(({ name }) => name)).toEqual(['conv1', 'relu1', 'conv2', 'relu2']);
    expect(b.map(({ name }) => name)).toEqual(['b/conv0', 'b/relu0']);
  });

  it('compares symbolic dims as formulas, under names of their own', () => {
    const a = convNet([1, 2], { shape: image(symbol('N'), symbol('H'), symbol('W')) });
    const b = convNet([1, 2], { shape: image(symbol('batch'), symbol('W'), symbol('H')) });
    expect(match(a, b).pairs.length).toBe(4);
    // Half of the height is not the height, whatever the height is.
    const c = convNet([2, 1], { shape: image(symbol('n'), symbol('h'), symbol('w')) });
    expect(pairsOf(a, c)).toEqual(['conv1:conv1', 'relu1:relu1']);
  });

  it('takes a dim that one network fixes as fixed for both', () => {
    const a = convNet([1, 2], { shape: image(symbol('N'), symbol('H'), symbol('H')) });
    const b = convNet([1, 2], { shape: image(1, 16) });
    expect(match(a, b).pairs.length).toBe(4);
    expect(match(b, a).pairs.length).toBe(4);
  });

  it('knows no feature in shape arithmetic, constants, and what no output needs', () => {
    const b = new GraphBuilder('net');
    const x = b.input('x', { dtype: 'float32', shape: [symbol('N'), 4, 8, 8] });
    const kept = b.op('Relu', [x], {}, { name: 'kept' });
    b.op('Relu', [kept], {}, { name: 'dead' });
    const batch = b.op('Gather', [b.op('Shape', [kept]), b.ints([0])], {}, { name: 'batch' });
    const size = b.op('Concat', [batch, b.ints([-1])], { axis: 0 }, { name: 'size' });
    const folded = b.op('Neg', [b.constant(float32([1], [2]))], {}, { name: 'folded' });
    const flat = b.op('Reshape', [kept, size], {}, { name: 'flat' });
    b.output('y', b.op('Mul', [b.op('Tanh', [flat], {}, { name: 'tanh' }), folded]));
    const net = b.build();
    expect(pairsOf(net, net)).toEqual(['kept:kept', 'flat:flat', 'tanh:tanh']);
  });

  it('matches tokens [N, T, C] and vectors [N, C]', () => {
    const b = new GraphBuilder('tokens');
    const x = b.input('x', { dtype: 'float32', shape: [symbol('N'), 5, 8] });
    const weight = b.constant(float32([8, 6], new Float32Array(48)));
    const tokens = b.op('MatMul', [x, weight], {}, { name: 'tokens' });
    const pooled = b.op('ReduceMean', [tokens, b.ints([1])], { keepdims: 0 }, { name: 'pooled' });
    b.output('y', b.op('Relu', [pooled]));
    const net = b.build();
    expect(pairsOf(net, net)).toEqual(['tokens:tokens', 'pooled:pooled']);
  });

  it('weighs a similarity where one is given', () => {
    const a = convNet([1, 1]);
    const b = convNet([1], { prefix: 'b/' });
    const similarity = (x: string, y: string): number => (x.slice(0, 4) === y.slice(2, 6) && x.endsWith('1') ? 1 : 0.1);
    expect(named(match(a, b, { similarity }))).toEqual(['conv1:b/conv0', 'relu1:b/relu0']);
    expect(() => match(a, b, { similarity, metric: 'linear' })).toThrow(/exclude each other/);
  });

  it('matches the demo networks the same way in both directions', () => {
    const folder = join(import.meta.dirname, '../../../fixtures/demo');
    const [a, b] = ['parent_a', 'parent_b'].map(name => importOnnx(join(folder, `${name}.onnx`)).graph);
    const there = match(a, b);
    const back = match(b, a);
    expect(there.pairs.length).toBeGreaterThan(10);
    expect(back.score).toBe(there.score);
    expect(back.pairs.map(({ features: { a, b } }) => `${b}:${a}`)).toEqual(named(there));
  });
});

describe('networks that do not go together', () => {
  it.each([
    ['channels', [symbol('N'), 2, 16, 16] as const],
    ['resolutions', image(symbol('N'), 32)],
    ['ranks', [symbol('N'), 1, 16, 16, 16] as const],
  ])('differ in the %s of their inputs', (_, shape) => {
    const b = new GraphBuilder('other');
    b.output('y', b.op('Relu', [b.op('Relu', [b.input('x', { dtype: 'float32', shape })])]));
    expect(() => match(convNet([1]), b.build())).toThrow(
      expect.objectContaining({
        code: 'parents-incompatible',
        message: expect.stringMatching(
          /The inputs do not fit together: 'x' of 'net' is float32\[N, 1, 16, 16\], 'x' of 'other'/,
        ),
      }),
    );
  });

  it('differ in the number of their inputs', () => {
    const b = new GraphBuilder('two');
    const [x, y] = ['x', 'y'].map(name => b.input(name, { dtype: 'float32', shape: image(symbol('N'), 16) }));
    b.output('z', b.op('Add', [x, y]));
    expect(() => match(convNet([1]), b.build())).toThrow(/takes 1 input and 'two' 2 inputs/);
  });

  it('share no resolution', () => {
    const coarse = convNet([4], { name: 'coarse' });
    for (const matcher of matchers) {
      expect(() => match(convNet([1, 2]), coarse, { matcher })).toThrow(expect.objectContaining({ code: 'no-pairs' }));
    }
  });
});

describe('linear CKA', () => {
  const feature = (channels: number, seed: number) => {
    const random = mulberry(seed);
    return { channels, values: Float64Array.from({ length: 200 * channels }, () => random() + random() - 1) };
  };
  const similarity = (x: SampledFeature, y: SampledFeature): number => cka(centredGram(x), centredGram(y));

  it('is 1 for a rotated, scaled and shifted copy', () => {
    const x = feature(2, 1);
    const [c, s] = [Math.cos(0.7), Math.sin(0.7)];
    const rotated = Float64Array.from(x.values, (value, i) =>
      i % 2 === 0 ? 3 * (c * value + s * x.values[i + 1]) + 5 : 3 * (c * value - s * x.values[i - 1]) - 2,
    );
    expect(similarity(x, { channels: 2, values: rotated })).toBeCloseTo(1, 6);
  });

  it('is the squared norm of the cross-covariance over those of the covariances', () => {
    const [x, y] = [feature(3, 1), feature(5, 2)];
    // Let them have something in common.
    for (let i = 0; i < 200; i++) y.values[5 * i] = x.values[3 * i] - 0.5 * x.values[3 * i + 1];
    const squaredNorm = (u: SampledFeature, v: SampledFeature): number => {
      const centred = ({ values, channels }: SampledFeature, c: number): number[] => {
        const column = Array.from({ length: 200 }, (_, i) => values[i * channels + c]);
        const mean = column.reduce((sum, value) => sum + value, 0) / 200;
        return column.map(value => value - mean);
      };
      let sum = 0;
      for (let c = 0; c < u.channels; c++) {
        for (let d = 0; d < v.channels; d++) {
          const right = centred(v, d);
          sum += centred(u, c).reduce((product, value, i) => product + value * right[i], 0) ** 2;
        }
      }
      return sum;
    };
    const expected = squaredNorm(x, y) / Math.sqrt(squaredNorm(x, x) * squaredNorm(y, y));
    expect(expected).toBeGreaterThan(0.1);
    expect(similarity(x, y)).toBeCloseTo(expected, 6);
    expect(similarity(y, x)).toBe(similarity(x, y));
  });

  it('is small for unrelated features, and 0 for one that is constant or not finite', () => {
    const x = feature(3, 1);
    expect(similarity(x, feature(5, 2))).toBeLessThan(0.1);
    for (const value of [4, Number.POSITIVE_INFINITY, Number.NaN]) {
      expect(similarity(x, { channels: 1, values: new Float64Array(200).fill(value) })).toBe(0);
    }
  });

  it('compares features of the same samples only', () => {
    expect(() => similarity(feature(3, 1), { channels: 1, values: new Float64Array(3) })).toThrow(/not of the same/);
    expect(() => centredGram({ channels: 2, values: new Float64Array(3) })).toThrow(/does not have 2 channels/);
  });
});
