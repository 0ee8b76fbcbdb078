/** How much memory a training step takes: the plan within a budget, and what the plan is made of. */
import {
  type AnyNode,
  ancestors,
  type Binding,
  bytesPerElement,
  descendants,
  type Graph,
  SutureError,
  staticShape,
  type Value,
} from '../../ir/index.ts';
import { arrange, isRecomputed, occupancy, peak, simplify, specialize, type TrainingStep } from '../../passes/index.ts';
import type { Executor } from '../../runtime/executor.ts';
import { arrangeWithin } from '../execution/budget.ts';

/** @throws SutureError `option-invalid` where a memory budget is asked of an executor that plans its own memory. */
export function requireBudgetSupport(executor: Executor, { memory }: { readonly memory?: number | undefined }): void {
  if (memory === undefined || executor.name === 'webgpu') return;
  throw new SutureError(
    'option-invalid',
    'A --memory budget is kept by the WebGPU executor only, ONNX Runtime plans its own memory; add --executor webgpu.',
  );
}

/**
 * What the activations of a training step are there for:
 *
 * - `reference`: features of the networks as they are; they do not depend on a parameter, and no gradient goes into them;
 * - `kept`: what the forward pass made of the parameters and the backward pass reads;
 * - `forward`: the rest of the forward pass, read by its next nodes only;
 * - `recomputed`: what is computed again instead of kept;
 * - `gradient`: the adjoints, and what they are made of;
 * - `update`: new parameters and state, as far as they are not written in place.
 */
export const memoryUses = ['reference', 'kept', 'forward', 'recomputed', 'gradient', 'update'] as const;
export type MemoryUse = (typeof memoryUses)[number];

/** The part of a training step that a node belongs to. A planned schedule interleaves them. */
export type Phase = 'forward' | 'backward' | 'update';

export interface StepMemory {
  /** Bytes of the activations at the peak. No assignment to buffers can do with less under this schedule. */
  readonly activations: number;
  /** The node that runs at the peak. */
  readonly node: string;
  /** Of a fused region the operators that it holds: `Mul+Add`. */
  readonly op: string;
  readonly phase: Phase;
  /** Its number in the schedule, from 0, and how many there are. */
  readonly at: number;
  readonly nodes: number;
  /** How many of them compute something again. */
  readonly recomputed: number;
  /** What lives at the peak, in bytes by use. They sum up to `activations`. */
  readonly uses: Readonly<Record<MemoryUse, number>>;
  /** What lives at the peak, largest first. */
  readonly values: readonly { readonly name: string; readonly use: MemoryUse; readonly bytes: number }[];
  /** The highest number of bytes in each twentieth of the schedule. */
  readonly timeline: readonly number[];
  /** Bytes besides the activations: the networks' weights; parameters with the optimiser's state; the batch. */
  readonly weights: number;
  readonly state: number;
  readonly batch: number;
}

export interface PlanOptions {
  /** As for {@link arrangeWithin}. */
  readonly memory?: number;
  /**
   * The order of the nodes. `planned`: for a low peak, as `suture stitch` runs them on WebGPU. `conventional`: the forward pass, then
   * the backward pass in the opposite order, then the update, as frameworks do that record a tape. Both with fused kernels.
   */
  readonly schedule?: 'planned' | 'conventional';
}

/** A training step for images of known sizes, without symbols. */
export const boundStep = (step: TrainingStep, binding: Binding): TrainingStep => ({
  ...step,
  graph: simplify(specialize(step.graph, binding)),
});

/** The memory of a training step without symbols: see {@link boundStep}. */
export function stepMemory(step: TrainingStep, options: PlanOptions = {}): StepMemory {
  const { memory, schedule = 'planned' } = options;
  const graph =
    schedule === 'planned' ? arrangeWithin(step.graph, step.loss, memory) : arrange(step.graph, { schedule: false });
  const { bytes: activations, node, living } = peak(graph);
  const roles = new Roles(graph, step);
  const values = living.map(({ value, bytes }) => ({ name: value.name, use: roles.useOf(value), bytes }));
  const uses = Object.fromEntries(memoryUses.map(use => [use, 0])) as Record<MemoryUse, number>;
  for (const { use, bytes } of values) uses[use] += bytes;
  const data = new Set(step.data);
  const [batch, state] = [true, false].map(fed =>
    graph.inputs.filter(v => data.has(v.name) === fed).reduce((sum, v) => sum + bytesOf(v), 0),
  );
  return {
    activations,
    node: node?.name ?? '',
    op: node ? operators(node) : '',
    phase: node ? roles.phaseOf(node) : 'forward',
    at: node ? graph.nodes.indexOf(node) : 0,
    nodes: graph.nodes.length,
    recomputed: graph.nodes.filter(isRecomputed).length,
    uses,
    values,
    timeline: highest(occupancy(graph), 20),
    weights: graph.constants().reduce((sum, { constant }) => sum + constant.data.byteLength, 0),
    state,
    batch,
  };
}

const operators = (node: AnyNode): string =>
  node.op === 'Fused' ? node.attributes.body.nodes.map(n => n.op).join('+') : node.op;

const bytesOf = ({ type: { dtype, shape } }: Value): number =>
  (staticShape(shape)?.reduce((p, q) => p * q, 1) ?? 0) * bytesPerElement[dtype];

/** The highest value in each of `parts` stretches. */
function highest(values: readonly number[], parts: number): number[] {
  const edge = (part: number): number => Math.round((part * values.length) / parts);
  return Array.from({ length: parts }, (_, i) => Math.max(0, ...values.slice(edge(i), edge(i + 1))));
}

/** Which part of the step each node and value belongs to. */
class Roles {
  readonly #graph: Graph;
  readonly #forward: ReadonlySet<AnyNode>;
  /** Nodes that depend on a parameter. */
  readonly #varying: ReadonlySet<AnyNode>;
  /** New parameters and state. */
  readonly #next: ReadonlySet<Value>;

  constructor(graph: Graph, { loss, terms, parameters, carry }: TrainingStep) {
    this.#graph = graph;
    this.#next = new Set([...carry.keys()].map(name => graph.output(name)));
    const losses = [loss, ...terms.map(t => t.output)].map(name => graph.output(name));
    this.#forward = new Set(ancestors(graph.nodes, losses));
    const inputs = parameters.map(name => graph.input(name));
    this.#varying = new Set(descendants(graph.nodes, inputs));
  }

  phaseOf(node: AnyNode): Phase {
    if (this.#forward.has(node)) return 'forward';
    return node.outputs.every(o => this.#next.has(o)) ? 'update' : 'backward';
  }

  useOf(value: Value): MemoryUse {
    const node = this.#graph.producer(value);
    if (!node) return 'reference';
    if (isRecomputed(node)) return 'recomputed';
    if (this.#next.has(value)) return 'update';
    if (!this.#forward.has(node)) return 'gradient';
    if (!this.#varying.has(node)) return 'reference';
    return this.#graph.consumers(value).some(n => !this.#forward.has(n)) ? 'kept' : 'forward';
  }
}
