import {
  type AnyNode,
  type AttributesOf,
  type DType,
  type Graph,
  GraphBuilder,
  nodeWith,
  numbersOf,
  type OpName,
  printable,
  SutureError,
  type Tensor,
  tensorFromNumbers,
  tensorType,
  Value,
} from '../ir/index.ts';
import { specOf } from '../ir/ops/index.ts';

/** Dtypes that are computed in float32 until the end. */
const narrowFloats: ReadonlySet<DType> = new Set(['float16', 'bfloat16']);

const widened = (dtype: DType): DType => (narrowFloats.has(dtype) ? 'float32' : dtype);

/** What a graph may hold of float16 when it is written, and what its interface is. */
export interface NarrowOptions {
  /** Nodes that stay in float32. */
  readonly keep: (node: AnyNode) => boolean;
  /** The dtype of the inputs and outputs that were float32. */
  readonly input: 'float16' | 'float32';
  readonly output: 'float16' | 'float32';
}

/** Whether ONNX wants an operand in float32 whatever the others are. */
function isWideOperand(op: OpName, index: number): boolean {
  const { noHalf } = specOf(op);
  return typeof noHalf === 'object' && noHalf.includes(index);
}

/**
 * The graph in float32: 16-bit floats become float32 in inputs, constants, attributes and casts, so in every type.
 *
 * Guarantees: the same names and nodes; the numbers of the narrow graph without its roundings. Returns the same object where nothing
 * is narrow.
 */
export function widen(graph: Graph): Graph {
  return isNarrow(graph) ? new Converter(graph, () => widened).convert(widened, widened) : graph;
}

const isNarrow = (graph: Graph): boolean => [...graph.values()].some(({ type }) => narrowFloats.has(type.dtype));

/**
 * The numbers of a narrow graph, by operators of float32: what {@link widen} gives, each result rounded as the narrow graph keeps it, by two
 * casts. Inside an operator, sums are those of float32. So a runtime without operators of 16 bits shows what they come to, where ONNX Runtime on
 * the CPU computes a narrow graph in float32 from one operator to the next.
 *
 * Guarantees: names of inputs, outputs and nodes.
 */
export function widenRounded(graph: Graph): Graph {
  return isNarrow(graph) ? new Converter(graph, () => widened, { rounds: true }).convert(widened, widened) : graph;
}

/**
 * A float32 graph in float16, but for the nodes to keep: casts stand where the two meet, and at the ends.
 *
 * Guarantees: names of inputs, outputs and nodes; integer and boolean values as they were.
 *
 * @throws SutureError `option-invalid` when a constant has an element beyond float16's 65504.
 */
export function narrow(graph: Graph, { keep, input, output }: NarrowOptions): Graph {
  const to =
    (narrowed: DType) =>
    (dtype: DType): DType =>
      dtype === 'float32' ? narrowed : dtype;
  const stay = (dtype: DType): DType => dtype;
  const half = to('float16');
  return new Converter(graph, node => (keep(node) || specOf(node.op).noHalf === true ? stay : half)).convert(
    to(input),
    to(output),
  );
}

type Convert = (dtype: DType) => DType;

/** Rebuilds a graph with every node's floats in the width that it is to have. */
class Converter {
  readonly #graph: Graph;
  readonly #widthOf: (node: AnyNode) => Convert;
  readonly #to: GraphBuilder;
  /** Whether values keep the digits that they had in the graph's own width. */
  readonly #rounds: boolean;
  /** What became of a value, by the dtype that is wanted of it. */
  readonly #values = new Map<Value, Map<DType, Value>>();

  constructor(graph: Graph, widthOf: (node: AnyNode) => Convert, { rounds = false } = {}) {
    this.#graph = graph;
    this.#rounds = rounds;
    this.#widthOf = widthOf;
    this.#to = new GraphBuilder(graph.name, graph.info);
    for (const { name, type } of graph.values()) {
      this.#to.reserveSymbols(type);
      this.#to.reserve(name);
    }
    for (const { name } of graph.nodes) this.#to.reserve(name, 'node');
  }

  convert(input: Convert, output: Convert): Graph {
    for (const value of this.#graph.inputs) {
      const { dtype, shape } = value.type;
      this.#keep(value, this.#to.adoptInput(new Value(value.name, { dtype: input(dtype), shape })));
    }
    for (const node of this.#graph.nodes) this.#add(node);
    for (const { name, value } of this.#graph.outputs) this.#to.output(name, this.#as(value, output(value.type.dtype)));
    return this.#to.build();
  }

  #add(node: AnyNode): void {
    const width = this.#widthOf(node);
    const inputs = node.inputs.map(
      (value, i) => value && this.#as(value, isWideOperand(node.op, i) ? value.type.dtype : width(value.type.dtype)),
    );
    const copy = nodeWith(node, { inputs, attributes: attributesIn(node, width) });
    for (const [i, made] of this.#to.reinfer(copy).entries()) this.#keep(node.outputs[i], made);
  }

  #keep(old: Value, made: Value): void {
    const { dtype } = old.type;
    const kept = this.#rounds && dtype !== made.type.dtype ? this.#rounded(made, dtype) : made;
    this.#values.set(old, new Map([[kept.type.dtype, kept]]));
  }

  #rounded(value: Value, dtype: DType): Value {
    const cast = (from: Value, to: DType): Value =>
      this.#to.op('Cast', [from], { to }, { name: `${value.name}/rounded/${to}` });
    return cast(cast(value, dtype), value.type.dtype);
  }

  #as(value: Value, dtype: DType): Value {
    let known = this.#values.get(value);
    if (!known) {
      known = new Map();
      this.#values.set(value, known);
    }
    const found = known.get(dtype);
    if (found) return found;
    const made = value.constant
      ? this.#constant(value.name, inWidth(value.constant, dtype, value.name), known.size > 0)
      : this.#to.op('Cast', [[...known.values()][0]], { to: dtype }, { name: `${value.name}/${dtype}` });
    known.set(dtype, made);
    return made;
  }

  #constant(name: string, constant: Tensor, again: boolean): Value {
    return again ? this.#to.constant(constant, name) : new Value(name, tensorType(constant), { constant });
  }
}

/** A node's attributes with its dtypes and tensors converted. */
function attributesIn(node: AnyNode, width: Convert): AttributesOf<OpName> {
  const given: Readonly<Record<string, unknown>> = node.attributes;
  const converted: Record<string, unknown> = { ...given };
  for (const [name, { kind }] of Object.entries(specOf(node.op).attributes)) {
    if (given[name] === undefined) continue;
    if (kind === 'dtype') converted[name] = width(given[name] as DType);
    if (kind === 'tensor') {
      const value = given[name] as Tensor;
      converted[name] = inWidth(value, width(value.dtype), node.name);
    }
  }
  return converted as AttributesOf<OpName>;
}

/** The largest finite float16. */
export const largestHalf = 65504;

function inWidth(tensor: Tensor, dtype: DType, name: string): Tensor {
  if (tensor.dtype === dtype) return tensor;
  const numbers = numbersOf(tensor);
  if (dtype === 'float16') {
    for (const number of numbers) {
      if (Math.abs(number) <= largestHalf || !Number.isFinite(number)) continue;
      throw new SutureError(
        'option-invalid',
        `'${printable(name)}' holds ${number}, and float16 ends at ${largestHalf}: write the network without --half.`,
      );
    }
  }
  return tensorFromNumbers(dtype, tensor.shape, numbers);
}
