import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { product } from '../../../ir/numbers.ts';
import { type Device, requestDevice } from '../../../runtime/adapter/index.ts';
import { embeddedDriverUnavailable } from '../../../runtime/adapter/swiftshader.ts';
import type { Epilogue } from '../../../runtime/kernels/kernel.ts';
import { planMatMul } from '../../../runtime/kernels/matmul.ts';
import type { MatMulSpec } from '../../../runtime/kernels/matmul-spec.ts';
import { referenceMatMul } from './reference.ts';
import { contextOf, largestDifference, numbers, runPlan } from './run-plan.ts';

interface Choice {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly batch: readonly { readonly size: number; readonly a: boolean; readonly b: boolean }[];
  readonly transA: boolean;
  readonly transB: boolean;
  readonly alpha: number;
  readonly bias: 'none' | 'rows' | 'columns' | 'full';
}

const choice: fc.Arbitrary<Choice> = fc.record({
  // Multiples of four take another way to memory.
  m: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(4, 8, 20, 72)),
  n: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(4, 8, 20, 72)),
  k: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 500, max: 700 })),
  batch: fc.array(fc.record({ size: fc.integer({ min: 1, max: 3 }), a: fc.boolean(), b: fc.boolean() }), {
    maxLength: 2,
  }),
  transA: fc.boolean(),
  transB: fc.boolean(),
  alpha: fc.constantFrom(1, 0.5, -2),
  bias: fc.constantFrom('none', 'rows', 'columns', 'full'),
});

/** The strides of a dense operand whose batch axes are kept or broadcast. */
function batchStrides(given: readonly { size: number; kept: boolean }[], matrix: number) {
  let stride = matrix;
  const strides: number[] = [];
  for (const { size, kept } of [...given].reverse()) {
    strides.unshift(kept ? stride : 0);
    if (kept) stride *= size;
  }
  return { strides, length: stride };
}

function specOf(given: Choice): { spec: MatMulSpec; inputs: Float32Array[] } {
  const { m, n, k, transA, transB, alpha, bias } = given;
  const a = batchStrides(
    given.batch.map(axis => ({ size: axis.size, kept: axis.a })),
    m * k,
  );
  const b = batchStrides(
    given.batch.map(axis => ({ size: axis.size, kept: axis.b })),
    k * n,
  );
  const zeros = given.batch.map(() => 0);
  const biases = {
    none: undefined,
    rows: { length: m, row: 1, column: 0 },
    columns: { length: n, row: 0, column: 1 },
    full: { length: m * n, row: n, column: 1 },
  };
  const c = biases[bias];
  const spec: MatMulSpec = {
    batch: given.batch.map(axis => axis.size),
    m,
    n,
    k,
    a: { batch: a.strides, row: transA ? 1 : k, column: transA ? m : 1 },
    b: { batch: b.strides, row: transB ? 1 : n, column: transB ? k : 1 },
    alpha,
    ...(c ? { c: { batch: zeros, row: c.row, column: c.column, beta: 0.5 } } : {}),
  };
  const inputs = [numbers(a.length, 1), numbers(b.length, 2)];
  if (c) inputs.push(numbers(c.length, 3));
  return { spec, inputs };
}

const outputLength = (spec: MatMulSpec) => product(spec.batch) * spec.m * spec.n;

describe.skipIf(embeddedDriverUnavailable() !== undefined)('matrix products', () => {
  let device: Device;
  beforeAll(async () => {
    device = await requestDevice();
  });
  afterAll(() => device.destroy());

  for (const adapterClass of ['software', 'gpu'] as const) {
    it(`agree with the definition on random specifications (kernels for ${adapterClass} adapters)`, async () => {
      const context = contextOf(device, adapterClass);
      await fc.assert(
        fc.asyncProperty(choice, async given => {
          const { spec, inputs } = specOf(given);
          const y = await runPlan(device, planMatMul(spec, context), inputs, outputLength(spec));
          const [a, b, c] = inputs;
          expect(largestDifference(y, referenceMatMul(spec, a, b, c))).toBeLessThan(3e-4);
        }),
        { numRuns: 4 },
      );
    });

    it(`apply an epilogue after the bias, also where the sum is cut into pieces (${adapterClass})`, async () => {
      const epilogue: Epilogue = {
        inputs: ['f32'],
        declarations: 'fn twice(x: f32) -> f32 { return 2.0 * x; }',
        emit: (value, at, input) => ({ result: `twice(${value}) + ${input(0)}[${at.channel}]` }),
      };
      for (const k of [7, 2000]) {
        const { spec, inputs } = specOf({
          m: 3,
          n: 5,
          k,
          batch: [],
          transA: false,
          transB: true,
          alpha: 1,
          bias: 'columns',
        });
        const plan = planMatMul(spec, { ...contextOf(device, adapterClass), epilogue });
        expect(plan.dispatches).toHaveLength(k === 7 ? 1 : 2);
        const extra = numbers(5, 9);
        const y = await runPlan(device, plan, [...inputs, extra], outputLength(spec));
        const [a, b, c] = inputs;
        const expected = referenceMatMul(spec, a, b, c).map((value, i) => 2 * value + extra[i % 5]);
        expect(largestDifference(y, expected)).toBeLessThan(1e-3);
      }
    });
  }

  it('reads as it should: a product of two rows, three columns and a sum of two', () => {
    const { spec } = specOf({
      m: 2,
      n: 3,
      k: 2,
      batch: [],
      transA: false,
      transB: false,
      alpha: 1,
      bias: 'none',
    });
    const context = { ...contextOf(device, 'software'), features: new Set<string>() };
    expect(planMatMul(spec, context).dispatches[0].module.wgsl).toMatchInlineSnapshot(`
      "@group(0) @binding(0) var<storage, read> a: array<f32>;
      @group(0) @binding(1) var<storage, read> b: array<f32>;
      @group(0) @binding(2) var<storage, read_write> y: array<f32>;
      @compute @workgroup_size(4)
      fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
        let group = wid.x;
        let split = 0u;
        let element = 0u;
        let row = (group) * 1u;
        let column = ((0u) * 4u + lid) * 1u;
        let ab = 0u;
        let bb = 0u;
        let ar0 = ab + (row) * 2u;
        let bc0 = bb + (min(column, 2u)) * 1u;
        var s0_0 = 0.0;
        let begin = 0u;
        let end = 2u;
        var k = begin;
        for (; k + 3u < end; k += 4u) {
          let b0_0 = b[bc0 + (k + 0u) * 3u];
          let b0_1 = b[bc0 + (k + 1u) * 3u];
          let b0_2 = b[bc0 + (k + 2u) * 3u];
          let b0_3 = b[bc0 + (k + 3u) * 3u];
          let a0_0 = a[ar0 + (k + 0u)];
          let a0_1 = a[ar0 + (k + 1u)];
          let a0_2 = a[ar0 + (k + 2u)];
          let a0_3 = a[ar0 + (k + 3u)];
          s0_0 = fma(a0_3, b0_3, fma(a0_2, b0_2, fma(a0_1, b0_1, fma(a0_0, b0_0, s0_0))));
        }
        for (; k < end; k++) {
          let b0 = b[bc0 + k * 3u];
          let a0 = a[ar0 + k];
          s0_0 = fma(a0, b0, s0_0);
        }
        if (column + 0u < 3u) { { let result = s0_0; y[(element * 2u + (row)) * 3u + (column)] = result; } }
      }
      "
    `);
  });
});
