import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { float32, GraphBuilder } from '../../../ir/index.ts';
import { type Device, requestDevice } from '../../../runtime/adapter/index.ts';
import { embeddedDriverUnavailable } from '../../../runtime/adapter/swiftshader.ts';
import { createWebgpuExecutor } from '../../../runtime/index.ts';
import { planConv } from '../../../runtime/kernels/conv.ts';
import type { Dispatch } from '../../../runtime/kernels/kernel.ts';
import { ModuleBuilder } from '../../../runtime/kernels/module.ts';
import { f32, i32, u32 } from '../../../runtime/kernels/wgsl.ts';
import type { Step } from '../../../runtime/webgpu/program.ts';
import { shareKernels } from '../../../runtime/webgpu/sharing.ts';
import { contextOf, numbers, runPlan } from '../kernels/run-plan.ts';
import { convSpecs } from '../kernels/specs.ts';

const stepOf = (...dispatches: readonly Dispatch[]): Step => ({
  node: 'n',
  op: 'Conv',
  plan: { dispatches, scratch: [] },
  inputs: [],
  outputs: [],
});

function kernel(size: number, weight: number, { lane = 1, workgroup = 64, helper = '' } = {}): Dispatch {
  const builder = new ModuleBuilder();
  builder.enable('subgroups');
  builder.bind('x', { kind: 'input', index: 0 });
  builder.bind('y', { kind: 'output', index: 0 }, 'f32', 'read_write');
  if (helper) builder.declare(helper);
  const body = `  if (i >= ${u32(size)}) { return; }
  let at = i32(i) + ${i32(1 - size)};
  y[i] = ${f32(weight)} * x[u32(at + ${i32(size)})] + quadBroadcast(y[0], ${lane}u);`;
  return builder.dispatch('d', [1, 1, 1], { workgroup, local: 'i', body });
}

const shared = (...dispatches: readonly Dispatch[]): readonly Dispatch[] =>
  shareKernels(dispatches.map(d => stepOf(d))).map(step => step.plan.dispatches[0]);

/** A shared kernel with what it is given written back into it. */
function restored({ module: { wgsl }, words }: Dispatch): string {
  if (!words) return wgsl;
  return wgsl
    .replace(/^@group.*var<uniform>.*\n/m, '')
    .replace(/^let given.*\n/gm, '')
    .replace(/i32\(given(\d+)\)/g, (_, slot: string) => `${words[Number(slot)]}i`)
    .replace(/given(\d+)/g, (_, slot: string) => `${words[Number(slot)]}u`);
}

describe('kernels that differ in numbers', () => {
  it('become one kernel, which is given them', () => {
    const [a, b, c] = shared(kernel(8, 0.5), kernel(20, 0.5), kernel(8, 0.5));
    expect(b.module.wgsl).toBe(a.module.wgsl);
    expect([a, b, c].map(d => [...d.words!.slice(0, 2)])).toEqual([
      [8, 7],
      [20, 19],
      [8, 7],
    ]);
    expect(a.module.wgsl).toMatchInlineSnapshot(`
      "enable subgroups;
      @group(0) @binding(0) var<storage, read> x: array<f32>;
      @group(0) @binding(1) var<storage, read_write> y: array<f32>;
      @group(0) @binding(2) var<uniform> given: array<vec4<u32>, 1>;
      @compute @workgroup_size(64)
      fn main(@builtin(local_invocation_index) i: u32) {
      let given0 = given[0].x;
      let given1 = given[0].y;
        if (i >= given0) { return; }
        let at = i32(i) + (-i32(given1));
        y[i] = 0.5f * x[u32(at + i32(given0))] + quadBroadcast(y[0], 1u);
      }
      "
    `);
  });

  it('stay as they are where they differ in more: real numbers, lanes, workgroups', () => {
    const one = kernel(8, 0.5);
    for (const other of [kernel(20, 0.25), kernel(20, 0.5, { lane: 2 }), kernel(20, 0.5, { workgroup: 32 })]) {
      expect(shared(one, other).map(d => d.module.wgsl)).toEqual([one.module.wgsl, other.module.wgsl]);
    }
  });

  it('share with those that differ in the entry point alone', () => {
    const [one, two] = [8, 9].map(n => ({ helper: `fn f() -> u32 { return ${u32(n)}; }` }));
    const [a, b, c] = shared(kernel(8, 0.5, one), kernel(20, 0.5, one), kernel(8, 0.5, two));
    expect(b.module.wgsl).toBe(a.module.wgsl);
    expect(c.module.wgsl).toBe(kernel(8, 0.5, two).module.wgsl);
  });

  it('are given what was written in them', () => {
    const context = {
      adapterClass: 'software' as const,
      features: new Set(['subgroups']),
      limits: {
        maxComputeWorkgroupsPerDimension: 65535,
        maxComputeInvocationsPerWorkgroup: 256,
        maxComputeWorkgroupStorageSize: 16384,
        maxStorageBufferBindingSize: 2 ** 27,
        maxStorageBuffersPerShaderStage: 8,
      },
    };
    fc.assert(
      fc.property(fc.array(convSpecs, { minLength: 2, maxLength: 6 }), specs => {
        // The same layer on inputs of another size comes often in networks.
        const grown = specs.map(spec => ({ ...spec, batch: 2 * spec.batch, constantWeights: true }));
        const plans = [...specs, ...grown].map(spec => planConv(spec, context));
        const steps = plans.map(plan => stepOf(...plan.dispatches));
        const result = shareKernels(steps);
        for (const [i, step] of steps.entries()) {
          for (const [k, dispatch] of step.plan.dispatches.entries()) {
            const other = result[i].plan.dispatches[k];
            expect(restored(other)).toBe(dispatch.module.wgsl);
            expect({ ...other, module: undefined, words: undefined }).toEqual({ ...dispatch, module: undefined });
          }
        }
      }),
      { numRuns: 40 },
    );
  });
});

describe.skipIf(embeddedDriverUnavailable() !== undefined)('shared kernels on a device', () => {
  let device: Device;
  beforeAll(async () => {
    device = await requestDevice();
  });
  afterAll(() => device.destroy());

  it('give the bits of those that they stand for', async () => {
    const b = new GraphBuilder('sizes');
    const w = numbers(2 * 3 * 9, 1);
    const weights = b.constant(float32([3, 2, 3, 3], w));
    const sizes = [8, 12, 24];
    const data = sizes.map((size, i) => numbers(2 * size * size, 2 + i));
    for (const size of sizes) {
      const x = b.input(`x${size}`, { dtype: 'float32', shape: [1, 2, size, size] });
      b.output(`y${size}`, b.op('Conv', [x, weights], { pads: [1, 1, 1, 1], kernel_shape: [3, 3] }));
    }
    const executor = await createWebgpuExecutor();
    const session = await executor.prepare(b.build());
    const inputs = sizes.map((size, i) => [`x${size}`, float32([1, 2, size, size], data[i])] as const);
    const outputs = await session.run(Object.fromEntries(inputs));
    executor.dispose();
    for (const [i, size] of sizes.entries()) {
      const plan = planConv(
        {
          transposed: false,
          batch: 1,
          inChannels: 2,
          outChannels: 3,
          groups: 1,
          input: [size, size],
          output: [size, size],
          kernel: [3, 3],
          strides: [1, 1],
          dilations: [1, 1],
          padsBegin: [1, 1],
          bias: false,
          constantWeights: true,
        },
        contextOf(device),
      );
      expect(outputs[`y${size}`].data).toEqual(await runPlan(device, plan, [data[i], w], 3 * size * size));
    }
  });
});
