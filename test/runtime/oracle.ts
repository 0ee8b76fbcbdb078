/** Kernels against ONNX Runtime: the same graph on both executors, the same inputs, the same numbers. */
import { expect } from 'vitest';
import { type Graph, GraphBuilder, type Tensor, tensorFromNumbers, type Value } from '../../ir/index.ts';
import type { DType } from '../../ir/type.ts';
import type { Executor } from '../../runtime/executor.ts';
import { createOrtExecutor, createWebgpuExecutor } from '../../runtime/index.ts';
import { differenceOf, type Tolerance } from '../conformance/difference.ts';

let opened: Promise<{ webgpu: Executor; ort: Executor }> | undefined;

/** Executors for all test files of a process, opened once: they end with it. */
export function executors(): Promise<{ webgpu: Executor; ort: Executor }> {
  opened ??= (async () => ({
    webgpu: await createWebgpuExecutor(process.env.SUTURE_TEST_KERNELS === 'gpu' ? { kernels: 'gpu' } : {}),
    ort: createOrtExecutor({ threads: 1 }),
  }))();
  return opened;
}

/** Numbers in [low, high) that depend on the seed only. */
export function numbers(count: number, seed: number, low = -2, high = 2): number[] {
  let state = seed * 2654435761 + 12345;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return low + ((high - low) * state) / 2 ** 32;
  });
}

export const filled = (dtype: DType, shape: readonly number[], seed: number, low = -2, high = 2): Tensor => {
  const values = numbers(
    shape.reduce((a, b) => a * b, 1),
    seed,
    low,
    high,
  );
  const whole = dtype === 'float32' ? values : values.map(v => Math.trunc(v));
  return tensorFromNumbers(dtype, shape, dtype === 'bool' ? values.map(v => +(v > 0)) : whole);
};

/** Expects two tensors to agree, NaN with NaN and infinities with themselves. */
export function expectClose(
  actual: Tensor,
  expected: Tensor,
  what: string,
  { relative = 1e-5, absolute = 1e-5 }: Partial<Tolerance> = {},
): void {
  const difference = differenceOf(actual, expected, { relative, absolute });
  if (difference !== undefined) expect.fail(`${what}: ${difference}, which ONNX Runtime has`);
}

/** Runs a graph on both executors and expects the same outputs. */
export async function compareGraph(
  graph: Graph,
  inputs: Readonly<Record<string, Tensor>>,
  tolerance: Partial<Tolerance> = {},
): Promise<void> {
  const { webgpu, ort } = await executors();
  const [ours, theirs] = [await webgpu.prepare(graph), await ort.prepare(graph)];
  try {
    const [actual, expected] = [await ours.run(inputs), await theirs.run(inputs)];
    for (const { name, value } of graph.outputs) {
      const producer = graph.producer(value);
      expectClose(actual[name], expected[name], `${name} (${producer?.op} '${producer?.name}')`, tolerance);
    }
  } finally {
    ours.dispose();
    theirs.dispose();
  }
}

/** A graph over some inputs, built by `make`, whose values are its outputs. */
export async function compare(
  inputs: Readonly<Record<string, Tensor>>,
  make: (b: GraphBuilder, values: Record<string, Value>) => readonly Value[] | Readonly<Record<string, Value>>,
  tolerance: Partial<Tolerance> = {},
): Promise<void> {
  const b = new GraphBuilder('test');
  const values: Record<string, Value> = {};
  for (const [name, { dtype, shape }] of Object.entries(inputs)) values[name] = b.input(name, { dtype, shape });
  const made = make(b, values);
  for (const [name, value] of Object.entries(made)) b.output(Array.isArray(made) ? `y${name}` : name, value);
  await compareGraph(b.build(), inputs, tolerance);
}
