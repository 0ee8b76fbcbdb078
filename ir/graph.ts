import type { Dim } from './dim.ts';
import { SutureError } from './errors.ts';
import type { Actuals, Attributes, GivenAttributes, Operand } from './operator.ts';
import type { Operators, OpName } from './ops/index.ts';
import type { Tensor } from './tensor.ts';
import { type TensorType, typeText } from './type.ts';

/** A tensor that flows: a graph input, a constant, or an output of one node. Identity is the object's. */
export class Value implements Operand {
  /** Unique within a graph. */
  readonly name: string;
  readonly type: TensorType;
  /** Set for constants only. */
  readonly constant: Tensor | undefined;
  /** See `Operand.elements`. */
  readonly elements: readonly Dim[] | undefined;

  constructor(
    name: string,
    type: TensorType,
    known: { constant?: Tensor; elements?: readonly Dim[] | undefined } = {},
  ) {
    this.name = name;
    this.type = type;
    this.constant = known.constant;
    this.elements = known.elements;
  }

  toString(): string {
    return `%${this.name}: ${typeText(this.type)}`;
  }
}

export type AttributesOf<K extends OpName> = Attributes<Operators[K]['attributes']>;
export type GivenAttributesOf<K extends OpName> = GivenAttributes<Operators[K]['attributes']>;
export type InputsOf<K extends OpName> = Actuals<Operators[K]['inputs'], Value>;

/** Where a node came from: what the file said of it, and which parent the file was. */
export interface Origin {
  /** The parent's tag (`a`, `b`, ...) once networks are joined. */
  readonly parent?: string;
  /** The name of the node in its file. */
  readonly name: string;
  readonly documentation?: string;
  /** ONNX `metadata_props`; PyTorch writes module scopes here. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Set where the node computes again what another of this origin has computed, so that it need not be kept. */
  readonly recomputed?: true;
  /** Set where the node brings the answers of several networks together, or to what all of them mean. */
  readonly combines?: true;
}

export interface Node<K extends OpName = OpName> {
  readonly op: K;
  /** In the order of the operator's formals; undefined where an optional operand is absent. */
  readonly inputs: readonly (Value | undefined)[];
  readonly outputs: readonly Value[];
  readonly attributes: AttributesOf<K>;
  readonly name: string;
  readonly origin: Origin | undefined;
}

/** A node whose attributes are known once `op` has been compared. */
export type AnyNode = { [K in OpName]: Node<K> }[OpName];

/** A copy of a node with some of it changed. Types are those that the change leaves it: a builder infers them anew (`reinfer`). */
export const nodeWith = (
  node: AnyNode,
  changes: Partial<Omit<Node, 'attributes'>> & { readonly attributes?: object },
): AnyNode => ({ ...node, ...changes }) as AnyNode;

/** An input that every node of this operator has; `node.inputs` is for those that may be absent. */
export function inputAt(node: Pick<Node, 'inputs'> & { readonly op: string }, index: number): Value {
  const value = node.inputs[index];
  if (value === undefined) throw new RangeError(`${node.op} has no input ${index}`);
  return value;
}

export const isOp = <K extends OpName>(node: Node, op: K): node is Node<K> => node.op === op;

/** An output is a name for a value, so that names survive whatever is done to the value's node. */
export interface Output {
  readonly name: string;
  readonly value: Value;
}

/** What a file says of the model as a whole; kept for export. */
export interface GraphInfo {
  readonly documentation?: string;
  readonly producer?: string;
  /** The name space that the producer published the model in, and its version there. */
  readonly domain?: string;
  readonly version?: bigint;
  /** ONNX `metadata_props` of the model. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** What the file says of the graph, apart from the model that it is in. */
  readonly graph?: { readonly documentation?: string; readonly metadata?: Readonly<Record<string, string>> };
  /** What the file says of single values (documentation, metadata), by value name. */
  readonly values?: Readonly<Record<string, { documentation?: string; metadata?: Readonly<Record<string, string>> }>>;
}

export interface GraphParts {
  readonly name: string;
  readonly inputs: readonly Value[];
  readonly nodes: readonly AnyNode[];
  readonly outputs: readonly Output[];
  readonly info?: GraphInfo;
}

/**
 * A dataflow graph in static single assignment form: nodes in topological order over typed values. Immutable; passes return
 * new graphs that share what they did not change. Constants need no list: they are the constant values that nodes and
 * outputs refer to.
 */
export class Graph {
  readonly name: string;
  readonly inputs: readonly Value[];
  readonly nodes: readonly AnyNode[];
  readonly outputs: readonly Output[];
  readonly info: GraphInfo;
  #producers: Map<Value, AnyNode> | undefined;
  #consumers: Map<Value, AnyNode[]> | undefined;

  constructor(parts: GraphParts) {
    this.name = parts.name;
    this.inputs = parts.inputs;
    this.nodes = parts.nodes;
    this.outputs = parts.outputs;
    this.info = parts.info ?? {};
  }

  /** The node that computes a value; undefined for inputs and constants. */
  producer(value: Value): AnyNode | undefined {
    if (!this.#producers) {
      this.#producers = new Map();
      for (const node of this.nodes) for (const output of node.outputs) this.#producers.set(output, node);
    }
    return this.#producers.get(value);
  }

  /** The nodes that read a value, each once, in order. Being a graph output does not count. */
  consumers(value: Value): readonly AnyNode[] {
    if (!this.#consumers) {
      this.#consumers = new Map();
      for (const node of this.nodes) {
        for (const input of new Set(node.inputs)) {
          if (input === undefined) continue;
          const readers = this.#consumers.get(input);
          if (readers) readers.push(node);
          else this.#consumers.set(input, [node]);
        }
      }
    }
    return this.#consumers.get(value) ?? [];
  }

  /** Every value once: inputs, then constants and node outputs in order of first use. */
  values(): Set<Value> {
    const all = new Set(this.inputs);
    for (const node of this.nodes) {
      for (const input of node.inputs) if (input) all.add(input);
      for (const output of node.outputs) all.add(output);
    }
    for (const { value } of this.outputs) all.add(value);
    return all;
  }

  /** The constants that the graph refers to, in order of first use. */
  constants(): (Value & { readonly constant: Tensor })[] {
    return [...this.values()].filter((v): v is Value & { readonly constant: Tensor } => v.constant !== undefined);
  }

  /** The value of that name. Throws when there is none. */
  value(name: string): Value {
    for (const value of this.values()) if (value.name === name) return value;
    throw new SutureError('graph-invalid', `The graph '${this.name}' has no value named '${name}'.`);
  }

  input(name: string): Value {
    const found = this.inputs.find(v => v.name === name);
    if (!found) throw new SutureError('graph-invalid', `The graph '${this.name}' has no input named '${name}'.`);
    return found;
  }

  output(name: string): Value {
    const found = this.outputs.find(o => o.name === name);
    if (!found) throw new SutureError('graph-invalid', `The graph '${this.name}' has no output named '${name}'.`);
    return found.value;
  }

  /** The same graph with some parts replaced. */
  with(parts: Partial<GraphParts>): Graph {
    return new Graph({
      name: this.name,
      inputs: this.inputs,
      nodes: this.nodes,
      outputs: this.outputs,
      info: this.info,
      ...parts,
    });
  }
}
