/**
 * A graph as a sequence of kernels, before any memory or device is involved: which plan computes which values from which,
 * what is a mere view, and what is known already.
 */
import { printable, SutureError } from '../../ir/errors.ts';
import { type AnyNode, type Graph, inputAt, type Node, nodeWith, Value } from '../../ir/graph.ts';
import { constantNumber } from '../../ir/operator.ts';
import { isElementwise } from '../../ir/ops/index.ts';
import type { Tensor } from '../../ir/tensor.ts';
import { ancestors } from '../../ir/walk.ts';
import { elementwisePlan, epilogueOf } from '../kernels/elementwise.ts';
import { foldedTensor, isView, planNode } from '../kernels/index.ts';
import type { KernelContext, KernelPlan, Operand } from '../kernels/kernel.ts';
import { type Region, regionOf } from '../kernels/region.ts';
import { sizesOf } from '../kernels/shape.ts';
import { storedAs } from '../kernels/storage.ts';
import { shareKernels } from './sharing.ts';

/** One kernel in the sequence. Operand indices of the plan refer to these lists. */
export interface Step {
  readonly node: string;
  readonly op: string;
  readonly plan: KernelPlan;
  readonly inputs: readonly (Value | undefined)[];
  readonly outputs: readonly Value[];
}

export interface Program {
  readonly graph: Graph;
  readonly steps: readonly Step[];
  /** Where a value's elements are: itself, or the value that it is a view of. */
  readonly root: (value: Value) => Value;
  /** The elements of a value that is known before the run. */
  readonly known: (value: Value) => Tensor | undefined;
}

/** What became of the values so far. */
class Compiler {
  readonly steps: Step[] = [];
  readonly views = new Map<Value, Value>();
  readonly folded = new Map<Value, Tensor>();
  readonly problems: string[] = [];
  readonly #context: KernelContext;

  constructor(context: KernelContext) {
    this.#context = context;
  }

  root(value: Value): Value {
    let at = value;
    for (let next = this.views.get(at); next !== undefined; next = this.views.get(at)) at = next;
    return at;
  }

  known(value: Value): Tensor | undefined {
    const root = this.root(value);
    return root.constant ?? this.folded.get(root);
  }

  /** Compiles a node, keeping every refusal for one report. */
  node(node: AnyNode): void {
    const unsupported = [...node.inputs, ...node.outputs].find(v => v && storedAs(v.type.dtype) === undefined);
    const where = `${node.op} '${printable(node.name)}'`;
    if (unsupported) {
      this.problems.push(`${where}: WebGPU has no ${unsupported.type.dtype}`);
      return;
    }
    try {
      this.#compile(node);
    } catch (error) {
      if (!(error instanceof SutureError) || error.code !== 'kernel-missing') throw error;
      this.problems.push(`${where}: ${error.message}`);
    }
  }

  #compile(node: AnyNode): void {
    const folded = foldedTensor(node);
    if (folded) this.folded.set(node.outputs[0], folded);
    else if (isView(node.op)) this.views.set(node.outputs[0], inputAt(node, 0));
    else if (node.op === 'Fused') this.#fused(node);
    else if (isElementwise(node.op)) this.#region(node, regionOf(this.#withKnown(node)));
    else {
      const plan = planNode(this.#withKnown(node), this.#context);
      this.steps.push({ node: node.name, op: node.op, plan, inputs: node.inputs, outputs: node.outputs });
    }
  }

  /** Folded operands in the form of constants, so that rules need to look in one place only. */
  #withKnown(node: AnyNode): AnyNode {
    if (!node.inputs.some(v => v && !v.constant && this.known(v))) return node;
    return nodeWith(node, { inputs: node.inputs.map(v => v && this.#constant(v)) });
  }

  #constant(value: Value): Value {
    const constant = value.constant ? undefined : this.known(value);
    if (constant === undefined) return value;
    const copy = new Value(value.name, value.type, { constant });
    this.views.set(copy, value);
    return copy;
  }

  #region(node: AnyNode, region: Region): void {
    const slots = slotsOf(region);
    const label = region.nodes.map(n => n.op).join('+');
    const { maxStorageBuffersPerShaderStage } = this.#context.limits;
    if (region.inputs.length + region.outputs.length > maxStorageBuffersPerShaderStage) {
      throw new SutureError(
        'kernel-missing',
        `it has ${region.inputs.length + region.outputs.length} operands, and the device binds ${maxStorageBuffersPerShaderStage}`,
      );
    }
    const plan = elementwisePlan(region, slots, this.#context, label);
    this.steps.push({ node: node.name, op: label, plan, inputs: region.inputs, outputs: region.outputs });
  }

  /** A fused node as one kernel where its form allows, else as the nodes that it holds. */
  #fused(node: Node<'Fused'>): void {
    const nodes = expanded(node);
    const anchors = nodes.filter(n => !isElementwise(n.op) && !isView(n.op));
    const { length: steps } = this.steps;
    try {
      if (anchors.length === 0) this.#region(node as unknown as AnyNode, this.#asRegion(node, nodes));
      else this.#anchored(node, nodes, anchors);
    } catch (error) {
      if (!(error instanceof SutureError) || error.code !== 'kernel-missing') throw error;
      this.steps.length = steps;
      for (const each of nodes) this.#compile(each);
    }
  }

  #asRegion(node: Node<'Fused'>, nodes: readonly AnyNode[]): Region {
    if (nodes.some(n => isView(n.op))) throw new SutureError('kernel-missing', 'a view within a region');
    const inputs = (node.inputs as readonly Value[]).filter(v => constantNumber(v) === undefined);
    return { inputs: [...new Set(inputs)], nodes, outputs: node.outputs };
  }

  /** One anchor followed by elementwise nodes: the anchor's kernel with an epilogue. */
  #anchored(node: Node<'Fused'>, nodes: readonly AnyNode[], anchors: readonly AnyNode[]): void {
    const [anchor] = anchors;
    const [output] = node.outputs;
    if (anchors.length !== 1 || nodes[0] !== anchor || node.outputs.length !== 1 || anchor.outputs.length !== 1) {
      throw new SutureError('kernel-missing', 'no single anchor at the start');
    }
    const [computed] = anchor.outputs;
    const rest = nodes.slice(1);
    if (sizesOf(computed).join() !== sizesOf(output).join())
      throw new SutureError('kernel-missing', 'the shape changes');
    if (rest.length === 0) {
      this.#compile(anchor);
      return;
    }
    const read = new Set(rest.flatMap(n => n.inputs));
    const extras = [...new Set(node.inputs as readonly Value[])].filter(
      v => read.has(v) && constantNumber(v) === undefined,
    );
    const region: Region = { inputs: [computed, ...extras], nodes: rest, outputs: [output] };
    const epilogue = epilogueOf(region, computed, extras);
    const plan = planNode(this.#withKnown(anchor), { ...this.#context, epilogue });
    const op = nodes.map(n => n.op).join('+');
    this.steps.push({ node: node.name, op, plan, inputs: [...anchor.inputs, ...extras], outputs: [output] });
  }
}

function slotsOf(region: Region): (value: Value) => Operand {
  return value => {
    const input = region.inputs.indexOf(value);
    if (input >= 0) return { kind: 'input', index: input };
    return { kind: 'output', index: region.outputs.indexOf(value) };
  };
}

/** The nodes of a fused node over the node's own operands. Values in between are new, for a body may be shared. */
function expanded(node: Node<'Fused'>): AnyNode[] {
  const { body } = node.attributes;
  const map = new Map<Value, Value>(body.inputs.map((input, i) => [input, inputAt(node, i)]));
  for (const [i, { value }] of body.outputs.entries()) if (!map.has(value)) map.set(value, node.outputs[i]);
  const mapped = (value: Value): Value => {
    const known = map.get(value);
    if (known !== undefined) return known;
    if (value.constant) return value;
    const fresh = new Value(`${node.name}/${value.name}`, value.type, { elements: value.elements });
    map.set(value, fresh);
    return fresh;
  };
  return body.nodes.map(n =>
    nodeWith(n, { inputs: n.inputs.map(v => v && mapped(v)), outputs: n.outputs.map(mapped) }),
  );
}

/**
 * Compiles a graph to kernels.
 *
 * @throws SutureError `kernel-missing` with every node that no kernel computes.
 */
export function compile(graph: Graph, context: KernelContext): Program {
  const compiler = new Compiler(context);
  const roots = graph.outputs.map(o => o.value);
  for (const node of ancestors(graph.nodes, roots)) compiler.node(node);
  const { problems } = compiler;
  if (problems.length > 0) {
    const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
    throw new SutureError(
      'kernel-missing',
      `WebGPU cannot run the graph '${printable(graph.name)}': ${problems[0]}${more}. Use --executor ort.`,
      { details: problems },
    );
  }
  return {
    graph,
    steps: context.adapterClass === 'software' ? shareKernels(compiler.steps) : compiler.steps,
    root: value => compiler.root(value),
    known: value => compiler.known(value),
  };
}
