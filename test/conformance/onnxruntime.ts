/** ONNX Runtime on the CPU as an executor of graphs: what is exported is what is run. */
import ort from 'onnxruntime-node';
import type { Graph } from '../../ir/graph.ts';
import { exportOnnx } from '../../ir/onnx/export.ts';
import { type Tensor, type TensorData, tensor } from '../../ir/tensor.ts';
import type { DType } from '../../ir/type.ts';

/** Tensors of these dtypes can be handed to ONNX Runtime's JavaScript interface. */
const passable = [
  'float32',
  'float64',
  'float16',
  'int8',
  'int16',
  'int32',
  'int64',
  'uint8',
  'uint16',
  'uint32',
  'uint64',
  'bool',
] as const satisfies readonly DType[];

export const passes = (dtype: DType): dtype is (typeof passable)[number] =>
  (passable as readonly DType[]).includes(dtype);

export async function runInOnnxRuntime(
  model: Graph | Uint8Array,
  inputs: ReadonlyMap<string, Tensor>,
): Promise<readonly Tensor[]> {
  const bytes = model instanceof Uint8Array ? model : exportOnnx(model);
  const session = await ort.InferenceSession.create(bytes, {
    executionProviders: ['cpu'],
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    graphOptimizationLevel: 'disabled',
    logSeverityLevel: 4,
  });
  try {
    const feeds: Record<string, ort.Tensor> = {};
    for (const name of session.inputNames) {
      const { dtype, shape, data } = inputs.get(name)!;
      if (!passes(dtype)) throw new Error(`a ${dtype} tensor can't be handed to ONNX Runtime`);
      feeds[name] = new ort.Tensor(dtype, data as never, shape);
    }
    const results = await session.run(feeds);
    return session.outputNames.map(name => {
      const { type, dims, data } = results[name];
      if (!passes(type as DType)) throw new Error(`a ${type} tensor can't be taken from ONNX Runtime`);
      return tensor(type as DType, dims, plainBits(type as DType, data) as TensorData);
    });
  } finally {
    await session.release();
  }
}

/** Newer versions of Node have an array of float16; its bits are what a tensor holds. */
const plainBits = (dtype: DType, data: unknown): unknown =>
  dtype === 'float16' && ArrayBuffer.isView(data) && !(data instanceof Uint16Array)
    ? new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2)
    : data;
