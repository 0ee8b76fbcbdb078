import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { float32, type Graph, GraphBuilder, numbersOf, SutureError, scalar, type Tensor } from '../../../ir/index.ts';
import type { Executor } from '../../../runtime/executor.ts';
import { executors, expectClose, filled } from '../oracle.ts';

const list = (t: Tensor): number[] => Array.from(numbersOf(t));

/** x → count + 1 and sum + x, carried; y = sum before. */
function counter(): Graph {
  const b = new GraphBuilder('counter');
  const x = b.input('x', { dtype: 'float32', shape: [3] });
  const count = b.input('count', { dtype: 'float32', shape: [] });
  const sum = b.input('sum', { dtype: 'float32', shape: [3] });
  b.output('next/count', b.op('Add', [count, b.scalar(1)]));
  b.output('next/sum', b.op('Add', [sum, x]));
  b.output('y', b.op('Mul', [sum, count]));
  return b.build();
}

const carry = new Map([
  ['next/count', 'count'],
  ['next/sum', 'sum'],
]);

async function refusal(work: Promise<unknown>): Promise<SutureError> {
  const error = await work.then(
    () => undefined,
    e => e,
  );
  expect(error).toBeInstanceOf(SutureError);
  return error as SutureError;
}

describe.each(['webgpu', 'ort'] as const)('a session of %s', name => {
  const executor = async (): Promise<Executor> => (await executors())[name];

  it('carries outputs to inputs, and reads and writes them', async () => {
    const resident = new Map<string, Tensor>([
      ['count', scalar(0)],
      ['sum', float32([3], [1, 2, 3])],
    ]);
    const session = await (await executor()).prepare(counter(), { carry, resident });
    const x = float32([3], [1, 10, 100]);
    expect(list((await session.run({ x })).y)).toEqual([0, 0, 0]);
    expect(list((await session.run({ x })).y)).toEqual([2, 12, 103]);
    for (let i = 0; i < 8; i++) expect(await session.run({ x }, [])).toEqual({});
    expect(list(await session.read('count'))).toEqual([10]);
    expect(list(await session.read('sum'))).toEqual([11, 102, 1003]);
    session.write('sum', float32([3], [0, 0, 0]));
    const { y, 'next/sum': sum } = await session.run({ x }, ['y', 'next/sum']);
    expect(list(y)).toEqual([0, 0, 0]);
    expect(list(sum)).toEqual([1, 10, 100]);
    session.dispose();
  });

  it('writes between queued runs take effect in order', async () => {
    const resident = new Map<string, Tensor>([
      ['count', scalar(0)],
      ['sum', float32([3], [0, 0, 0])],
    ]);
    const session = await (await executor()).prepare(counter(), { carry, resident });
    const runs = [session.run({ x: float32([3], [1, 1, 1]) })];
    session.write('count', scalar(5));
    runs.push(session.run({ x: float32([3], [2, 2, 2]) }));
    const [first, second] = await Promise.all(runs);
    expect(list(first.y)).toEqual([0, 0, 0]);
    expect(list(second.y)).toEqual([5, 5, 5]);
    session.dispose();
  });

  it('swaps state that crosses over', async () => {
    const b = new GraphBuilder('swap');
    const p = b.input('p', { dtype: 'float32', shape: [2] });
    const q = b.input('q', { dtype: 'float32', shape: [2] });
    b.output('p1', b.op('Identity', [q]));
    b.output('q1', p);
    const session = await (await executor()).prepare(b.build(), {
      carry: new Map([
        ['p1', 'p'],
        ['q1', 'q'],
      ]),
      resident: new Map([
        ['p', float32([2], [1, 2])],
        ['q', float32([2], [3, 4])],
      ]),
    });
    await session.run({});
    expect([list(await session.read('p')), list(await session.read('q'))]).toEqual([
      [3, 4],
      [1, 2],
    ]);
    session.dispose();
  });

  it('says what is wrong with inputs and outputs', async () => {
    const session = await (await executor()).prepare(counter(), { carry });
    const x = float32([3], [1, 2, 3]);
    expect((await refusal(session.run({ x }))).message).toContain("'count' was given no value");
    const all = { x, count: scalar(0), sum: x };
    expect((await refusal(session.run({ ...all, x: scalar(1) }))).message).toContain('float32[3], and float32[]');
    expect((await refusal(session.run({ ...all, z: x }))).message).toContain("no input 'z'");
    expect((await refusal(session.run(all, ['z']))).message).toContain("no output 'z'");
    expect((await refusal(session.read('z'))).code).toBe('data-invalid');
    session.dispose();
    expect((await refusal(session.run(all))).message).toContain('disposed');
  });
});

describe('a WebGPU session', () => {
  it('gives the same bits for the same input', async () => {
    const b = new GraphBuilder('net');
    const x = b.input('x', { dtype: 'float32', shape: [2, 3, 17, 19] });
    const w = b.constant(filled('float32', [5, 3, 3, 3], 2));
    const y = b.op('Conv', [x, w], { pads: [1, 1, 1, 1] });
    b.output('mean', b.op('ReduceMean', [b.op('Relu', [y])], { keepdims: 0 }));
    const { webgpu } = await executors();
    const input = { x: filled('float32', [2, 3, 17, 19], 1) };
    const results: number[] = [];
    for (let i = 0; i < 2; i++) {
      const session = await webgpu.prepare(b.build());
      for (let k = 0; k < 2; k++) results.push(list((await session.run(input)).mean)[0]);
      session.dispose();
    }
    expect(new Set(results).size).toBe(1);
  });

  it('names every node that it has no kernel for', async () => {
    const b = new GraphBuilder('wide');
    const x = b.input('x', { dtype: 'float64', shape: [3] });
    const y = b.op('Add', [x, x], {}, { name: 'first' });
    b.output('y', b.op('Mul', [y, x], {}, { name: 'second' }));
    const error = await refusal((await executors()).webgpu.prepare(b.build()));
    expect(error.code).toBe('kernel-missing');
    expect(error.details).toEqual(["Add 'first': WebGPU has no float64", "Mul 'second': WebGPU has no float64"]);
  });

  it('keeps values apart that live at the same time', async () => {
    // Random graphs over few shapes: what the memory plan lets share a buffer must never be needed at once.
    const choices = fc.array(fc.tuple(fc.nat(), fc.nat(), fc.integer({ min: 0, max: 3 })), {
      minLength: 4,
      maxLength: 14,
    });
    const { webgpu, ort } = await executors();
    await fc.assert(
      fc.asyncProperty(choices, async steps => {
        const b = new GraphBuilder('random');
        const x = b.input('x', { dtype: 'float32', shape: [4, 6] });
        const values = [x, b.op('Neg', [x])];
        for (const [i, k, kind] of steps) {
          const [p, q] = [values[i % values.length], values[k % values.length]];
          if (kind === 0) values.push(b.op('Add', [p, q]));
          else if (kind === 1) values.push(b.op('Reshape', [b.op('Transpose', [p]), b.ints([4, 6])]));
          else if (kind === 2) values.push(b.op('Softmax', [p]));
          else values.push(b.op('Slice', [b.op('Concat', [p, q], { axis: 0 }), b.ints([2]), b.ints([6])]));
        }
        b.output('last', values[values.length - 1]);
        b.output('middle', values[Math.floor(values.length / 2)]);
        const graph = b.build();
        const inputs = { x: filled('float32', [4, 6], 1) };
        const [ours, theirs] = [await webgpu.prepare(graph), await ort.prepare(graph)];
        // Twice, so that what one run leaves behind would show in the next.
        await ours.run(inputs);
        const [actual, expected] = [await ours.run(inputs), await theirs.run(inputs)];
        for (const name of ['last', 'middle']) expectClose(actual[name], expected[name], name);
        expect(ours.memory.peak!.bytes).toBeLessThanOrEqual(ours.memory.activations);
        ours.dispose();
        theirs.dispose();
      }),
      { numRuns: 8 },
    );
  });

  it('computes fused regions and epilogues as their bodies say', async () => {
    const b = new GraphBuilder('fused');
    const x = b.input('x', { dtype: 'float32', shape: [2, 3, 6, 8] });
    const r = b.input('r', { dtype: 'float32', shape: [2, 4, 6, 8] });
    const s = b.input('s', { dtype: 'float32', shape: [4, 1, 1] });
    const w = b.constant(filled('float32', [4, 3, 3, 3], 5));
    const body = new GraphBuilder('body');
    const [bx, bw, br, bs] = [x, w, r, s].map((v, i) => body.input(`i${i}`, v.type));
    const conv = body.op('Conv', [bx, bw], { pads: [1, 1, 1, 1] });
    body.output('o', body.op('LeakyRelu', [body.op('Mul', [body.op('Add', [conv, br]), bs])]));
    b.output('epilogue', b.op('Fused', [x, w, r, s], { body: body.build() }));
    const region = new GraphBuilder('region');
    const [rr, rs] = [r, s].map((v, i) => region.input(`j${i}`, v.type));
    const product = region.op('Mul', [rr, rs]);
    region.output('p', product);
    region.output('q', region.op('Sigmoid', [region.op('Sub', [product, region.scalar(0.5)])]));
    const both = b.ops('Fused', [r, s], { body: region.build() }, { outputs: ['p', 'q'] });
    for (const [i, value] of both.entries()) b.output(`region${i}`, value);
    const graph = b.build();
    const inputs = {
      x: filled('float32', [2, 3, 6, 8], 1),
      r: filled('float32', [2, 4, 6, 8], 2),
      s: filled('float32', [4, 1, 1], 3),
    };
    const { webgpu, ort } = await executors();
    const [ours, theirs] = [await webgpu.prepare(graph), await ort.prepare(graph)];
    const [actual, expected] = [await ours.run(inputs), await theirs.run(inputs)];
    for (const { name } of graph.outputs) expectClose(actual[name], expected[name], name);
    const kernels = (await ours.profile!(inputs)).kernels.map(k => k.op);
    expect(kernels).toContain('Conv+Add+Mul+LeakyRelu');
    expect(kernels).toContain('Mul+Sub+Sigmoid');
    ours.dispose();
    theirs.dispose();
  });
});
