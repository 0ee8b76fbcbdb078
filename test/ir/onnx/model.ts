/** Models by hand, for tests of what exporters write. */
import type { Graph } from '../../../ir/graph.ts';
import { type ImportOptions, importModel } from '../../../ir/onnx/import.ts';
import { decodeModel, encodeModel } from '../../../ir/onnx/proto/codec.ts';
import { AttributeType, DataType, type MessageInit } from '../../../ir/onnx/proto/schema.ts';
import type { ImportWarning } from '../../../ir/onnx/report.ts';
import { writeTensor } from '../../../ir/onnx/tensor.ts';
import type { Tensor } from '../../../ir/tensor.ts';
import { verify } from '../../../ir/verify.ts';

export type Model = MessageInit<'ModelProto'>;
type NodeInit = MessageInit<'NodeProto'>;
type AttributeInit = MessageInit<'AttributeProto'>;

/** A float as an attribute; a plain number is an integer. */
export const f = (value: number) => ({ float: value });

type GraphInit = MessageInit<'GraphProto'>;
type Given =
  | number
  | string
  | readonly number[]
  | { readonly strings: readonly string[] }
  | { readonly float: number }
  | { readonly graph: GraphInit }
  | Tensor;

function attribute(name: string, value: Given): AttributeInit {
  if (typeof value === 'number') return { name, type: AttributeType.INT, i: BigInt(value) };
  if (typeof value === 'string') return { name, type: AttributeType.STRING, s: Buffer.from(value) };
  if ('strings' in value) return { name, type: AttributeType.STRINGS, strings: value.strings.map(s => Buffer.from(s)) };
  if ('graph' in value) return { name, type: AttributeType.GRAPH, g: value.graph };
  if ('float' in value) return { name, type: AttributeType.FLOAT, f: value.float };
  if ('dtype' in value) return { name, type: AttributeType.TENSOR, t: writeTensor(value) };
  const whole = value.every(Number.isInteger);
  return whole
    ? { name, type: AttributeType.INTS, ints: value.map(BigInt) }
    : { name, type: AttributeType.FLOATS, floats: value };
}

/** `node('Conv', 'x w -> y', { group: 1 })`; `_` is an operand that is left out. */
export function node(opType: string, operands: string, attributes: Readonly<Record<string, Given>> = {}): NodeInit {
  const names = (text: string) => text.split(' ').flatMap(n => (n === '' ? [] : [n === '_' ? '' : n]));
  const [input, output] = operands.split('->').map(names);
  return {
    opType,
    name: `${opType}_${output[0]}`,
    input,
    output,
    attribute: Object.entries(attributes).map(([name, value]) => attribute(name, value)),
  };
}

/** A subgraph, its inputs and outputs by name; types are given where a reader wants them. */
export const subgraph = (
  operands: string,
  nodes: readonly NodeInit[],
  types: Readonly<Record<string, MessageInit<'ValueInfoProto'>>> = {},
): { readonly graph: GraphInit } => {
  const named = (text: string) => text.split(' ').flatMap(name => (name ? [types[name] ?? { name }] : []));
  const [input, output] = operands.split('->').map(named);
  return { graph: { name: 'body', input, output, node: nodes } };
};

type Dims = readonly (number | string)[];

/** A tensor value, float32 unless said otherwise. */
export function value(name: string, shape: Dims, elemType: number = DataType.FLOAT): MessageInit<'ValueInfoProto'> {
  const dim = shape.map(d => (typeof d === 'number' ? { dimValue: BigInt(d) } : { dimParam: d }));
  return { name, type: { tensorType: { elemType, shape: { dim } } } };
}

export interface ModelParts {
  readonly opset?: number;
  readonly irVersion?: number;
  readonly inputs: readonly MessageInit<'ValueInfoProto'>[];
  readonly nodes: readonly NodeInit[];
  readonly constants?: Readonly<Record<string, Tensor>>;
  readonly outputs?: readonly string[];
  readonly functions?: readonly MessageInit<'FunctionProto'>[];
}

export function modelOf(parts: ModelParts): Model {
  const { opset = 17, irVersion = 8, inputs, nodes, constants = {}, outputs = ['y'], functions = [] } = parts;
  const domains = [...new Set(functions.map(fn => fn.domain ?? ''))];
  return {
    irVersion: BigInt(irVersion),
    opsetImport: [{ domain: '', version: BigInt(opset) }, ...domains.map(domain => ({ domain, version: 1n }))],
    functions,
    graph: {
      name: 'g',
      input: inputs,
      output: outputs.map(name => ({ name })),
      node: nodes,
      initializer: Object.entries(constants).map(([name, t]) => writeTensor(t, name)),
    },
  };
}

/** Through bytes, as a file would come; the graph is verified. */
export function imported(model: Model, options?: ImportOptions): { graph: Graph; warnings: readonly ImportWarning[] } {
  const { graph, warnings } = importModel(decodeModel(encodeModel(model)), options);
  return { graph: verify(graph), warnings };
}

export const importOf = (parts: ModelParts): Graph => imported(modelOf(parts)).graph;
