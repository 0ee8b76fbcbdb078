/**
 * The nodes of a file → the nodes of a graph: names resolved, functions inlined, old forms upgraded, operators that the
 * vocabulary has no word for said in its words. A node with a problem is reported and the import goes on, so that all
 * problems are found at once; what depends on such a node is passed over in silence.
 */
import { bodyOf } from '../bodies.ts';
import { GraphBuilder } from '../builder.ts';
import type { Dim } from '../dim.ts';
import { printable, SutureError } from '../errors.ts';
import type { Origin, Value } from '../graph.ts';
import { type Budget, LimitError } from '../limits.ts';
import type { AttributeSpecs } from '../operator.ts';
import { isOpName, isSutureOp, type OpName, type SutureOp, specOf } from '../ops/index.ts';
import { int64s, type Tensor, tensorFromNumbers } from '../tensor.ts';
import type { DType } from '../type.ts';
import { type AttributeValue, convertAttribute, readAttribute } from './attributes.ts';
import { writeFunction } from './export.ts';
import type { ExternalSource } from './external.ts';
import { foldedNode } from './fold.ts';
import { foreign } from './foreign/index.ts';
import { type FormContext, type Inputs, NodeForm } from './form.ts';
import { bindAttributes, type FunctionTable, functionKey, sameFunction, sutureOperator } from './functions.ts';
import { listingOf, sorted } from './listing.ts';
import type { AttributeProto, FunctionProto, GraphProto, NodeProto } from './proto/schema.ts';
import type { ImportReport } from './report.ts';
import { domainOf, failed, type Meaning, opsetsOf, type Place, Scope } from './scope.ts';
import { type Operand, Sequence, sequences } from './sequences.ts';
import { readTensor } from './tensor.ts';
import { upgrades } from './upgrade/index.ts';

/** What all nodes of a model share. */
interface NodeEnvironment {
  readonly builder: GraphBuilder;
  readonly report: ImportReport;
  readonly external: ExternalSource | undefined;
  readonly functions: FunctionTable;
  readonly budget: Budget;
  /** The names that the file gives to values; generated ones keep clear of them. */
  readonly fileNames: ReadonlySet<string>;
  /** As of `ImportOptions`. */
  readonly apart: boolean;
}

/** A node on its way into the graph. */
interface Visit {
  readonly node: NodeProto;
  readonly name: string;
  /** Operator and name, for messages. */
  readonly where: string;
  readonly inputs: Inputs;
  /** With those of the function's call that they refer to. */
  readonly attributes: readonly AttributeProto[];
  readonly place: Place;
}

/** An error that stands for one problem of one node. */
class Refusal extends Error {}

export class NodeImporter {
  readonly #env: NodeEnvironment;

  constructor(environment: NodeEnvironment) {
    this.#env = environment;
  }

  /** Adds nodes in an order in which every operand comes first. */
  addAll(nodes: readonly NodeProto[], place: Place): void {
    for (const node of sorted(nodes.map(withoutInPlace), place.scope)) this.#add(node, place);
  }

  /** As `addAll`, for nodes that stand for those of the file once more. */
  #unfold(nodes: readonly NodeProto[], place: Place): void {
    const { budget } = this.#env;
    budget.spendNodes(nodes.length + 1);
    budget.spendBytes(place.prefix.length * nodes.length);
    budget.deeper(() => this.addAll(nodes, place));
  }

  #add(node: NodeProto, place: Place): void {
    const name = node.name || node.output.find(o => o !== '') || node.opType || 'node';
    try {
      if (this.#anyFailed(node, place.scope)) this.#fail(node, place.scope);
      else this.#addChecked(node, name, place);
    } catch (error) {
      this.#fail(node, place.scope);
      // Not a problem among others: going on could take for ever.
      if (error instanceof LimitError) throw error;
      const subject = this.#subject(node, place);
      if (error instanceof Refusal) this.#env.report.problem({ subject, node: name, message: error.message });
      else if (error instanceof SutureError) this.#env.report.caught(error, subject, name);
      else throw error;
    }
  }

  #subject(node: NodeProto, place: Place): string {
    const domain = domainOf(node.domain);
    const version = place.opsets.get(domain);
    return `Operator ${domain === '' ? '' : `${printable(domain)}.`}${printable(node.opType ?? '')}${version === undefined ? '' : ` (opset ${version})`}`;
  }

  #anyFailed(node: NodeProto, scope: Scope): boolean {
    return node.input.some(input => scope.get(input) === failed);
  }

  #fail(node: NodeProto, scope: Scope): void {
    for (const output of node.output) if (output !== '') scope.set(output, failed);
  }

  #addChecked(node: NodeProto, name: string, place: Place): void {
    const domain = domainOf(node.domain);
    const opType = node.opType ?? '';
    for (const output of node.output) {
      if (output !== '' && place.scope.has(output))
        throw new Refusal(`the value '${printable(output)}' is defined twice`);
    }
    const operands = node.input.map(input => this.#resolve(input, place));
    const attributes = bindAttributes(node.attribute, place.arguments);
    const about = { node, name, place, where: `${opType} '${printable(name)}'`, attributes };
    const called = this.#env.functions.get(functionKey(domain, opType, node.overload));
    if (domain === '' && called === undefined && Object.hasOwn(sequences, opType)) {
      this.#addOfSequences({ ...about, inputs: [] }, operands);
      return;
    }
    const inputs = operands.map((operand, i) => {
      if (operand instanceof Sequence)
        throw new Refusal(`its input '${printable(node.input[i])}' is a sequence of tensors`);
      return operand;
    });
    const visit: Visit = { ...about, inputs };
    if (domain === 'suture') {
      const op = sutureOperator(opType);
      if (op !== undefined) {
        const form = this.#form(visit);
        if (called === undefined || isBodyOf(called, op, form)) {
          this.#build(op, form, visit);
          return;
        }
      }
    }
    if (called !== undefined) {
      this.#inline(visit);
      return;
    }
    if (domain !== '') throw new Refusal('its domain is not supported and the file holds no function of that name');
    const opset = place.opsets.get('');
    if (opset === undefined) throw new Refusal('the file names no version of the operator set of ONNX');

    const form = this.#form(visit);
    const context = this.#context(visit, form, opset);
    if (Object.hasOwn(foreign, opType)) {
      const rule = foreign[opType];
      if (opset < rule.since) throw new Refusal(versionMessage(opset, rule.since));
      this.#bind(node, rule.build(form, context), place.scope);
      return;
    }
    if (!isOpName(opType) || isSutureOp(opType)) throw new Refusal('the operator is not supported');
    // Exporters share an initialiser under a second name by way of Identity.
    const shared = form.inputs[0]?.constant;
    if (opType === 'Identity' && shared !== undefined) {
      const { apart, builder } = this.#env;
      const value = apart ? builder.constant(shared, place.prefix + node.output[0]) : form.inputs[0];
      this.#bind(node, [value], place.scope);
      return;
    }
    const { versions } = specOf(opType);
    if (opset < versions[0]) throw new Refusal(versionMessage(opset, versions[0]));
    let current = form;
    for (const upgrade of upgrades[opType] ?? []) {
      if (opset >= upgrade.since) continue;
      const result = upgrade.apply(current, context);
      if (!(result instanceof NodeForm)) {
        this.#bind(node, result, place.scope);
        return;
      }
      current = result;
    }
    this.#build(opType, current, visit);
  }

  #addOfSequences(visit: Visit, operands: readonly Operand[]): void {
    const { node, place } = visit;
    const rule = sequences[node.opType ?? ''];
    const opset = place.opsets.get('') ?? 0;
    if (opset < rule.since) throw new Refusal(versionMessage(opset, rule.since));
    const form = this.#form(visit);
    this.#bind(node, [rule.build(operands, form, this.#context(visit, form, opset))], place.scope);
  }

  #resolve(input: string, { scope, listing }: Place): Operand {
    if (input === '') return undefined;
    const value = scope.get(input);
    if (value === undefined) {
      // What a node of the list computes and is not there in an order of the list waits for this node.
      const problem = listing.computed.has(input)
        ? 'is computed from its own output: the nodes form a cycle'
        : 'is defined nowhere';
      throw new Refusal(`its input '${printable(input)}' ${problem}`);
    }
    return value === failed ? undefined : value;
  }

  #form({ node, where, inputs, attributes, place }: Visit): NodeForm {
    const read = new Map<string, AttributeValue>();
    for (const proto of attributes) {
      const name = proto.name ?? '';
      if (proto.docString) this.#dropped(`the documentation of the attribute '${printable(name)}' of ${where}`);
      if (proto.refAttrName) throw new Refusal(`its attribute '${printable(name)}' refers to one of a function`);
      read.set(name, readAttribute(proto, this.#env.external, where));
    }
    if (node.deviceConfigurations.length > 0) this.#dropped(`the device configurations of ${where}`);
    if (node.overload) this.#dropped(`the overload '${printable(node.overload)}' of ${where}`);
    return new NodeForm(
      inputs,
      read,
      node.output.map(output => (output === '' ? '' : (place.results.get(output) ?? place.prefix + output))),
    );
  }

  #dropped(what: string): void {
    this.#env.report.warn('field-dropped', `The graph can't hold ${what}; it was left out.`);
  }

  #build(op: OpName, form: NodeForm, { node, name, place }: Visit): void {
    const { attributes: specs, outputs: formals } = specOf(op);
    const variadic = formals.at(-1)?.startsWith('...') ?? false;
    // Optional outputs at the end that nothing reads are not computed.
    const needed = (output: string, i: number) =>
      output !== '' && (variadic || !formals[i]?.endsWith('?') || place.listing.used.has(node.output[i]));
    const wanted = Math.max(1, form.outputs.findLastIndex(needed) + 1);
    if (!variadic && wanted > formals.length)
      throw new Refusal(`it has ${wanted} outputs, not ${formals.length} at most`);
    const outputs = form.outputs
      .slice(0, wanted)
      .map((output, i) => output || this.#fresh(`${place.prefix}${name}/unused_${i}`));
    const given = givenAttributes(op, specs, form);
    const known = foldedNode(op, form, given, outputs);
    if (known !== undefined) {
      const { builder } = this.#env;
      this.#bind(
        node,
        known.map((tensor, i) => builder.constant(tensor, outputs[i])),
        place.scope,
      );
      return;
    }
    const built = this.#env.builder.node(op, form.inputs, given as never, {
      name: place.prefix + name,
      outputs,
      origin: originOf(node, place),
    });
    this.#bind(node, built.outputs, place.scope);
  }

  #bind(node: NodeProto, values: readonly Operand[], scope: Scope): void {
    for (const [i, output] of node.output.entries()) {
      if (output !== '') scope.set(output, values[i] ?? failed);
    }
  }

  #fresh(stem: string): string {
    let name = stem;
    for (let i = 1; this.#env.fileNames.has(name); i++) name = `${stem}_${i}`;
    return name;
  }

  #context({ node, name, where, place }: Visit, form: NodeForm, opset: number): FormContext {
    const { builder, report } = this.#env;
    const constant = (tensor: Tensor, what: string): Value =>
      builder.constant(tensor, this.#fresh(`${place.prefix}${name}/${what}`));
    return {
      builder,
      report,
      where,
      opset,
      constant,
      ints: (values, what) => constant(int64s(values), what),
      scalar: (dtype: DType, value: number, what: string) => constant(tensorFromNumbers(dtype, [], [value]), what),
      result: (output = 0) => ({
        name: place.prefix + name,
        outputs: [form.outputs[output] || this.#fresh(`${place.prefix}${name}/unused_${output}`)],
        origin: originOf(node, place),
      }),
      subgraph: (graph, inputs, label) => this.#subgraph(graph, inputs, `${place.prefix}${name}/${label}/`, place),
      within: body => builder.scope(place.prefix + name, () => body(builder)),
      named: what => ({ name: this.#fresh(`${place.prefix}${name}/${what}`) }),
      isMatrixOf: columns =>
        (place.listing.readers.get(node.output[0]) ?? []).some(reader => {
          const weight = place.scope.get(reader.input[1]);
          return isValue(weight) && rowsOf(reader, weight) === columns;
        }),
      isUsed: i => node.output[i] !== '' && place.listing.used.has(node.output[i]),
      unrolled: (steps, nodes) => this.#env.budget.spendNodes(steps * nodes),
      computes: bytes => this.#env.budget.spendBytes(bytes),
      refuse: message => {
        throw new Refusal(message);
      },
    };
  }

  #subgraph(graph: GraphProto, inputs: readonly Value[], prefix: string, place: Place): readonly Value[] {
    const scope = new Scope(place.scope);
    for (const [i, formal] of graph.input.entries()) scope.set(formal.name ?? '', inputs[i] ?? failed);
    if (graph.sparseInitializer.length > 0) throw new Refusal('a subgraph has sparse initialisers');
    for (const proto of graph.initializer) {
      const tensor = readTensor(proto, this.#env.external, 'Initializer');
      scope.set(proto.name ?? '', this.#env.builder.constant(tensor, prefix + (proto.name ?? '')));
    }
    const outputs = graph.output.map(o => o.name ?? '');
    this.#unfold(graph.node, { ...place, scope, prefix, listing: listingOf(graph), results: new Map() });
    return outputs.map(output => {
      const value = scope.get(output);
      if (!isValue(value)) {
        throw new Refusal(
          value instanceof Sequence ? 'its subgraph gives a sequence of tensors' : 'its subgraph has a problem',
        );
      }
      return value;
    });
  }

  #inline({ node: call, inputs, attributes, name, place }: Visit): void {
    const key = functionKey(domainOf(call.domain), call.opType ?? '', call.overload);
    const called = this.#env.functions.get(key)!;
    if (place.calls.includes(key)) throw new Refusal('the function calls itself');
    const scope = new Scope();
    called.input.forEach((formal, i) => {
      const value = inputs[i];
      if (value !== undefined) scope.set(formal, value);
    });
    const defaults = called.attributeProto.map(proto => [proto.name ?? '', proto] as const);
    const given = attributes.map(proto => [proto.name ?? '', proto] as const);
    this.#env.report.warn(
      'function-inlined',
      `Calls of the function '${printable(called.name ?? '')}' of the domain '${printable(called.domain ?? '')}' were replaced by its nodes.`,
    );
    const absent = new Set(called.input.filter(formal => !scope.has(formal)));
    this.#unfold(
      called.node.map(node => withoutAbsent(node, absent)),
      {
        scope,
        opsets: opsetsOf(called.opsetImport, place.opsets),
        listing: listingOf(called),
        prefix: `${place.prefix}${name}/`,
        metadata: { ...place.metadata, ...metadataOf(call) },
        results: new Map(
          call.output.flatMap((output, i) =>
            output === '' ? [] : [[called.output[i], place.results.get(output) ?? place.prefix + output] as const],
          ),
        ),
        arguments: new Map([...defaults, ...given]),
        calls: [...place.calls, key],
      },
    );
    for (const [i, output] of call.output.entries()) {
      if (output !== '') place.scope.set(output, scope.get(called.output[i]) ?? failed);
    }
  }
}

/**
 * Whether a function of a file is what one of our operators means on these operands. Anybody may call a function `suture.Stitch`; one
 * with another body is a function like others.
 */
function isBodyOf(called: FunctionProto, op: SutureOp, form: NodeForm): boolean {
  try {
    const given = givenAttributes(op, specOf(op).attributes, form);
    const node = new GraphBuilder('call').node(op, form.inputs, given as never, { outputs: form.outputs });
    const opset = Number(called.opsetImport.find(o => domainOf(o.domain) === '')?.version ?? 0n);
    return sameFunction(called, writeFunction(node, bodyOf(node), called.name ?? '', opset));
  } catch (error) {
    if (error instanceof Refusal || (error instanceof SutureError && !(error instanceof LimitError))) return false;
    throw error;
  }
}

const isValue = (meaning: Meaning | undefined): meaning is Value =>
  meaning !== undefined && meaning !== failed && !(meaning instanceof Sequence);

const metadataOf = (node: NodeProto): Readonly<Record<string, string>> =>
  Object.fromEntries(node.metadataProps.map(p => [p.key ?? '', p.value ?? '']));

function originOf(node: NodeProto, place: Place): Origin {
  const metadata = { ...place.metadata, ...metadataOf(node) };
  return {
    name: place.prefix + (node.name ?? ''),
    ...(node.docString ? { documentation: node.docString } : {}),
    ...(Object.keys(metadata).length > 0 ? { metadata } : {}),
  };
}

/** How many columns the weight of a matrix product wants; undefined for other nodes. */
function rowsOf({ opType, attribute }: NodeProto, weight: Value): Dim | undefined {
  const { shape } = weight.type;
  if (shape.length !== 2 || (opType !== 'Gemm' && opType !== 'MatMul')) return undefined;
  return attribute.some(a => a.name === 'transB' && a.i === 1n) ? shape[1] : shape[0];
}

/**
 * Until version 9 batch normalisation wrote its running statistics over its inputs, under their names. Inference leaves them
 * as they are.
 */
function withoutInPlace(node: NodeProto): NodeProto {
  if (node.opType !== 'BatchNormalization' || domainOf(node.domain) !== '') return node;
  if (!node.output.some(output => node.input.includes(output))) return node;
  return { ...node, output: node.output.map(output => (node.input.includes(output) ? '' : output)) };
}

/** Inputs of a function that its call leaves out are absent inside, too. */
function withoutAbsent(node: NodeProto, absent: ReadonlySet<string>): NodeProto {
  return node.input.some(i => absent.has(i)) ? { ...node, input: node.input.map(i => (absent.has(i) ? '' : i)) } : node;
}

function givenAttributes(op: OpName, specs: AttributeSpecs, form: NodeForm): Readonly<Record<string, unknown>> {
  const given: Record<string, unknown> = {};
  for (const [name, value] of form.attributes) {
    const spec = Object.hasOwn(specs, name) ? specs[name] : undefined;
    if (spec === undefined) throw new Refusal(`it has the attribute '${printable(name)}', which ${op} has not`);
    const converted = convertAttribute(value, spec.kind);
    if (converted === undefined) {
      throw new Refusal(
        spec.kind === 'dtype'
          ? `its attribute '${printable(name)}' asks for an element type that is not supported`
          : `its attribute '${printable(name)}' is of type ${value.kind}, not ${spec.kind}`,
      );
    }
    given[name] = converted;
  }
  for (const [name, spec] of Object.entries(specs)) {
    if (spec.presence === 'required' && given[name] === undefined)
      throw new Refusal(`its attribute '${name}' is missing`);
  }
  return given;
}

const versionMessage = (opset: number, first: number): string =>
  `its form of opset ${opset} is not supported; forms from opset ${first} on are`;
