/**
 * ONNX → IR.
 *
 * A model that the vocabulary can't express is refused with all its problems in one error. What a graph can't hold and
 * the result does not depend on is left out with a warning; nothing is left out in silence.
 */
import { GraphBuilder } from '../builder.ts';
import { type Dim, symbol } from '../dim.ts';
import { printable, SutureError } from '../errors.ts';
import type { Graph, GraphInfo, Value } from '../graph.ts';
import { Budget, LimitError, type Limits, limitsFrom, withBudget } from '../limits.ts';
import { MOST_AXES } from '../operator.ts';
import { type TensorType, typeText } from '../type.ts';
import { ancestors } from '../walk.ts';
import { type ExternalSource, externalLocations } from './external.ts';
import { functionTable } from './functions.ts';
import { listingOf } from './listing.ts';
import { NodeImporter } from './nodes.ts';
import { exactNumber, unknownFields } from './proto/codec.ts';
import {
  dataTypeName,
  type GraphProto,
  type ModelProto,
  type StringStringEntryProto,
  type ValueInfoProto,
} from './proto/schema.ts';
import { ImportReport, type ImportWarning, listed } from './report.ts';
import { failed, opsetsOf, Scope } from './scope.ts';
import { Sequence } from './sequences.ts';
import { dtypeOf, readTensor } from './tensor.ts';

/** The newest operator set of ONNX whose operators are known. */
const NEWEST_OPSET = 28;

export interface ImportOptions {
  /** Where external data is read from. */
  readonly external?: ExternalSource;
  /** What the model is called in errors. */
  readonly what?: string;
  /** What the model may make of itself; see {@link limitsFrom}. */
  readonly limits?: Partial<Limits> | undefined;
  /**
   * Whether a tensor that the file holds once, and under other names by Identity, is a constant of each name: exporters store equal
   * tensors so, and where they are trained equal first values are no tie. Default: it is one constant.
   */
  readonly apart?: boolean | undefined;
}

export interface Imported {
  readonly graph: Graph;
  readonly warnings: readonly ImportWarning[];
  /** Files beside the model that hold tensors of it, relative to its folder. */
  readonly external: readonly string[];
}

/**
 * Reads a model that is decoded.
 *
 * @throws SutureError `model-unsupported`, `model-external-data` (all problems in `details`), `model-limit`.
 */
export function importModel(model: ModelProto, options: ImportOptions = {}): Imported {
  const budget = new Budget(limitsFrom(options.limits));
  const what = options.what ?? 'The model';
  try {
    const found = withBudget(budget, () => graphOf(model, what, options, budget));
    return { ...found, external: externalLocations(model) };
  } catch (error) {
    if (error instanceof LimitError) throw new SutureError(error.code, `${what} ${error.problem}`, { cause: error });
    throw error;
  }
}

function graphOf(
  model: ModelProto,
  what: string,
  { external, apart = false }: ImportOptions,
  budget: Budget,
): Omit<Imported, 'external'> {
  const { graph } = model;
  if (graph === undefined) throw new SutureError('model-unreadable', `${what} has no graph.`);
  const report = new ImportReport();
  const opsets = opsetsOf(model.opsetImport);
  reportDropped(model, graph, report);
  const opset = opsets.get('') ?? 0;
  if (opset > NEWEST_OPSET) {
    report.warn(
      'newer-opset',
      `The file asks for opset ${opset}; the newest known is ${NEWEST_OPSET}, and its operators are read as of then.`,
    );
  }

  const builder = new GraphBuilder(graph.name || 'graph', infoOf(model, graph));
  const scope = new Scope();
  const reading = { model, graph, builder, scope, report };
  addInputs(reading);
  const listing = listingOf(graph);
  addInitializers(reading, external, listing.used);
  const nodes = new NodeImporter({
    builder,
    report,
    external,
    budget,
    functions: functionTable(model.functions),
    fileNames: fileNames(graph),
    apart,
  });
  nodes.addAll(graph.node, {
    scope,
    opsets,
    listing,
    prefix: '',
    metadata: {},
    results: new Map(),
    arguments: new Map(),
    calls: [],
  });
  addOutputs(reading);
  report.throwIfAny(what);
  return { graph: withoutFolded(builder.build(), listing.used), warnings: report.warnings };
}

function fileNames(graph: GraphProto): Set<string> {
  const names = new Set<string>();
  for (const { name } of [...graph.input, ...graph.output, ...graph.initializer]) if (name) names.add(name);
  for (const node of graph.node) for (const output of node.output) names.add(output);
  return names;
}

const record = (entries: readonly StringStringEntryProto[]): Readonly<Record<string, string>> =>
  Object.fromEntries(entries.map(({ key, value }) => [key ?? '', value ?? '']));

function infoOf(model: ModelProto, graph: GraphProto): GraphInfo {
  const values: Record<string, { documentation?: string; metadata?: Readonly<Record<string, string>> }> = {};
  for (const said of [...graph.input, ...graph.output, ...graph.valueInfo, ...graph.initializer]) {
    if (!said.name || (!said.docString && said.metadataProps.length === 0)) continue;
    values[said.name] = {
      ...(said.docString ? { documentation: said.docString } : {}),
      ...(said.metadataProps.length > 0 ? { metadata: record(said.metadataProps) } : {}),
    };
  }
  const producer = [model.producerName, model.producerVersion].filter(part => part).join(' ');
  return {
    ...(model.docString ? { documentation: model.docString } : {}),
    ...(producer ? { producer } : {}),
    ...(model.domain ? { domain: model.domain } : {}),
    ...(model.modelVersion ? { version: model.modelVersion } : {}),
    ...(model.metadataProps.length > 0 ? { metadata: record(model.metadataProps) } : {}),
    ...(graph.docString || graph.metadataProps.length > 0
      ? {
          graph: {
            ...(graph.docString ? { documentation: graph.docString } : {}),
            ...(graph.metadataProps.length > 0 ? { metadata: record(graph.metadataProps) } : {}),
          },
        }
      : {}),
    ...(Object.keys(values).length > 0 ? { values } : {}),
  };
}

/** What a graph has no place for. */
function reportDropped(model: ModelProto, graph: GraphProto, report: ImportReport): void {
  const dropped = (what: string): void =>
    report.warn('field-dropped', `The graph can't hold ${what}; it was left out.`);
  if (model.trainingInfo.length > 0) dropped('the training information');
  if (model.configuration.length > 0) dropped('the device configurations');
  if (graph.quantizationAnnotation.length > 0) dropped('the quantisation annotations');
  for (const { name, type } of [...graph.input, ...graph.output]) {
    const denoted = type?.denotation || type?.tensorType?.shape?.dim.some(dim => dim.denotation);
    if (denoted) dropped(`the denotations in the type of '${printable(name ?? '')}'`);
  }
  for (const { path, message, field } of unknownFields('ModelProto', model)) {
    dropped(`field ${field} of ${message}${path === '' ? '' : ` at ${printable(path)}`}, which is not known`);
  }
}

/** Values are handed over in objects under their names, and ONNX Runtime does the same: there, this one does not exist. */
const UNUSABLE = '__proto__';
const unusable = 'the name has a meaning of its own in JavaScript; give it another one';

/** A file on its way into a graph. */
interface Reading {
  readonly model: ModelProto;
  readonly graph: GraphProto;
  readonly builder: GraphBuilder;
  readonly scope: Scope;
  readonly report: ImportReport;
}

function addInputs({ graph, builder, scope, report }: Reading): void {
  const initialized = new Set(graph.initializer.map(t => t.name ?? ''));
  for (const input of graph.input) {
    const name = input.name ?? '';
    if (initialized.has(name)) continue;
    if (scope.has(name)) {
      report.problem({ subject: `Input '${printable(name)}'`, message: 'it is defined twice' });
      continue;
    }
    const type = typeOf(input, `Input '${printable(name)}'`, report);
    if (name === UNUSABLE) report.problem({ subject: `Input '${name}'`, message: unusable });
    scope.set(name, type === undefined ? failed : builder.input(name, type));
  }
}

function typeOf({ name, type }: ValueInfoProto, subject: string, report: ImportReport): TensorType | undefined {
  const fail = (message: string): undefined => report.problem({ subject, message }) as undefined;
  if (type?.tensorType === undefined) return fail('it is no tensor');
  const dtype = dtypeOf(type.tensorType.elemType ?? 0);
  if (dtype === undefined) {
    return fail(`its element type ${dataTypeName(type.tensorType.elemType ?? 0)} is not supported`);
  }
  const { shape } = type.tensorType;
  if (shape === undefined) return fail('its shape is not given; the number of its dimensions must be known');
  if (shape.dim.length > MOST_AXES) return fail(`it has ${shape.dim.length} axes; ${MOST_AXES} are the most`);
  const dims = shape.dim.map((dim, i): Dim => {
    const size = dim.dimValue === undefined ? undefined : exactNumber(dim.dimValue);
    // Some exporters write -1 for a dim that is open.
    if (size !== undefined && size >= 0) return size;
    return symbol((dim.dimParam !== UNUSABLE && dim.dimParam) || `${name ?? ''}_dim${i}`);
  });
  return { dtype, shape: dims };
}

function addInitializers(
  { model, graph, builder, scope, report }: Reading,
  external: ExternalSource | undefined,
  used: ReadonlySet<string>,
): void {
  const inputs = new Set(graph.input.map(i => i.name ?? ''));
  const unused: string[] = [];
  for (const proto of graph.initializer) {
    const name = proto.name ?? '';
    if (!used.has(name)) {
      unused.push(name);
      continue;
    }
    if (scope.has(name)) {
      report.problem({ subject: `Initializer '${printable(name)}'`, message: 'it is defined twice' });
      continue;
    }
    // Before IR version 4 every initialiser had to be an input; since then it is a choice, which is lost here.
    if (inputs.has(name) && (model.irVersion ?? 0n) >= 4n) {
      report.warn(
        'input-default',
        'Inputs with a default value in the file were read as constants, not as inputs',
        `'${printable(name)}'`,
      );
    }
    try {
      scope.set(name, builder.constant(readTensor(proto, external, 'Initializer'), name));
    } catch (error) {
      if (!(error instanceof SutureError)) throw error;
      scope.set(name, failed);
      report.caught(error, `Initializer '${printable(name)}'`);
    }
  }
  for (const { values } of graph.sparseInitializer) {
    const name = values?.name ?? '';
    scope.set(name, failed);
    report.problem({ subject: `Initializer '${printable(name)}'`, message: 'it is sparse, which is not supported' });
  }
  if (unused.length > 0) {
    report.warn('unused-initializer', `Initializers that nothing reads were left out: ${listed(unused)}.`);
  }
}

function addOutputs({ graph, builder, scope, report }: Reading): void {
  for (const output of graph.output) {
    const name = output.name ?? '';
    const value = scope.get(name);
    if (value === undefined) {
      report.problem({ subject: `Output '${printable(name)}'`, message: 'it is computed nowhere' });
    } else if (value instanceof Sequence) {
      report.problem({ subject: `Output '${printable(name)}'`, message: 'it is a sequence of tensors' });
    } else if (value !== failed) {
      checkDeclared(output, value, report);
      if (name === UNUSABLE) report.problem({ subject: `Output '${name}'`, message: unusable });
      builder.output(name, value);
    }
  }
}

/** Leaves out nodes that only fed what was folded. Nodes that nothing reads in the file itself stay. */
function withoutFolded(graph: Graph, used: ReadonlySet<string>): Graph {
  const unread = graph.nodes.filter(node => node.outputs.every(value => !used.has(value.name)));
  const ends = [...graph.outputs.map(output => output.value), ...unread.flatMap(node => node.outputs)];
  const nodes = ancestors(graph.nodes, ends);
  return nodes.length === graph.nodes.length ? graph : graph.with({ nodes });
}

/** The file's own statement of an output's type must not contradict what follows from the operators. */
function checkDeclared({ name, type }: ValueInfoProto, value: Value, report: ImportReport): void {
  const subject = `Output '${printable(name ?? '')}'`;
  const declared = type?.tensorType;
  const dtype = declared?.elemType === undefined ? undefined : dtypeOf(declared.elemType);
  if (dtype !== undefined && dtype !== value.type.dtype) {
    report.problem({ subject, message: `it is declared ${dtype}, but is ${typeText(value.type)}` });
  }
  const batch = declared?.shape?.dim[0]?.dimParam;
  const [first] = value.type.shape;
  if (batch && typeof first === 'number') {
    report.warn(
      'baked-batch',
      `${subject} is declared with the batch axis '${printable(batch)}', but is ${typeText(value.type)}: a batch size of the export stands in the file.`,
    );
  }
}
