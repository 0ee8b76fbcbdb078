/**
 * Large weights of linear layers as inputs of a session instead of constants: a session views what it is fed, and copies (and packs) what
 * its model holds, while parents of a hundred million parameters are in many sessions.
 */
import { DataType, type MessageInit } from '../../ir/onnx/proto/schema.ts';

type Model = MessageInit<'ModelProto'>;
type TensorInit = MessageInit<'TensorProto'>;

/** Weights are detached from so many bytes on: of smaller ones copies cost little, and a packed product is faster. */
export const LARGE_WEIGHT = 2 ** 24;

/** Convolutions are left as they are: their kernels are small, and ONNX Runtime lays them out anew where they are constants. */
const products: ReadonlySet<string | undefined> = new Set(['Gemm', 'MatMul']);

export interface Detached {
  readonly model: Model;
  /** What the session must be fed beside its inputs. */
  readonly weights: readonly TensorInit[];
}

/** A model whose large weights are inputs. Only those that products alone read: other operators may need to know theirs. */
export function detachWeights(model: Model, large = LARGE_WEIGHT): Detached {
  const { graph = {} } = model;
  const held = new Set(graph.output?.map(o => o.name));
  for (const node of graph.node ?? [])
    if (!products.has(node.opType)) for (const name of node.input ?? []) held.add(name);
  const isDetached = ({ name, dataType, rawData }: TensorInit): boolean =>
    dataType === DataType.FLOAT && rawData !== undefined && rawData.byteLength >= large && !held.has(name);
  const weights = (graph.initializer ?? []).filter(isDetached);
  if (weights.length === 0) return { model, weights };
  const input = weights.map(({ name, dims = [] }) => ({
    ...(name !== undefined && { name }),
    type: { tensorType: { elemType: DataType.FLOAT, shape: { dim: dims.map(dimValue => ({ dimValue })) } } },
  }));
  return {
    model: {
      ...model,
      graph: {
        ...graph,
        input: [...(graph.input ?? []), ...input],
        initializer: (graph.initializer ?? []).filter(tensor => !isDetached(tensor)),
      },
    },
    weights,
  };
}
