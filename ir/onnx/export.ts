/**
 * IR → ONNX.
 *
 * The file asks for the lowest operator set from 17 on that its nodes need. Our own operators become model-local functions
 * of the domain `suture` with bodies in ONNX's operators, one for each body that differs. Names, documentation and
 * metadata that came from a file go back into it.
 */

import { bodyOf } from '../bodies.ts';
import { ContentMap } from '../content.ts';
import { addDims, type Dim, dimKey, floorDivide, isStatic, linearOf, substitute, symbol } from '../dim.ts';
import { printable, SutureError } from '../errors.ts';
import type { AnyNode, Graph, GraphInfo, Node, Value } from '../graph.ts';
import { integersOf } from '../operator.ts';
import { isSutureOp, type SutureOp, specOf } from '../ops/index.ts';
import { inline, rewrite } from '../rewrite.ts';
import { sameTensor, type Tensor } from '../tensor.ts';
import { typeText } from '../type.ts';
import { writeAttribute } from './attributes.ts';
import { sutureFunction } from './functions.ts';
import { hasAxesAttribute, irVersionOf, LOWEST_OPSET, opsetOf } from './opset.ts';
import { encodeMessage, encodeModel } from './proto/codec.ts';
import type { MessageInit } from './proto/schema.ts';
import { dataTypeOf, writeTensor } from './tensor.ts';

type NodeInit = MessageInit<'NodeProto'>;

export interface ExportOptions {
  /** Operator set to write at least. */
  readonly opset?: number;
  /** Written as `producer_version`. */
  readonly producerVersion?: string;
}

/** The bytes of a model file. Throws `output-unwritable` when they would pass 2 GiB: use `writeOnnx` then. */
export const exportOnnx = (graph: Graph, options?: ExportOptions): Uint8Array =>
  encodeModel(exportModel(graph, options));

/** A graph as a model. Constants are not copied: the message views their memory. */
export function exportModel(given: Graph, options: ExportOptions = {}): MessageInit<'ModelProto'> {
  const graph = withoutFused(given);
  const functions = new Functions();
  const called = new Map<Node, string>();
  for (const node of graph.nodes) {
    if (isSuture(node)) called.set(node, functions.nameOf(node));
  }
  const opset = standard(graph).reduce(
    (most, node) => Math.max(most, opsetOf(node)),
    Math.max(options.opset ?? LOWEST_OPSET, functions.opset),
  );
  const { info } = graph;
  const names = exportedNames(graph);
  const initializers: MessageInit<'TensorProto'>[] = [];
  for (const value of graph.constants()) {
    initializers.push({ ...writeTensor(value.constant, names.of(value)), ...said(graph, value.name) });
  }
  const nodes = graph.nodes.map(node => {
    const written = writeNode(node, opset, names.of);
    const name = called.get(node);
    return name === undefined ? written : { ...written, opType: name, domain: 'suture' };
  });
  const sizes = plainSizes(graph);
  const outputNames = new Set(graph.outputs.map(o => o.name));
  const between = graph.nodes.flatMap(node => node.outputs).filter(value => !outputNames.has(names.of(value)));
  return {
    irVersion: BigInt(irVersionOf(opset)),
    producerName: 'suture',
    ...(options.producerVersion === undefined ? {} : { producerVersion: options.producerVersion }),
    ...(info.domain === undefined ? {} : { domain: info.domain }),
    ...(info.version === undefined ? {} : { modelVersion: info.version }),
    ...(info.documentation === undefined ? {} : { docString: info.documentation }),
    metadataProps: entries(producedBy(info)),
    opsetImport: [
      { domain: '', version: BigInt(opset) },
      ...(functions.any ? [{ domain: 'suture', version: 1n }] : []),
    ],
    graph: {
      name: graph.name,
      ...(info.graph?.documentation === undefined ? {} : { docString: info.graph.documentation }),
      metadataProps: entries(info.graph?.metadata),
      node: [...nodes, ...names.copies.map(([from, to]) => copyNode(names.of(from), to))],
      initializer: initializers,
      input: graph.inputs.map(value => valueInfo(value, names.of(value), graph, sizes)),
      output: graph.outputs.map(({ name, value }) => valueInfo(value, name, graph, sizes)),
      valueInfo: between.map(value => valueInfo(value, names.of(value), graph, sizes)),
    },
    functions: functions.written(opset),
  };
}

const isSuture = (node: AnyNode): node is Extract<AnyNode, { op: SutureOp }> => isSutureOp(node.op);
const standard = (graph: Graph): readonly AnyNode[] => graph.nodes.filter(node => !isSuture(node));

/** Fused regions are how a runtime computes; a file says what is computed. */
function withoutFused(graph: Graph): Graph {
  return rewrite(graph, (node, to) =>
    node.op === 'Fused' ? inline(node.attributes.body, node.inputs as readonly Value[], to) : undefined,
  );
}

// ---------------------------------------------------------------------------------------------- names

interface Names {
  readonly of: (value: Value) => string;
  /** Values that an output of another name copies. */
  readonly copies: readonly (readonly [Value, string])[];
}

/**
 * Outputs and inputs keep their names. The value of an output takes the output's name where it can; a constant, an input,
 * or a value that is an output already is copied by an Identity. Others keep theirs unless it is taken.
 */
function exportedNames(graph: Graph): Names {
  const names = new Map<Value, string>();
  const taken = new Set<string>();
  for (const input of graph.inputs) {
    names.set(input, input.name);
    taken.add(input.name);
  }
  const copies: [Value, string][] = [];
  for (const { name, value } of graph.outputs) {
    if (taken.has(name) && names.get(value) !== name) {
      throw new SutureError(
        'graph-invalid',
        `The graph '${printable(graph.name)}' has an output '${printable(name)}', which is the name of another input or output: a file needs different ones.`,
      );
    }
    if (!names.has(value) && (value.constant === undefined || value.name === name)) names.set(value, name);
    else if (names.get(value) !== name) copies.push([value, name]);
    taken.add(name);
  }
  for (const value of graph.values()) {
    if (names.has(value)) continue;
    const stem = value.name || 'value';
    let name = stem;
    for (let i = 1; taken.has(name); i++) name = `${stem}_${i}`;
    names.set(value, name);
    taken.add(name);
  }
  return { of: value => names.get(value) ?? value.name, copies };
}

const copyNode = (from: string, to: string): NodeInit => ({
  opType: 'Identity',
  name: `${to}/copy`,
  input: [from],
  output: [to],
});

// ---------------------------------------------------------------------------------------------- nodes

function writeNode(node: AnyNode, opset: number, nameOf: (value: Value) => string): NodeInit {
  const { origin } = node;
  const axes = hasAxesAttribute(node.op, opset) ? integersOf(node.inputs[1]) : undefined;
  const inputs = hasAxesAttribute(node.op, opset) ? node.inputs.slice(0, 1) : node.inputs;
  return {
    opType: node.op,
    name: node.name,
    input: inputs.map(value => (value === undefined ? '' : nameOf(value))),
    output: node.outputs.map(nameOf),
    attribute: [...writeAttributes(node, opset), ...(axes === undefined ? [] : [writeAttribute('axes', 'ints', axes)])],
    ...(origin?.documentation === undefined ? {} : { docString: origin.documentation }),
    metadataProps: entries(origin?.metadata),
  };
}

/** Defaults are left out: older versions have no word for some of them. */
function writeAttributes(node: AnyNode, opset: number): MessageInit<'AttributeProto'>[] {
  const written: MessageInit<'AttributeProto'>[] = [];
  const values: Readonly<Record<string, unknown>> = node.attributes;
  for (const [name, spec] of Object.entries(specOf(node.op).attributes)) {
    const value = values[name];
    if (value === undefined || spec.kind === 'graph' || isDefault(value, spec.default)) continue;
    if (node.op === 'Split' && name === 'num_outputs' && opset < 18) continue;
    written.push(writeAttribute(name, spec.kind, value));
  }
  // From 18 on, a Split without sizes must say into how many parts.
  if (node.op === 'Split' && opset >= 18 && !node.inputs[1] && node.attributes.num_outputs === undefined) {
    written.push(writeAttribute('num_outputs', 'int', node.outputs.length));
  }
  return written;
}

function isDefault(value: unknown, standard: unknown): boolean {
  if (value === standard) return true;
  if (Array.isArray(value) && Array.isArray(standard)) {
    return value.length === standard.length && value.every((v, i) => v === standard[i]);
  }
  const tensors = typeof value === 'object' && typeof standard === 'object' && value !== null && standard !== null;
  return tensors && 'dtype' in value && 'dtype' in standard && sameTensor(value as Tensor, standard as Tensor);
}

// ---------------------------------------------------------------------------------------------- types and what is said

/** What was said of a value under the name that it is written under, or under its own. */
function valueInfo(value: Value, name: string, graph: Graph, sizes: PlainSizes): MessageInit<'ValueInfoProto'> {
  const { type } = value;
  const dim = type.shape.map(d => dimension(d, sizes));
  return {
    name,
    type: { tensorType: { elemType: dataTypeOf[type.dtype], shape: { dim } } },
    ...said(graph, value.name),
    ...said(graph, name),
  };
}

/**
 * How sizes that are multiples of something are written: a file has plain names for the sizes of its inputs, so where an input is of the
 * size `32·H`, that is written `H`, and `16·H` as `16·floor(H/32)`.
 */
interface PlainSizes {
  /** By the text of an input's dim: its name. */
  readonly names: ReadonlyMap<string, string>;
  /** By symbol: the dim in terms of what is written. */
  readonly written: Readonly<Record<string, Dim>>;
}

function plainSizes({ inputs }: Graph): PlainSizes {
  const names = new Map<string, string>();
  const written: Record<string, Dim> = Object.create(null);
  for (const dim of inputs.flatMap(v => v.type.shape)) {
    const linear = linearOf(dim);
    if (!linear || (linear.factor === 1 && linear.offset === 0)) continue;
    names.set(dimKey(dim), linear.symbol);
    written[linear.symbol] = floorDivide(addDims(symbol(linear.symbol), -linear.offset), linear.factor);
  }
  return { names, written };
}

function dimension(dim: Dim, { names, written }: PlainSizes): MessageInit<'DimensionProto'> {
  const plain = names.has(dimKey(dim)) ? symbol(names.get(dimKey(dim))!) : substitute(dim, written);
  return isStatic(plain) ? { dimValue: BigInt(plain) } : { dimParam: plain.key };
}

/** What the file that a value came from says of it. */
function said(graph: Graph, name: string): Pick<MessageInit<'ValueInfoProto'>, 'docString' | 'metadataProps'> {
  const about = graph.info.values;
  if (about === undefined || !Object.hasOwn(about, name)) return {};
  const { documentation, metadata } = about[name];
  return {
    ...(documentation === undefined ? {} : { docString: documentation }),
    ...(metadata === undefined ? {} : { metadataProps: entries(metadata) }),
  };
}

/** The tool that wrote the file which a graph came from goes on in the metadata: the producer is who writes. */
const producedBy = ({ metadata, producer }: GraphInfo): Readonly<Record<string, string>> | undefined =>
  producer === undefined || producer.startsWith('suture') ? metadata : { source_producer: producer, ...metadata };

const entries = (record: Readonly<Record<string, string>> | undefined): { key: string; value: string }[] =>
  Object.entries(record ?? {}).map(([key, value]) => ({ key, value }));

// ---------------------------------------------------------------------------------------------- functions

/** Tells attributes of our own operators apart, which are numbers and lists of them. */
const attributesKey = ({ attributes }: Node): string =>
  Object.entries(attributes)
    .map(([name, value]) => `${name}=${String(value)}`)
    .join(' ');

/** The functions of a file, one for each body that differs. */
class Functions {
  readonly #all: { readonly name: string; readonly node: Node<SutureOp>; readonly body: Graph }[] = [];
  readonly #names = new ContentMap<string>();
  readonly #counts = new Map<SutureOp, number>();
  /** By what decides the body of a call: bodies are made once. */
  readonly #byCall = new Map<string, string>();

  nameOf(node: Node<SutureOp>): string {
    // A fused region brings its own body; that of any other operator follows from its attributes and the types of its operands.
    if (node.op === 'Fused') return this.#named(node);
    const key = [
      node.op,
      node.outputs.length,
      ...node.inputs.map(v => v && typeText(v.type)),
      attributesKey(node),
    ].join();
    const name = this.#byCall.get(key) ?? this.#named(node);
    this.#byCall.set(key, name);
    return name;
  }

  #named(node: Node<SutureOp>): string {
    const body = bodyOf(node);
    const content = writeFunction(node, body, '', LOWEST_OPSET);
    return this.#names.get(encodeMessage('FunctionProto', content), () => {
      const count = (this.#counts.get(node.op) ?? 0) + 1;
      this.#counts.set(node.op, count);
      const name = sutureFunction(node.op, count);
      this.#all.push({ name, node, body });
      return name;
    });
  }

  get any(): boolean {
    return this.#all.length > 0;
  }

  get opset(): number {
    const nodes = this.#all.flatMap(({ body }) => body.nodes);
    return nodes.reduce((most, node) => Math.max(most, opsetOf(node)), LOWEST_OPSET);
  }

  written(opset: number): MessageInit<'FunctionProto'>[] {
    return this.#all.map(({ name, node, body }) => writeFunction(node, body, name, opset));
  }
}

/** Functions have no initialisers: constants are nodes. The call's attributes are declared, though the body has them built in. */
export function writeFunction(
  node: Node<SutureOp>,
  body: Graph,
  name: string,
  opset: number,
): MessageInit<'FunctionProto'> {
  const names = exportedNames(body);
  const constants = body.constants().map(
    (value): NodeInit => ({
      opType: 'Constant',
      output: [names.of(value)],
      attribute: [writeAttribute('value', 'tensor', value.constant)],
    }),
  );
  return {
    name,
    domain: 'suture',
    input: body.inputs.map(names.of),
    output: body.outputs.map(o => o.name),
    attribute: writeAttributes(node as unknown as AnyNode, opset).map(a => a.name ?? ''),
    node: [
      ...constants,
      ...body.nodes.map(inner => writeNode(inner, opset, names.of)),
      ...names.copies.map(([from, to]) => copyNode(names.of(from), to)),
    ],
    opsetImport: [{ domain: '', version: BigInt(opset) }],
  };
}
