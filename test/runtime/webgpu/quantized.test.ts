/** Quantised models from the file to the numbers on WebGPU, against ONNX Runtime on the file itself. */
import { expect, test } from 'vitest';
import { encodeModel } from '../../../ir/onnx/proto/codec.ts';
import { DataType } from '../../../ir/onnx/proto/schema.ts';
import { float32, numbersOf, type Tensor, tensorFromNumbers } from '../../../ir/tensor.ts';
import type { DType } from '../../../ir/type.ts';
import { runInOnnxRuntime } from '../../conformance/onnxruntime.ts';
import { runOnWebgpu } from '../../conformance/webgpu.ts';
import { importOf, type ModelParts, modelOf, node, value } from '../../ir/onnx/model.ts';
import { executors, numbers } from '../oracle.ts';

const whole = (dtype: DType, shape: readonly number[], seed: number, low: number, high: number): Tensor => {
  const count = shape.reduce((a, b) => a * b, 1);
  return tensorFromNumbers(dtype, shape, numbers(count, seed, low, high).map(Math.floor));
};
const bytes = (shape: readonly number[], seed: number): Tensor => whole('uint8', shape, seed, 0, 256);
/** Seven bits: ONNX Runtime saturates sums of two products of eight where the processor has no better instruction. */
const signed = (shape: readonly number[], seed: number): Tensor => whole('int8', shape, seed, -60, 60);
const one = (dtype: DType, v: number): Tensor => tensorFromNumbers(dtype, [], [v]);

const scales = { xs: one('float32', 0.02), ws: one('float32', 0.03), ys: one('float32', 0.9) };
const zeros = { xz: one('uint8', 120), wz: one('int8', 3), yz: one('uint8', 117) };
const given = (name: string, shape: readonly number[]) => [value(name, shape, DataType.UINT8)];

const cases: readonly [string, ModelParts, Tensor, number][] = [
  [
    'MatMulInteger',
    {
      opset: 13,
      inputs: given('x', [2, 5, 40]),
      constants: { w: signed([40, 7], 2), ...zeros },
      nodes: [node('MatMulInteger', 'x w xz wz -> y')],
    },
    bytes([2, 5, 40], 1),
    DataType.INT32,
  ],
  [
    'QLinearMatMul',
    {
      opset: 13,
      inputs: given('x', [5, 40]),
      constants: { w: signed([40, 7], 2), ...zeros, ...scales },
      nodes: [node('QLinearMatMul', 'x xs xz w ws wz ys yz -> y')],
    },
    bytes([5, 40], 1),
    DataType.UINT8,
  ],
  [
    'ConvInteger with sums beyond 2^24',
    {
      opset: 13,
      inputs: given('x', [1, 64, 5, 5]),
      constants: {
        w: whole('uint8', [2, 64, 3, 3], 3, 253, 256),
        z: one('uint8', 0),
      },
      nodes: [node('ConvInteger', 'x w z -> y', { pads: [1, 1, 1, 1] })],
    },
    whole('uint8', [1, 64, 5, 5], 4, 251, 256),
    DataType.INT32,
  ],
  [
    'QLinearConv with a bias',
    {
      opset: 13,
      inputs: given('x', [1, 6, 5, 5]),
      constants: {
        w: signed([4, 6, 3, 3], 3),
        b: whole('int32', [4], 5, -3000, 3000),
        ...zeros,
        ...scales,
        wz: one('int8', 0),
      },
      nodes: [node('QLinearConv', 'x xs xz w ws wz ys yz b -> y', { pads: [1, 1, 1, 1] })],
    },
    bytes([1, 6, 5, 5], 4),
    DataType.UINT8,
  ],
  [
    'a network that quantises and dequantises',
    {
      opset: 13,
      inputs: [value('x', [2, 3, 6, 6])],
      constants: {
        w: signed([4, 3, 3, 3], 3),
        b: whole('int32', [4], 5, -900, 900),
        bs: one('float32', 0.0006),
        v: signed([144, 5], 6),
        ...zeros,
        ...scales,
        wz: one('int8', 0),
        shape: tensorFromNumbers('int64', [2], [0, -1]),
      },
      nodes: [
        node('QuantizeLinear', 'x xs xz -> xq'),
        node('DequantizeLinear', 'xq xs xz -> xd'),
        node('DequantizeLinear', 'w ws wz -> wd'),
        node('DequantizeLinear', 'b bs -> bd'),
        node('Conv', 'xd wd bd -> c', { pads: [1, 1, 1, 1] }),
        node('Relu', 'c -> r'),
        node('Reshape', 'r shape -> f'),
        node('QuantizeLinear', 'f ys yz -> fq'),
        node('DequantizeLinear', 'fq ys yz -> fd'),
        node('DequantizeLinear', 'v ws wz -> vd'),
        node('MatMul', 'fd vd -> y'),
      ],
    },
    float32([2, 3, 6, 6], numbers(216, 9)),
    DataType.FLOAT,
  ],
];

test.each(cases)('%s', async (_title, parts, x, elemType) => {
  const model = modelOf(parts);
  const output = (model.graph?.output ?? []).map(o => ({ ...o, type: { tensorType: { elemType } } }));
  const inputs = new Map([['x', x]]);
  const [expected] = await runInOnnxRuntime(encodeModel({ ...model, graph: { ...model.graph, output } }), inputs);
  const { webgpu } = await executors();
  const [actual] = await runOnWebgpu(webgpu)(importOf(parts), inputs);
  expect(actual.dtype).toBe(expected.dtype);
  expect(actual.shape).toEqual(expected.shape);
  if (elemType === DataType.FLOAT) {
    const [a, b] = [actual, expected].map(t => Array.from(numbersOf(t)));
    const largest = Math.max(...b.map(Math.abs));
    expect(Math.max(...b.map((v, i) => Math.abs(v - a[i]))) / largest).toBeLessThan(1e-5);
  } else expect(actual.data).toEqual(expected.data);
});
