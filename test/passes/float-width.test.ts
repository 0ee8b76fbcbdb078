import { describe, expect, test } from 'vitest';
import {
  float32,
  type Graph,
  GraphBuilder,
  numbersOf,
  print,
  symbol,
  tensorFromNumbers,
  verify,
} from '../../ir/index.ts';
import { narrow, widen, widenRounded } from '../../passes/float-width.ts';
import { draw } from './networks.ts';
import { random, relativeError, runOrt } from './ort.ts';

const next = random(3);
const half = (...shape: number[]) => {
  const { data } = draw(next, ...shape);
  return tensorFromNumbers('float16', shape, data);
};

/** A network that is float16 inside: with casts at both ends, or from end to end. */
function narrowNetwork(ends: 'float32' | 'float16', inside: 'float16' | 'bfloat16' = 'float16'): Graph {
  const b = new GraphBuilder('net');
  const x = b.input('x', { dtype: ends, shape: [symbol('N'), 3, 8, 8] });
  const first = ends === inside ? x : b.op('Cast', [x], { to: inside }, { name: 'down' });
  const constant = (...shape: number[]) =>
    b.constant(tensorFromNumbers(inside, shape, numbersOf(half(...shape))), 'weight');
  const conv = b.op('Conv', [first, constant(4, 3, 3, 3), constant(4)], { pads: [1, 1, 1, 1] }, { name: 'conv' });
  const filled = b.op('ConstantOfShape', [b.op('Shape', [conv])], { value: tensorFromNumbers(inside, [1], [0.25]) });
  const sum = b.op('Add', [b.op('LeakyRelu', [conv], { alpha: 0.01 }), filled], {}, { name: 'sum' });
  const resized = b.op('Resize', [sum, undefined, b.constant(float32([4], [1, 1, 2, 2]), 'scales')], {
    mode: 'linear',
  });
  b.output('y', ends === inside ? resized : b.op('Cast', [resized], { to: ends }, { name: 'up' }));
  return verify(b.build());
}

describe('widen', () => {
  test.each(['float32', 'float16'] as const)('computes what the float16 network computes, with %s ends', async ends => {
    const network = narrowNetwork(ends);
    const wide = verify(widen(network));
    expect(print(wide)).not.toContain('float16');
    const images = draw(next, 2, 3, 8, 8);
    const given = tensorFromNumbers(ends, images.shape, images.data);
    const { y: want } = await runOrt(network, { x: given });
    const { y: got } = await runOrt(wide, { x: float32(images.shape, Float32Array.from(numbersOf(given))) });
    const numbers = ends === 'float16' ? float16Numbers(want.data) : want.data;
    expect(got.shape).toEqual([2, 4, 16, 16]);
    expect(relativeError(got.data, numbers)).toBeLessThan(5e-3);
  });

  test('keeps names, nodes and symbols', () => {
    const network = narrowNetwork('float16');
    const wide = widen(network);
    expect(wide.nodes.map(n => n.name)).toEqual(network.nodes.map(n => n.name));
    expect([...wide.values()].map(v => v.name)).toEqual([...network.values()].map(v => v.name));
    expect(wide.inputs[0].type).toEqual({ dtype: 'float32', shape: [symbol('N'), 3, 8, 8] });
  });

  test('reads bfloat16 likewise', () => {
    expect(print(verify(widen(narrowNetwork('float32', 'bfloat16'))))).not.toContain('bfloat16');
  });

  test('returns the same graph where nothing is narrow', () => {
    const wide = widen(narrowNetwork('float32'));
    expect(widen(wide)).toBe(wide);
  });
});

describe('widenRounded', () => {
  const rounded = (values: ArrayLike<number>): Float64Array =>
    Float64Array.from(numbersOf(tensorFromNumbers('float16', [values.length], values)));

  test.each(['float32', 'float16'] as const)('rounds every feature, as by hand: %s ends', async ends => {
    const b = new GraphBuilder('net');
    const x = b.input('x', { dtype: ends, shape: [symbol('N')] });
    const first = ends === 'float16' ? x : b.op('Cast', [x], { to: 'float16' });
    const constant = (value: number) => b.constant(tensorFromNumbers('float16', [1], [value]), 'c');
    const scaled = b.op('Mul', [first, constant(1.001)]);
    const sum = b.op('Add', [scaled, constant(37)]);
    b.output('y', b.op('Cast', [b.op('Sub', [sum, constant(37)])], { to: ends }));
    const graph = verify(widenRounded(b.build()));
    expect(graph.inputs[0].type.dtype).toBe('float32');
    const values = draw(next, 64).data as Float32Array;
    const { y } = await runOrt(graph, { x: float32([64], values) });
    const [factor] = rounded([1.001]);
    const products = rounded(rounded(values).map(value => value * factor));
    const sums = rounded(products.map(value => value + 37));
    expect([...y.data]).toEqual([...rounded(sums.map(value => value - 37))]);
  });

  test('shows what is beyond the range, and leaves float32 alone', async () => {
    const b = new GraphBuilder('net');
    const x = b.input('x', { dtype: 'float32', shape: [symbol('N')] });
    const large = b.op('Mul', [x, b.constant(float32([1], [300]), 'c')], {}, { name: 'large' });
    b.output('y', b.op('Mul', [large, b.constant(float32([1], [0.001]), 'd')]));
    const wide = b.build();
    expect(widenRounded(wide)).toBe(wide);
    const half = narrow(wide, { keep: () => false, input: 'float32', output: 'float32' });
    const { y } = await runOrt(widenRounded(half), { x: float32([2], [1, 300]) });
    expect(y.data[0]).toBeCloseTo(0.3, 3);
    expect(y.data[1]).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('narrow', () => {
  test.each([
    ['float32', 'float32'],
    ['float16', 'float16'],
    ['float32', 'float16'],
  ] as const)('computes what the float32 network computes: %s in, %s out', async (input, output) => {
    const wide = widen(narrowNetwork('float16'));
    const graph = verify(narrow(wide, { keep: node => node.name === 'sum', input, output }));
    expect(graph.inputs[0].type.dtype).toBe(input);
    expect(graph.output('y').type.dtype).toBe(output);
    const dtypeOf = (name: string) => graph.nodes.find(n => n.name === name)!.outputs[0].type.dtype;
    expect([dtypeOf('conv'), dtypeOf('sum'), dtypeOf('resize')]).toEqual(['float16', 'float32', 'float16']);
    const images = draw(next, 2, 3, 8, 8);
    const { y: want } = await runOrt(wide, { x: images });
    const { y: got } = await runOrt(graph, { x: tensorFromNumbers(input, images.shape, images.data) });
    const numbers = output === 'float16' ? float16Numbers(got.data) : got.data;
    expect(relativeError(numbers, want.data)).toBeLessThan(5e-3);
  });

  test('refuses what float16 cannot hold', () => {
    const b = new GraphBuilder('net');
    const x = b.input('x', { dtype: 'float32', shape: [symbol('N'), 3] });
    b.output('y', b.op('Add', [x, b.constant(float32([1], [-1e9]), 'mask')]));
    const options = { keep: () => false, input: 'float32', output: 'float32' } as const;
    expect(() => narrow(b.build(), options)).toThrow(/'mask' holds -1000000000, and float16 ends at 65504/);
  });
});

/** ONNX Runtime hands float16 over as bits. */
const float16Numbers = (bits: Float64Array): Float64Array =>
  Float64Array.from(numbersOf({ dtype: 'float16', shape: [bits.length], data: Uint16Array.from(bits) }));
