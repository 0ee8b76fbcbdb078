/** A node of a file between reading and building: operands resolved, attributes read, in the form of some ONNX version. */
import type { GraphBuilder, NodeOptions } from '../builder.ts';
import type { Value } from '../graph.ts';
import type { Tensor } from '../tensor.ts';
import type { DType } from '../type.ts';
import type { AttributeValue } from './attributes.ts';
import type { GraphProto } from './proto/schema.ts';
import type { ImportReport } from './report.ts';

export type Inputs = readonly (Value | undefined)[];

/** Immutable; upgrades return new ones. */
export class NodeForm {
  readonly inputs: Inputs;
  readonly attributes: ReadonlyMap<string, AttributeValue>;
  /** Names for the outputs in the graph; empty for one that is not wanted. */
  readonly outputs: readonly string[];

  constructor(inputs: Inputs, attributes: ReadonlyMap<string, AttributeValue>, outputs: readonly string[]) {
    this.inputs = inputs;
    this.attributes = attributes;
    this.outputs = outputs;
  }

  int(name: string): number | undefined {
    const value = this.attributes.get(name);
    return value?.kind === 'int' ? value.value : undefined;
  }

  float(name: string): number | undefined {
    const value = this.attributes.get(name);
    return value?.kind === 'float' ? value.value : undefined;
  }

  string(name: string): string | undefined {
    const value = this.attributes.get(name);
    return value?.kind === 'string' ? value.value : undefined;
  }

  ints(name: string): readonly number[] | undefined {
    const value = this.attributes.get(name);
    return value?.kind === 'ints' ? value.value : undefined;
  }

  floats(name: string): readonly number[] | undefined {
    const value = this.attributes.get(name);
    return value?.kind === 'floats' ? value.value : undefined;
  }

  strings(name: string): readonly string[] | undefined {
    const value = this.attributes.get(name);
    return value?.kind === 'strings' ? value.value : undefined;
  }

  graph(name: string): GraphProto | undefined {
    const value = this.attributes.get(name);
    return value?.kind === 'graph' ? value.value : undefined;
  }

  tensor(name: string): Tensor | undefined {
    const value = this.attributes.get(name);
    return value?.kind === 'tensor' ? value.value : undefined;
  }

  /** With some inputs replaced by position. */
  withInputs(changes: Readonly<Record<number, Value | undefined>>): NodeForm {
    const inputs = [...this.inputs];
    for (const [at, value] of Object.entries(changes)) inputs[Number(at)] = value;
    return new NodeForm(inputs, this.attributes, this.outputs);
  }

  withAttribute(name: string, value: AttributeValue): NodeForm {
    return new NodeForm(this.inputs, new Map(this.attributes).set(name, value), this.outputs);
  }

  without(...names: readonly string[]): NodeForm {
    const attributes = new Map(this.attributes);
    for (const name of names) attributes.delete(name);
    return new NodeForm(this.inputs, attributes, this.outputs);
  }

  withOutputs(outputs: readonly string[]): NodeForm {
    return new NodeForm(this.inputs, this.attributes, outputs);
  }
}

/** What an upgrade may use besides the form. */
export interface FormContext {
  /** Nodes that it adds come before the node itself. */
  readonly builder: GraphBuilder;
  readonly report: ImportReport;
  /** The node, for messages: `Conv 'conv1'`. */
  readonly where: string;
  /** The version of the operator set that the node's file asks for. */
  readonly opset: number;
  /** A rank-1 int64 constant, named after the node. */
  ints(values: readonly number[], what: string): Value;
  /** A scalar constant of a dtype, named after the node. */
  scalar(dtype: DType, value: number, what: string): Value;
  constant(tensor: Tensor, what: string): Value;
  /** Options for the node that computes an output of the file's node (the first, if not said): its names and its origin. */
  result(output?: number): NodeOptions;
  /** What `body` builds has names that begin with the node's. */
  within<T>(body: (builder: GraphBuilder) => T): T;
  /** Options for a node on the way there. */
  named(what: string): NodeOptions;
  /** Whether anything in the file reads the node's output at a position. */
  isUsed(output: number): boolean;
  /** Whether a matrix product of the file reads the node's first output as rows of that many elements. */
  isMatrixOf(columns: number): boolean;
  /** Before something is unrolled: into so many steps of so many nodes. */
  unrolled(steps: number, nodes: number): void;
  /** Before constants of so many bytes are made that the file does not hold. */
  computes(bytes: number): void;
  /** Adds the nodes of a subgraph for given inputs, under names that begin with the node's and `label`; returns its outputs. */
  subgraph(graph: GraphProto, inputs: readonly Value[], label: string): readonly Value[];
  /** Ends with a problem of this node. */
  refuse(message: string): never;
}

/**
 * Brings a form of an older version to that of `since`. Where no form of one node says the same, it builds the nodes and
 * returns the values of the outputs.
 */
export interface Upgrade {
  readonly since: number;
  readonly apply: (form: NodeForm, context: FormContext) => NodeForm | readonly Value[];
}

/** For upgrades that apply to every version: what is written in several ways, or dropped. */
export const ALWAYS = Number.POSITIVE_INFINITY;

/** How an operator that the vocabulary has no word for is said in its words. */
export interface ForeignRule {
  /** The first version whose form is read. */
  readonly since: number;
  /** Builds the nodes; returns a value for each output, those that are not wanted left out. */
  readonly build: (form: NodeForm, context: FormContext) => readonly (Value | undefined)[];
}

/** The inputs of a node by position; ends with a problem when one of the first `required` is missing. */
export function requireInputs(form: NodeForm, required: number, context: FormContext): Inputs {
  for (let i = 0; i < required; i++) if (form.inputs[i] === undefined) context.refuse(`its input ${i + 1} is missing`);
  return form.inputs;
}
