import { type Dim, isStatic, symbol, symbolsOf } from './dim.ts';
import { printable, SutureError } from './errors.ts';
import {
  type AnyNode,
  type AttributesOf,
  type GivenAttributesOf,
  Graph,
  type GraphInfo,
  type InputsOf,
  type Node,
  nodeWith,
  type Origin,
  type Output,
  Value,
} from './graph.ts';
import { type AttributeSpecs, type InferContext, type Inferred, type Operand, requirePossible } from './operator.ts';
import { type OpName, operators } from './ops/index.ts';
import { int64s, sameTensor, type Tensor, tensorFromNumbers, tensorType } from './tensor.ts';
import { type DType, sameShape, sameType, type TensorType } from './type.ts';

export interface NodeOptions {
  /** The node's name, and the stem of its outputs' names. Made unique where it is taken already. */
  readonly name?: string;
  /** Names for the outputs, made unique where taken. Their number is the number of outputs. */
  readonly outputs?: readonly string[];
  readonly origin?: Origin | undefined;
}

/** The type rule of an operator in a form that does not depend on which operator it is. */
type UntypedInfer = (
  inputs: readonly (Operand | undefined)[],
  attributes: object,
  context: InferContext,
) => readonly Inferred[];

/** Values, nodes and symbols have names of their own. */
type NameSpace = 'value' | 'node' | 'symbol';

/** The names of one kind that are taken. They are never given back. */
class Names {
  readonly #taken = new Set<string>();
  /** The number to try next for a stem that is taken. */
  readonly #counts = new Map<string, number>();

  take(name: string): void {
    this.#taken.add(name);
  }

  unique(stem: string): string {
    let name = stem;
    let i = this.#counts.get(stem) ?? 1;
    while (this.#taken.has(name)) name = `${stem}_${i++}`;
    if (name !== stem) this.#counts.set(stem, i);
    this.#taken.add(name);
    return name;
  }
}

/**
 * Builds a graph node by node. Types are inferred as nodes are added, so a graph that was built is a graph that type-checks.
 */
export class GraphBuilder {
  readonly #name: string;
  readonly #info: GraphInfo;
  readonly #inputs: Value[] = [];
  readonly #nodes: AnyNode[] = [];
  readonly #outputs: Output[] = [];
  readonly #producers = new Map<Value, AnyNode>();
  readonly #names = { value: new Names(), node: new Names(), symbol: new Names() };
  readonly #scopes: { readonly name: string; readonly origin: Omit<Origin, 'name'> | undefined }[] = [];
  /** Whose names are taken, until they are entered, which is when a name is first made. */
  #rewritten: Graph | undefined;

  /**
   * @param rewritten the graph that this one is to stand for. Its names are taken from the start: what is made on the way must not steal the
   * name of a node that comes later.
   */
  constructor(name: string, info: GraphInfo = {}, rewritten?: Graph) {
    this.#name = name;
    this.#info = info;
    this.#rewritten = rewritten;
  }

  input(name: string, type: TensorType): Value {
    const value = new Value(this.unique(name), type);
    this.reserveSymbols(type);
    this.#inputs.push(value);
    return value;
  }

  /** Takes a value of another graph over as an input of this one. */
  adoptInput(value: Value): Value {
    this.reserve(value.name);
    this.reserveSymbols(value.type);
    this.#inputs.push(value);
    return value;
  }

  constant(tensor: Tensor, name = 'constant'): Value {
    return new Value(this.unique(this.#scoped(name)), tensorType(tensor), { constant: tensor });
  }

  /** A constant of rank 0. */
  number(value: number, dtype: DType, name?: string): Value {
    return this.constant(tensorFromNumbers(dtype, [], [value]), name);
  }

  /** A rank-0 float32 constant. */
  scalar(value: number): Value {
    return this.number(value, 'float32', `c${value}`);
  }

  /** A rank-1 int64 constant: axes, pads, shapes. */
  ints(values: readonly number[]): Value {
    return this.constant(int64s(values), 'ints');
  }

  /** Adds a node with one output and returns it. */
  op<K extends OpName>(op: K, inputs: InputsOf<K>, ...rest: AttributesArgument<K>): Value {
    return this.ops(op, inputs, ...rest)[0];
  }

  /** Adds a node and returns all its outputs. */
  ops<K extends OpName>(op: K, inputs: InputsOf<K>, ...[attributes, options]: AttributesArgument<K>): readonly Value[] {
    return this.node(op, inputs as readonly (Value | undefined)[], (attributes ?? {}) as GivenAttributesOf<K>, options)
      .outputs;
  }

  /** Adds a node whose operator is known at run time only; the verifier's rules are checked here. */
  node<K extends OpName>(
    op: K,
    inputs: readonly (Value | undefined)[],
    attributes: GivenAttributesOf<K>,
    options: NodeOptions = {},
  ): Node<K> {
    const full = withDefaults(op, attributes);
    const required = operators[op].outputs.filter(f => !f.endsWith('?') && !f.startsWith('...')).length;
    const name = this.unique(this.#scoped(options.name ?? op.toLowerCase()), 'node');
    const count = Math.max(options.outputs?.length ?? 0, required);
    const types = inferTypes({ op, name, inputs, attributes: full, outputs: { length: count } }, () => this.#fresh());
    const outputs = types.map(({ elements, ...type }, i) => {
      const stem = options.outputs?.[i] ?? (types.length > 1 ? `${name}_${i}` : name);
      return new Value(this.unique(stem), type, { elements });
    });
    const trimmed = inputs.slice(0, inputs.findLastIndex(v => v !== undefined) + 1);
    const inherited = this.#scopes.at(-1)?.origin;
    const origin = options.origin ?? (inherited && { ...inherited, name });
    const node: Node<K> = { op, inputs: trimmed, outputs, attributes: full, name, origin };
    this.#push(node as unknown as AnyNode);
    return node;
  }

  /** Adds a node like another one, with these operands. Names and origin are the other's where nothing else is said. */
  copy(node: AnyNode, inputs: readonly (Value | undefined)[], options: NodeOptions = {}): readonly Value[] {
    const { name = node.name, outputs = node.outputs.map(o => o.name), origin = node.origin } = options;
    return this.node(node.op, inputs, node.attributes as GivenAttributesOf<OpName>, { name, outputs, origin }).outputs;
  }

  /** Takes over a node of another graph as it is. Its inputs must be here already. */
  adopt(node: AnyNode): void {
    this.reserve(node.name, 'node');
    for (const output of node.outputs) {
      this.reserve(output.name);
      this.reserveSymbols(output.type);
    }
    this.#push(node);
  }

  /** The node added so far that computes a value; undefined for inputs and constants. */
  producer(value: Value): AnyNode | undefined {
    return this.#producers.get(value);
  }

  /** Takes over a node of the graph that is rewritten. */
  keep(node: AnyNode): void {
    this.#push(node);
  }

  #push(node: AnyNode): void {
    this.#nodes.push(node);
    for (const output of node.outputs) this.#producers.set(output, node);
  }

  /**
   * Takes over a node whose inputs changed: same operator, attributes and names, types inferred anew.
   *
   * @param before the node on other operands. Where these are of the same types, nothing is inferred, and what it computes are the same values.
   */
  reinfer(node: AnyNode, before?: AnyNode): readonly Value[] {
    if (before?.inputs.every((operand, i) => saysTheSame(operand, node.inputs[i]))) {
      this.adopt(node);
      return node.outputs;
    }
    const types = inferTypes(node, () => this.#fresh());
    const outputs = node.outputs.map((old, i) => {
      const { elements, ...type } = types[i];
      return new Value(old.name, type, { elements });
    });
    this.adopt(nodeWith(node, { outputs }));
    return outputs;
  }

  /** Marks a name as used, for values that are taken over without a node (constants of another graph). */
  reserve(name: string, space: NameSpace = 'value'): void {
    this.#names[space].take(name);
  }

  /** Keeps the symbols of a type from being given to an extent that is not known: equal symbols mean equal extents. */
  reserveSymbols(type: TensorType): void {
    for (const dim of type.shape) {
      if (isStatic(dim)) continue;
      for (const name of symbolsOf(dim)) this.reserve(name, 'symbol');
    }
  }

  output(name: string, value: Value): void {
    this.#outputs.push({ name, value });
  }

  /** Names made inside `body` start with `scope/`; its nodes have the origin, if there is one, under their own names. */
  scope<T>(name: string, body: () => T, origin = this.#scopes.at(-1)?.origin): T {
    this.#scopes.push({ name, origin });
    try {
      return body();
    } finally {
      this.#scopes.pop();
    }
  }

  build(): Graph {
    return new Graph({
      name: this.#name,
      info: this.#info,
      inputs: [...this.#inputs],
      nodes: [...this.#nodes],
      outputs: [...this.#outputs],
    });
  }

  /** `stem`, or the first of `stem_1`, `stem_2`, ... that is free. */
  unique(stem: string, space: NameSpace = 'value'): string {
    const rewritten = this.#rewritten;
    this.#rewritten = undefined;
    if (rewritten) this.#reserveAll(rewritten);
    return this.#names[space].unique(stem);
  }

  #reserveAll(graph: Graph): void {
    for (const value of graph.values()) {
      this.reserveSymbols(value.type);
      this.reserve(value.name);
    }
    for (const node of graph.nodes) this.reserve(node.name, 'node');
  }

  #fresh(): Dim {
    return symbol(this.unique('unknown', 'symbol'));
  }

  #scoped(name: string): string {
    return [...this.#scopes.map(scope => scope.name), name].join('/');
  }
}

/** Attributes may be left out altogether where none is required. */
type AttributesArgument<K extends OpName> =
  Record<never, never> extends GivenAttributesOf<K>
    ? [attributes?: GivenAttributesOf<K>, options?: NodeOptions]
    : [attributes: GivenAttributesOf<K>, options?: NodeOptions];

function withDefaults<K extends OpName>(op: K, given: GivenAttributesOf<K>): AttributesOf<K> {
  const specs: AttributeSpecs = operators[op].attributes;
  const values = given as Readonly<Record<string, unknown>>;
  const full: Record<string, unknown> = {};
  for (const [name, spec] of Object.entries(specs)) {
    const value = values[name] ?? spec.default;
    if (value !== undefined) full[name] = value;
    else if (spec.presence === 'required') {
      throw new SutureError('type-mismatch', `${op} needs the attribute '${name}', and none was given.`);
    }
  }
  return full as AttributesOf<K>;
}

/** Do type rules see no difference? */
function saysTheSame(a: Operand | undefined, b: Operand | undefined): boolean {
  if (a === b) return true;
  if (!a || !b || !sameType(a.type, b.type)) return false;
  const alike = (p: readonly Dim[] | undefined, q: readonly Dim[] | undefined): boolean =>
    p === q || (p !== undefined && q !== undefined && sameShape(p, q));
  const equal = (p: Tensor | undefined, q: Tensor | undefined): boolean =>
    p === q || (p !== undefined && q !== undefined && sameTensor(p, q));
  return alike(a.elements, b.elements) && equal(a.constant, b.constant);
}

/** Elements that no double holds exactly count as not known. */
function withKnownElements(type: Inferred): Inferred {
  const exact = type.elements?.every(e => typeof e !== 'number' || Number.isSafeInteger(e)) ?? true;
  return exact ? type : { ...type, elements: undefined };
}

/** What decides the types of a node's results. */
interface Typed {
  readonly op: OpName;
  readonly name: string;
  readonly inputs: readonly (Operand | undefined)[];
  readonly attributes: object;
  readonly outputs: { readonly length: number };
}

/** Runs the type rule of a node's operator. An error names the operator and the node. */
export function inferTypes({ op, name, inputs, attributes, outputs }: Typed, fresh: () => Dim): readonly Inferred[] {
  const { inputs: formals, infer } = operators[op];
  const fail = (problem: string): never => {
    throw new SutureError('type-mismatch', `${op} '${printable(name)}': ${problem}.`);
  };
  const variadic = formals.at(-1)?.startsWith('...') ?? false;
  if (!variadic && inputs.length > formals.length) fail(`takes at most ${formals.length} inputs, not ${inputs.length}`);
  formals.forEach((formal, i) => {
    if (!formal.endsWith('?') && !formal.startsWith('...') && !inputs[i]) fail(`the input ${formal} is missing`);
  });
  const absent = variadic ? inputs.findIndex((input, i) => i >= formals.length - 1 && !input) : -1;
  if (absent >= 0) fail(`its input ${absent + 1} of ${inputs.length} is missing`);
  try {
    const types = (infer as UntypedInfer)(inputs, attributes, { outputs: outputs.length, fresh });
    types.forEach(requirePossible);
    return types.map(withKnownElements);
  } catch (error) {
    if (error instanceof SutureError && error.code === 'type-mismatch') return fail(error.message);
    throw error;
  }
}
