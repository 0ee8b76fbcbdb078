/** Files in their own form against what is exported from them, both in ONNX Runtime. */
import { expect } from 'vitest';
import { encodeModel } from '../../../ir/onnx/proto/codec.ts';
import { DataType } from '../../../ir/onnx/proto/schema.ts';
import { type Tensor, tensorFromNumbers } from '../../../ir/tensor.ts';
import { differenceOf } from '../../conformance/difference.ts';
import { runInOnnxRuntime } from '../../conformance/onnxruntime.ts';
import { importOf, type ModelParts, modelOf, value } from './model.ts';

/** Numbers of both signs that do not repeat. */
export const filled = (shape: readonly number[], scale = 1): Tensor =>
  tensorFromNumbers(
    'float32',
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => scale * Math.sin(i * 1.7 + 0.3)),
  );

export const image = [value('x', ['N', 4, 6, 6])];
const x = new Map([['x', filled([2, 4, 6, 6])]]);

/** What is exported gives the same in ONNX Runtime as the file itself. */
export async function compare(parts: ModelParts, inputs: ReadonlyMap<string, Tensor> = x): Promise<void> {
  const model = modelOf(parts);
  const bytes = encodeModel({
    ...model,
    graph: {
      ...model.graph,
      output: (model.graph?.output ?? []).map(o => ({ ...o, type: { tensorType: { elemType: outputType(parts) } } })),
    },
  });
  const expected = await runInOnnxRuntime(bytes, inputs);
  const actual = await runInOnnxRuntime(importOf(parts), inputs);
  expect(actual).toHaveLength(expected.length);
  for (const [i, t] of expected.entries()) {
    expect(differenceOf(actual[i], t, { relative: 1e-4, absolute: 1e-5 })).toBeUndefined();
  }
}

const outputType = ({ nodes }: ModelParts): number =>
  ({ QuantizeLinear: DataType.UINT8, MatMulInteger: DataType.INT32, EyeLike: DataType.INT64 })[
    nodes.at(-1)?.opType ?? ''
  ] ?? DataType.FLOAT;

export type Case = readonly [title: string, parts: ModelParts, inputs?: ReadonlyMap<string, Tensor>];
