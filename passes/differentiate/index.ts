import { GraphBuilder } from '../../ir/builder.ts';
import { printable, SutureError } from '../../ir/errors.ts';
import type { AnyNode, Graph, InputsOf, Value } from '../../ir/graph.ts';
import type { OpName } from '../../ir/ops/index.ts';
import { isFloat, sameShape, staticShape, typeText } from '../../ir/type.ts';
import { ruleOf } from './adjoints/index.ts';
import { Emit } from './emit.ts';

/**
 * Reverse-mode differentiation, as a pass: adjoint operators are added to the graph, in terms of the IR.
 *
 * Requires: a scalar loss; parameters that are inputs of the graph. Extents that a rule must know (the spatial ones of a strided
 * convolution, a concatenation's axis) are numbers; the batch may be symbolic.
 *
 * Guarantees:
 * - What is added is what the parameters' gradients need. Nothing is emitted for frozen weights, for what does not depend on a
 *   parameter, or for what the loss does not depend on; so layers upstream of the first parameter have no adjoint.
 * - The nodes that were there stay as they are, and come first.
 * - The adjoint reads little of the forward pass. A rectifier is turned back by the sign of its *output*; a convolution, a matrix
 *   product and a stitch with frozen weights read nothing of it. A convolution's input gradient is a convolution with the flipped
 *   kernel (of a frozen one a constant computed here once) where the stride is 1; elsewhere a transposed convolution with the same weight, whose
 *   output padding makes up for what the stride dropped. Both are exact for all strides, dilations, groups and pads.
 * - Gradients of values that are read several times are summed as they come, so that one partial sum is alive at a time.
 */
export interface DifferentiateOptions {
  /** The name of the output to differentiate: a float scalar. */
  readonly loss: string;
  /** The names of the inputs whose gradients are wanted. */
  readonly parameters: readonly string[];
}

export interface Differentiated {
  /** The graph with an output for each gradient. */
  readonly graph: Graph;
  /** For each parameter the name of the output that holds its gradient. */
  readonly gradients: ReadonlyMap<string, string>;
}

/** Throws `adjoint-missing` with all operators that gradients can't pass, each with the path that leads through it. */
export function differentiate(graph: Graph, { loss, parameters }: DifferentiateOptions): Differentiated {
  const root = graph.output(loss);
  if (!isFloat(root.type.dtype) || root.type.shape.length > 0) {
    throw new SutureError('option-invalid', `The loss '${loss}' must be a float scalar, not ${typeText(root.type)}.`);
  }
  const inputs = parameters.map(name => graph.input(name));
  const wanted = new Dependence(graph, inputs, root);
  wanted.requireRules();

  const b = continued(graph);
  const gradients = emitAdjoint(graph, b, wanted, root);

  const names = new Map<string, string>();
  const taken = new Set(graph.outputs.map(o => o.name));
  for (const input of inputs) {
    const name = fresh(`gradient/${input.name}`, taken);
    names.set(input.name, name);
    b.output(name, gradients.get(input) ?? zeros(b, input));
  }
  return { graph: b.build(), gradients: names };
}

/** A builder that holds a copy of the graph, to be added to. */
export function continued(graph: Graph): GraphBuilder {
  const b = new GraphBuilder(graph.name, graph.info);
  for (const constant of graph.constants()) b.reserve(constant.name);
  for (const input of graph.inputs) b.adoptInput(input);
  for (const node of graph.nodes) b.adopt(node);
  for (const { name, value } of graph.outputs) b.output(name, value);
  return b;
}

function fresh(stem: string, taken: Set<string>): string {
  let name = stem;
  for (let i = 1; taken.has(name); i++) name = `${stem}_${i}`;
  taken.add(name);
  return name;
}

function zeros(b: GraphBuilder, like: Value): Value {
  const e = new Emit(b);
  const shape = staticShape(like.type.shape);
  return shape
    ? e.constant(shape, new Float64Array(shape.reduce((x, y) => x * y, 1)), like, 'zeros')
    : e.filled(0, like);
}

/** Which values vary with a parameter, and which nodes lie between a parameter and the loss. */
class Dependence {
  readonly #graph: Graph;
  readonly #root: Value;
  /** For each value that varies with a parameter the operand that it does so through; undefined for the parameters. */
  readonly #through = new Map<Value, Value | undefined>();
  /** Values that the loss varies with. */
  readonly #reaching = new Set<Value>();

  constructor(graph: Graph, parameters: readonly Value[], root: Value) {
    this.#graph = graph;
    this.#root = root;
    for (const parameter of parameters) this.#through.set(parameter, undefined);
    for (const node of graph.nodes) {
      if (ruleOf(node.op) === 'zero') continue;
      const operand = node.inputs.find(v => v !== undefined && this.#through.has(v));
      if (!operand) continue;
      for (const output of node.outputs) if (isFloat(output.type.dtype)) this.#through.set(output, operand);
    }
    this.#reaching.add(root);
    for (const node of graph.nodes.toReversed()) {
      if (!this.needsAdjoint(node)) continue;
      for (const input of node.inputs) if (input && this.varies(input)) this.#reaching.add(input);
    }
  }

  varies(value: Value): boolean {
    return this.#through.has(value);
  }

  needsAdjoint(node: AnyNode): boolean {
    return node.outputs.some(o => this.varies(o) && this.#reaching.has(o));
  }

  requireRules(): void {
    const missing = this.#graph.nodes.filter(n => this.needsAdjoint(n) && ruleOf(n.op) === null);
    if (missing.length > 0) this.refuse(missing.map(node => this.#problem(node)));
  }

  #problem(node: AnyNode): string {
    const output = node.outputs.find(o => this.varies(o)) ?? node.outputs[0];
    return `${node.op} '${printable(node.name)}' has no adjoint rule (${this.path(output)})`;
  }

  /** The way from a parameter over a value to the loss, shortened in the middle. */
  path(value: Value): string {
    const before: Value[] = [];
    for (let v: Value | undefined = value; v; v = this.#through.get(v)) before.unshift(v);
    const after: Value[] = [];
    const next = (v: Value): Value | undefined =>
      this.#graph
        .consumers(v)
        .flatMap(n => n.outputs)
        .find(o => this.varies(o) && this.#reaching.has(o));
    for (let v = value === this.#root ? undefined : next(value); v; v = v === this.#root ? undefined : next(v))
      after.push(v);
    return [...shortened(before), ...shortened(after)].join(' → ');
  }

  refuse(problems: readonly string[]): never {
    const more = problems.length > 1 ? `, and ${problems.length - 1} more` : '';
    throw new SutureError(
      'adjoint-missing',
      `The gradient can't be built: ${problems[0]}${more}; put the stitches after these operators or keep the inputs frozen.`,
      { details: problems },
    );
  }
}

function shortened(values: readonly Value[]): string[] {
  const names = values.map(v => printable(v.name, 60));
  return names.length <= 4 ? names : [...names.slice(0, 2), '…', ...names.slice(-2)];
}

function emitAdjoint(graph: Graph, b: GraphBuilder, wanted: Dependence, root: Value): Map<Value, Value> {
  const e = new Emit(b);
  const gradients = new Map<Value, Value>();
  const problems: string[] = [];
  if (wanted.varies(root)) gradients.set(root, e.number(1, root));

  for (const node of graph.nodes.toReversed()) {
    if (!wanted.needsAdjoint(node)) continue;
    const rule = ruleOf(node.op);
    const dys = node.outputs.map(o => gradients.get(o));
    const first = dys.findIndex(d => d !== undefined);
    if (first < 0 || rule === null || rule === 'zero') continue;
    const dy = dys[0] ?? e.filled(0, node.outputs[0]);
    b.scope(`gradient/${node.name}`, () => {
      const x = node.inputs as unknown as InputsOf<OpName>;
      const emitters = rule({ e, node: node as never, x, y: node.outputs[0], dy, dys });
      for (const [i, input] of node.inputs.entries()) {
        if (!input || !wanted.varies(input)) continue;
        const emit = emitters[i];
        if (!emit) {
          const path = wanted.path(node.outputs[first]);
          problems.push(`${node.op} '${printable(node.name)}' has no adjoint for '${printable(input.name)}' (${path})`);
          continue;
        }
        const gradient = checked(e.reduceTo(emit(), input.type.shape), input, node);
        const sum = gradients.get(input);
        gradients.set(input, sum ? e.add(sum, gradient) : gradient);
      }
    });
    // Outputs are written once, and no earlier node reads them: their gradients have been used up.
    for (const output of node.outputs) gradients.delete(output);
  }
  if (problems.length > 0) wanted.refuse(problems);
  return gradients;
}

/** A rule that gives the wrong shape is a defect of the rule; it is found here rather than in a kernel. */
function checked(gradient: Value, of: Value, node: AnyNode): Value {
  const [got, want] = [staticShape(gradient.type.shape), staticShape(of.type.shape)];
  const wrong = got && want && !sameShape(got, want);
  if (wrong || gradient.type.dtype !== of.type.dtype) {
    throw new TypeError(`the adjoint of ${node.op} '${node.name}' gives ${typeText(gradient.type)} for ${of}`);
  }
  return gradient;
}
