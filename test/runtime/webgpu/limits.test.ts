/** What a device cannot do: more workgroups than an axis has, more memory than there is, and going on when it is lost. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { float32, type Graph, GraphBuilder, int64s, SutureError, type Tensor, type Value } from '../../../ir/index.ts';
import { Device, requestDevice } from '../../../runtime/adapter/index.ts';
import type { PrepareOptions, Session } from '../../../runtime/executor.ts';
import type { KernelContext } from '../../../runtime/kernels/kernel.ts';
import { kernelContext } from '../../../runtime/webgpu/executor.ts';
import { PipelineCache } from '../../../runtime/webgpu/pipelines.ts';
import { compile, type Program } from '../../../runtime/webgpu/program.ts';
import { WebgpuSession } from '../../../runtime/webgpu/session.ts';
import { executors, expectClose, filled } from '../oracle.ts';

const prepareOn = (
  device: Device,
  graph: Graph,
  context: KernelContext = kernelContext(device),
  options: PrepareOptions = {},
): Promise<WebgpuSession> => WebgpuSession.create(device, new PipelineCache(device), compile(graph, context), options);

async function refusal(work: Promise<unknown>): Promise<SutureError> {
  const error = await work.then(
    () => undefined,
    e => e,
  );
  expect(error).toBeInstanceOf(SutureError);
  return error as SutureError;
}

/** sum + x, carried; y = 2 sum. */
function accumulator(size = 3): Graph {
  const b = new GraphBuilder('accumulator');
  const x = b.input('x', { dtype: 'float32', shape: [size] });
  const sum = b.input('sum', { dtype: 'float32', shape: [size] });
  b.output('next', b.op('Add', [sum, x]));
  b.output('y', b.op('Mul', [sum, b.scalar(2)]));
  return b.build();
}

const carried = (size = 3): PrepareOptions => ({
  carry: new Map([['next', 'sum']]),
  resident: new Map([['sum', float32([size], new Float32Array(size))]]),
});

describe('a lost device', () => {
  const x = float32([3], [1, 2, 3]);

  /** Each thing that may be going on when the device goes away. */
  const works: Readonly<Record<string, (session: Session) => Promise<unknown>>> = {
    'a run that reads results': session => session.run({ x }),
    'queued runs': async session => {
      for (let i = 0; i < 20; i++) await session.run({ x }, []);
    },
    'a read of state': session => session.read('sum'),
    'a profile': session => session.profile!({ x }),
  };

  it.each(Object.entries(works))('ends %s with one clear error', async (_, work) => {
    const device = await requestDevice();
    const session = await prepareOn(device, accumulator(), undefined, carried());
    await session.run({ x });
    const going = work(session);
    device.gpu.destroy();
    // What was done already may still succeed; from then on nothing does.
    await going.catch((error: unknown) => expect(error).toMatchObject({ code: 'device-lost' }));
    await device.lost;
    for (const again of Object.values(works)) {
      const { code, message } = await refusal(again(session));
      expect(code).toBe('device-lost');
      expect(message).toMatch(/^The GPU device .* was lost \(.+\)/);
    }
    expect(await refusal(prepareOn(device, accumulator()))).toMatchObject({ code: 'device-lost' });
    session.dispose();
    device.destroy();
  });

  it('is no error when it was given back on purpose', async () => {
    const device = await requestDevice();
    const outcome = Promise.race([device.lost, new Promise(resolve => setTimeout(resolve, 50, 'nothing'))]);
    device.destroy();
    expect(await outcome).toBe('nothing');
  });
});

describe('memory', () => {
  it('that no buffer can have is refused before anything is allocated, by name', async () => {
    const { webgpu } = await executors();
    const b = new GraphBuilder('large');
    const x = b.input('x', { dtype: 'float32', shape: [2 ** 16, 1] });
    const wide = b.op('Add', [x, b.input('row', { dtype: 'float32', shape: [1, 2 ** 16] })]);
    b.output('y', b.op('ReduceSum', [wide], { keepdims: 0 }));
    const { code, message } = await refusal(webgpu.prepare(b.build()));
    expect(code).toBe('device-memory');
    expect(message).toMatch(/takes 17179869184 bytes, and this GPU binds \d+ at most; use a smaller batch/);
  });

  it('that the device does not give is said so, wherever it is noticed', async () => {
    const whole = await requestDevice();
    const { GPUOutOfMemoryError } = globalThis as unknown as { GPUOutOfMemoryError: new (text: string) => GPUError };
    const error = new GPUOutOfMemoryError('no memory for 3 GB\n    at Dawn');
    let uncaptured: ((event: { error: GPUError }) => void) | undefined;
    const scopes: (GPUError | null)[] = [];
    const fake = {
      lost: new Promise(() => undefined),
      addEventListener: (_: string, listener: typeof uncaptured) => {
        uncaptured = listener;
      },
      pushErrorScope: () => undefined,
      popErrorScope: async () => scopes.pop() ?? null,
    } as unknown as GPUDevice;
    const device = new Device(fake, { gpu: {} as GPU, adapter: {} as GPUAdapter, facts: whole.facts });
    scopes.push(error);
    expect(await refusal(device.attempt('preparing the graph', () => 1))).toMatchObject({
      code: 'device-memory',
      message: expect.stringMatching(/ran out of memory at preparing the graph \(no memory for 3 GB\); use a smaller/),
    });
    expect(await device.attempt('a smaller one', () => 1)).toBe(1);
    uncaptured!({ error });
    expect(() => device.assertHealthy()).toThrow(expect.objectContaining({ code: 'device-memory' }));
    whole.destroy();
  });

  it('of results is read in pieces that a buffer can have', async () => {
    const device = await requestDevice();
    const b = new GraphBuilder('several');
    const x = b.input('x', { dtype: 'float32', shape: [64] });
    const names = ['a', 'b', 'c', 'd', 'e'];
    for (const [i, name] of names.entries()) b.output(name, b.op('Mul', [x, b.scalar(i)]));
    b.output('none', b.op('Slice', [x, b.constant(int64s([2])), b.constant(int64s([2])), b.constant(int64s([0]))]));
    // Two results fit.
    const facts = { ...device.facts, limits: { ...device.facts.limits, maxBufferSize: 600 } };
    const small = new Device(device.gpu, { gpu: {} as GPU, adapter: {} as GPUAdapter, facts });
    const session = await prepareOn(small, b.build());
    for (const factor of [1, 3]) {
      const values = Float32Array.from({ length: 64 }, (_, i) => factor * i);
      const found = await session.run({ x: float32([64], values) });
      expect(Object.keys(found)).toEqual([...names, 'none']);
      expect(found.none.shape).toEqual([0]);
      for (const [i, name] of names.entries()) expect(found[name].data).toEqual(values.map(v => v * i));
    }
    session.dispose();
    device.destroy();
  });
});

describe('more workgroups than an axis of the grid has', () => {
  let device: Device;
  beforeAll(async () => {
    device = await requestDevice();
  });
  afterAll(() => device.destroy());

  interface Case {
    readonly inputs: Readonly<Record<string, Tensor>>;
    readonly make: (b: GraphBuilder, values: Readonly<Record<string, Value>>) => Value;
  }

  const graphOf = ({ inputs, make }: Case): Graph => {
    const b = new GraphBuilder('grid');
    const values = Object.entries(inputs).map(([name, { dtype, shape }]) => [name, b.input(name, { dtype, shape })]);
    b.output('y', make(b, Object.fromEntries(values) as Record<string, Value>));
    return b.build();
  };

  const x4 = filled('float32', [2, 5, 17, 19], 1);
  const rows = filled('float32', [997, 7], 2);
  const cases: Readonly<Record<string, Case>> = {
    Relu: { inputs: { x: x4 }, make: (b, { x }) => b.op('Relu', [x]) },
    'ReduceSum of rows': {
      inputs: { x: rows },
      make: (b, { x }) => b.op('ReduceSum', [x, b.constant(int64s([1]))]),
    },
    Softmax: { inputs: { x: rows }, make: (b, { x }) => b.op('Softmax', [x]) },
    Transpose: { inputs: { x: x4 }, make: (b, { x }) => b.op('Transpose', [x], { perm: [3, 1, 0, 2] }) },
    MatMul: {
      inputs: { x: rows, w: filled('float32', [7, 65], 3) },
      make: (b, { x, w }) => b.op('MatMul', [x, w]),
    },
    'Conv 3x3': {
      inputs: { x: x4, w: filled('float32', [9, 5, 3, 3], 4) },
      make: (b, { x, w }) => b.op('Conv', [x, w], { pads: [1, 1, 1, 1] }),
    },
    'Conv 1x1 in groups': {
      inputs: { x: filled('float32', [2, 6, 17, 19], 5), w: filled('float32', [6, 1, 1, 1], 6) },
      make: (b, { x, w }) => b.op('Conv', [x, w], { group: 6 }),
    },
    ConvTranspose: {
      inputs: { x: x4, w: filled('float32', [5, 4, 2, 2], 7) },
      make: (b, { x, w }) => b.op('ConvTranspose', [x, w], { strides: [2, 2] }),
    },
    MaxPool: {
      inputs: { x: x4 },
      make: (b, { x }) => b.op('MaxPool', [x], { kernel_shape: [3, 3], strides: [1, 1] }),
    },
    InstanceNormalization: {
      inputs: { x: filled('float32', [3, 190, 6], 10), s: filled('float32', [190], 8), t: filled('float32', [190], 9) },
      make: (b, { x, s, t }) => b.op('InstanceNormalization', [x, s, t]),
    },
    Concat: { inputs: { x: x4 }, make: (b, { x }) => b.op('Concat', [x, x], { axis: 1 }) },
    Gather: {
      inputs: { x: rows, i: int64s(Array.from({ length: 1500 }, (_, i) => (i * 7) % 997)) },
      make: (b, { x, i }) => b.op('Gather', [x, i], { axis: 0 }),
    },
  };

  it.each(Object.entries(cases))('%s, on two and three short axes', async (_, given) => {
    const graph = graphOf(given);
    const context = kernelContext(device);
    const programOn = (maxComputeWorkgroupsPerDimension: number) =>
      compile(graph, { ...context, limits: { ...context.limits, maxComputeWorkgroupsPerDimension } });
    const gridsOf = ({ steps }: Program) => steps.flatMap(s => s.plan.dispatches.map(d => d.workgroups));
    const groups = Math.max(...gridsOf(programOn(65_535)).map(([x, y, z]) => x * y * z));
    expect(groups).toBeGreaterThan(8);
    const { ort } = await executors();
    const reference = await ort.prepare(graph);
    const expected = await reference.run(given.inputs);
    for (const root of [Math.sqrt, Math.cbrt]) {
      const limit = Math.ceil(root(groups));
      const program = programOn(limit);
      expect(Math.max(...gridsOf(program).flat())).toBeLessThanOrEqual(limit);
      const session = await WebgpuSession.create(device, new PipelineCache(device), program, {});
      const found = await session.run(given.inputs);
      expectClose(found.y, expected.y, `y with axes of ${limit}`, { relative: 1e-4, absolute: 1e-5 });
      session.dispose();
    }
    reference.dispose();
  });
});
