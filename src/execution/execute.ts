/**
 * Graphs on an executor. A graph is compiled for the sizes of the data it meets: symbols are bound, and for WebGPU the
 * graph is simplified and arranged for its kernels and its memory.
 */
import {
  type Binding,
  type Graph,
  isStatic,
  linearOf,
  printable,
  SutureError,
  solveDim,
  type Tensor,
  typeText,
} from '../../ir/index.ts';
import {
  arrange,
  arrangeWeightTraining,
  inlineBodies,
  kernelGradientsAsProducts,
  simplify,
  specialize,
  type TrainingStep,
} from '../../passes/index.ts';
import type { Executor, PrepareOptions, Session } from '../../runtime/executor.ts';
import { arrangeWithin } from './budget.ts';
import { fixedBatch, inParts } from './fixed-batch.ts';

/** Compiles a graph for an executor with every symbol bound. */
export const prepare = (
  executor: Executor,
  graph: Graph,
  binding: Binding,
  options: PrepareOptions = {},
): Promise<Session> => {
  const by = { kernels: arrange, operators: (bound: Graph) => bound };
  return executor.prepare(arrangedFor(executor, simplify(specialize(graph, binding)), by), options);
};

/** Compiles a loss with its gradients, a training step say, which carries its state; `memory` as of `arrangeWithin`. */
export function prepareStep(
  executor: Executor,
  { graph, loss, carry = new Map() }: Pick<TrainingStep, 'graph' | 'loss'> & Partial<Pick<TrainingStep, 'carry'>>,
  binding: Binding,
  { memory, ...options }: Omit<PrepareOptions, 'carry'> & { readonly memory?: number | undefined } = {},
): Promise<Session> {
  const arranged = arrangedFor(executor, simplify(specialize(graph, binding)), {
    kernels: bound => arrangeWithin(bound, loss, memory),
    operators: arrangeWeightTraining,
  });
  return executor.prepare(arranged, { ...options, carry });
}

/** A graph without symbols, arranged for our kernels or for ONNX's operators. */
function arrangedFor(
  executor: Executor,
  bound: Graph,
  by: Record<'kernels' | 'operators', (bound: Graph) => Graph>,
): Graph {
  // ONNX Runtime inlines model-local functions as well, but opens a training step in half the time without them.
  return executor.name === 'webgpu' ? by.kernels(bound) : kernelGradientsAsProducts(inlineBodies(by.operators(bound)));
}

/** What the symbols of a graph's inputs are for given shapes. @throws SutureError `data-invalid` where they do not fit. */
export function bindingFor(graph: Graph, shapes: Readonly<Record<string, readonly number[]>>): Binding {
  // Symbols are named by files: `constructor` is one like others.
  const binding: Record<string, number> = Object.create(null);
  for (const input of graph.inputs) {
    const shape = shapes[input.name];
    if (shape === undefined) continue;
    const { shape: wanted } = input.type;
    const fits =
      shape.length === wanted.length &&
      wanted.every((dim, i) => {
        if (isStatic(dim)) return dim === shape[i];
        const linear = linearOf(dim);
        if (linear === undefined) return true;
        const value = solveDim(linear, shape[i]);
        if (value === undefined) return false;
        binding[linear.symbol] ??= value;
        return binding[linear.symbol] === value;
      });
    if (!fits) {
      throw new SutureError(
        'data-invalid',
        `The input '${printable(input.name)}' is ${printable(typeText(input.type))}, and data of the shape [${shape.join(', ')}] was given for it.`,
      );
    }
  }
  return binding;
}

/**
 * A graph that runs on inputs of any fitting size. It is compiled once for each combination of sizes that it meets; inputs
 * named in `resident` stay on the device between runs. A graph that takes a fixed number of images is given others in parts.
 */
export class Runnable {
  readonly graph: Graph;
  readonly #executor: Executor;
  readonly #resident: ReadonlyMap<string, Tensor>;
  readonly #sessions = new Map<string, Session>();

  constructor(executor: Executor, graph: Graph, resident: ReadonlyMap<string, Tensor> = new Map()) {
    this.graph = graph;
    this.#executor = executor;
    this.#resident = resident;
  }

  /** Runs once and reads the outputs back, or those that `fetch` names. */
  async run(
    inputs: Readonly<Record<string, Tensor>>,
    fetch: readonly string[] = this.graph.outputs.map(o => o.name),
  ): Promise<Record<string, Tensor>> {
    const batch = fixedBatch(this.graph);
    const count = inputs[this.graph.inputs[0]?.name ?? '']?.shape[0];
    return batch === undefined || count === undefined || count === batch
      ? this.#run(inputs, fetch)
      : inParts(batch, inputs, part => this.#run(part, fetch));
  }

  async #run(inputs: Readonly<Record<string, Tensor>>, fetch: readonly string[]): Promise<Record<string, Tensor>> {
    const shapes = Object.fromEntries(Object.entries(inputs).map(([name, { shape }]) => [name, shape]));
    const key = JSON.stringify(shapes);
    let session = this.#sessions.get(key);
    if (session === undefined) {
      const binding = bindingFor(this.graph, shapes);
      session = await prepare(this.#executor, this.graph, binding, { resident: this.#resident });
      this.#sessions.set(key, session);
    }
    return session.run(inputs, fetch);
  }

  /** Sets a resident input for all runs from now on. */
  write(input: string, value: Tensor): void {
    for (const session of this.#sessions.values()) session.write(input, value);
  }

  dispose(): void {
    for (const session of this.#sessions.values()) session.dispose();
    this.#sessions.clear();
  }
}
