import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { float32, GraphBuilder, numbersOf, symbol, type Value } from '../../../ir/index.ts';
import { importOnnx } from '../../../ir/onnx/file.ts';
import {
  allStitched,
  kaimingStitches,
  match,
  settingTensors,
  simplify,
  specialize,
  stitch,
} from '../../../passes/index.ts';
import { regroupedValues, restrictedValues } from '../../../passes/match/domains.ts';
import { featureGraph } from '../../../passes/match/features.ts';
import { evaluateGraph } from '../../ir/evaluate/graph.ts';
import { random } from '../ort.ts';

const tokens = { dtype: 'float32' as const, shape: [symbol('N'), 5, 8] };

function restrictedIn(build: (b: GraphBuilder, x: Value) => Value): string[] {
  const b = new GraphBuilder('net');
  b.output(
    'y',
    b.op('MatMul', [build(b, b.input('x', tokens)), b.constant(float32([8, 2], new Float32Array(16)), 'w')]),
  );
  return [...restrictedValues(b.build())].map(value => value.name);
}

/** As exporters write it where the operator set has no word for it. */
function layerNorm(b: GraphBuilder, x: Value): Value {
  const centred = b.op(
    'Sub',
    [x, b.op('ReduceMean', [x, b.ints([-1])], {}, { name: 'mean' })],
    {},
    { name: 'centred' },
  );
  const squares = b.op('Pow', [centred, b.scalar(2)], {}, { name: 'squares' });
  const variance = b.op('ReduceMean', [squares, b.ints([-1])], {}, { name: 'variance' });
  const root = b.op('Sqrt', [b.op('Add', [variance, b.scalar(1e-5)], {}, { name: 'shifted' })], {}, { name: 'root' });
  return b.op('Div', [centred, root], {}, { name: 'normal' });
}

describe('features that must stay in a part of all numbers', () => {
  test('in a decomposed layer normalisation: what becomes the variance and its root', () => {
    expect(restrictedIn(layerNorm).sort()).toEqual(['root', 'shifted', 'squares', 'variance']);
    const b = new GraphBuilder('net');
    b.output('y', b.op('Tanh', [layerNorm(b, b.op('Relu', [b.input('x', tokens)], {}, { name: 'relu' }))]));
    const { values, keys } = featureGraph(b.build());
    expect(values.filter((_, v) => keys[v] !== undefined).map(v => v.name)).toEqual([
      'relu',
      'mean',
      'centred',
      'normal',
    ]);
  });

  test('what is divided by, and what the logarithm is taken of', () => {
    expect(restrictedIn((b, x) => b.op('Div', [x, b.op('ReduceL2', [x, b.ints([-1])], {}, { name: 'norm' })]))).toEqual(
      ['norm'],
    );
    expect(restrictedIn((b, x) => b.op('Log', [b.op('Exp', [x], {}, { name: 'exp' })]))).toEqual(['exp']);
    expect(restrictedIn((b, x) => b.op('Pow', [b.op('Sigmoid', [x], {}, { name: 's' }), b.scalar(0.5)]))).toEqual([
      's',
    ]);
  });

  test('not what any number may be put for', () => {
    expect(restrictedIn((b, x) => b.op('Div', [x, b.scalar(3)]))).toEqual([]);
    expect(restrictedIn((b, x) => b.op('Pow', [x, b.scalar(3)]))).toEqual([]);
    const squared = restrictedIn((b, x) => {
      const centred = b.op('Neg', [x], {}, { name: 'centred' });
      return b.op('Sqrt', [b.op('Mul', [centred, centred], {}, { name: 'square' })]);
    });
    expect(squared).toEqual(['square']);
    expect(restrictedIn((b, x) => b.op('Softmax', [b.op('Add', [x, b.op('Exp', [x])])]))).toEqual([]);
  });
});

describe('features regrouped for a normalisation', () => {
  /** As exporters write group normalisation where the operator set has no word for it. */
  function grouped(channels: number) {
    const b = new GraphBuilder('net');
    const x = b.input('x', { dtype: 'float32', shape: [symbol('N'), 1, 4, 4] });
    const convolved = (from: Value, to: number, name: string): Value => {
      const inner = from.type.shape[1] as number;
      return b.op('Conv', [from, b.constant(float32([to, inner, 1, 1], new Float32Array(to * inner)))], {}, { name });
    };
    const feature = convolved(x, channels, 'feature');
    const groups = b.op('Reshape', [feature, b.ints([0, 2, -1])], {}, { name: 'groups' });
    const ones = b.constant(float32([2], [1, 1]));
    const normal = b.op(
      'InstanceNormalization',
      [groups, ones, b.constant(float32([2], [0, 0]))],
      {},
      { name: 'normal' },
    );
    const back = b.op('Reshape', [normal, b.op('Shape', [feature])], {}, { name: 'back' });
    b.output('y', convolved(b.op('Relu', [back], {}, { name: 'relu' }), 3, 'head'));
    return b.build();
  }

  test('are matched with nothing; what they come from and become is', () => {
    const graph = grouped(4);
    expect([...regroupedValues(graph)].map(v => v.name)).toEqual(['groups', 'normal']);
    const { pairs } = match(graph, grouped(6));
    expect(pairs.map(({ features: { a, b } }) => [a, b])).toEqual(
      ['feature', 'back', 'relu'].map(name => [name, name]),
    );
  });
});

const fixture = (name: string) => new URL(`../../../fixtures/models/${name}.onnx`, import.meta.url);

describe.skipIf(!existsSync(fixture('vit_13')))('two vision transformers with decomposed normalisations', () => {
  test('give finite numbers with random stitches at every position', () => {
    const parent = (tag: string) => ({ tag, graph: simplify(importOnnx(fixture('vit_13').pathname).graph) });
    const [a, b] = [parent('a'), parent('b')];
    const network = stitch([a, b], match(a.graph, b.graph).pairs);
    expect(network.positions.length).toBeGreaterThan(20);
    const graph = specialize(network.graph, { N: 1 });
    const [x] = graph.inputs;
    const draw = random(3);
    const shape = x.type.shape as readonly number[];
    const image = float32(
      shape,
      Array.from({ length: shape.reduce((p, q) => p * q, 1) }, () => 2 * draw() - 1),
    );
    const results = evaluateGraph(graph, {
      [x.name]: image,
      ...Object.fromEntries(settingTensors(network, allStitched(network))),
      ...Object.fromEntries(kaimingStitches(network, random(1))),
    });
    for (const result of results.values()) expect(Array.from(numbersOf(result)).every(Number.isFinite)).toBe(true);
  });
});
