import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Device, requestDevice } from '../../../runtime/adapter/index.ts';
import { embeddedDriverUnavailable } from '../../../runtime/adapter/swiftshader.ts';
import { chosenPlan } from '../../../runtime/kernels/choice.ts';
import { planConv } from '../../../runtime/kernels/conv.ts';
import type { ConvSpec } from '../../../runtime/kernels/conv-spec.ts';
import type { KernelContext, KernelPlan } from '../../../runtime/kernels/kernel.ts';
import { planMatMul } from '../../../runtime/kernels/matmul.ts';
import { referenceConv, referenceMatMul } from './reference.ts';
import { contextOf, largestDifference, numbers, runPlan } from './run-plan.ts';
import { convOperands, convSpecs, plainProduct } from './specs.ts';

/** What every WebGPU device offers. */
const limits = {
  maxComputeWorkgroupsPerDimension: 65535,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupStorageSize: 16384,
  maxStorageBufferBindingSize: 2 ** 27,
  maxStorageBuffersPerShaderStage: 8,
};

const plainContext = (adapterClass: 'gpu' | 'software'): KernelContext => ({
  adapterClass,
  limits,
  features: new Set(),
});

/** A plan and all that could be in its place. */
const candidatesOf = (plan: KernelPlan): readonly { name: string; plan: () => KernelPlan }[] =>
  plan.choice?.candidates ?? [{ name: 'the only one', plan: () => plan }];

describe('a choice of kernels', () => {
  const empty: KernelPlan = { dispatches: [], scratch: [] };
  const candidates = ['a', 'b'].map(name => ({ name, plan: () => empty }));

  it('is the first, unless another was measured to be better', () => {
    const context = plainContext('gpu');
    expect(chosenPlan(context, 'key', candidates).choice?.name).toBe('a');
    const choices = new Map([['key', 'b']]);
    expect(chosenPlan({ ...context, choices }, 'key', candidates).choice?.name).toBe('b');
    expect(chosenPlan({ ...context, choices }, 'other', candidates).choice?.name).toBe('a');
    expect(chosenPlan({ ...context, choices: new Map([['key', 'gone']]) }, 'key', candidates).choice?.name).toBe('a');
  });

  it('is none where there is one candidate', () => {
    expect(chosenPlan(plainContext('gpu'), 'key', candidates.slice(0, 1)).choice).toBeUndefined();
  });

  it('keeps to what every device offers, for layers of any size', () => {
    const layers = fc.record({
      batch: fc.constantFrom(1, 8, 64),
      inChannels: fc.constantFrom(1, 3, 16, 64, 320),
      outChannels: fc.constantFrom(1, 2, 7, 32, 320),
      size: fc.constantFrom(1, 7, 56, 224, 1024),
      kernel: fc.constantFrom(1, 3, 5),
      stride: fc.constantFrom(1, 2),
      rank: fc.constantFrom(1, 2),
      transposed: fc.boolean(),
    });
    fc.assert(
      fc.property(layers, fc.constantFrom('gpu' as const, 'software' as const), (layer, adapterClass) => {
        const { rank, size, kernel, stride, transposed } = layer;
        const output = transposed ? size * stride : Math.ceil(size / stride);
        const axes = (value: number): number[] => Array<number>(rank).fill(value);
        const spec: ConvSpec = {
          transposed,
          batch: layer.batch,
          inChannels: layer.inChannels,
          outChannels: layer.outChannels,
          groups: 1,
          input: axes(size),
          output: axes(output),
          kernel: axes(kernel),
          strides: axes(stride),
          dilations: axes(1),
          padsBegin: axes(kernel >> 1),
          bias: true,
          constantWeights: true,
        };
        for (const { plan } of candidatesOf(planConv(spec, plainContext(adapterClass)))) {
          for (const {
            module: { wgsl },
            workgroups,
          } of plan().dispatches) {
            expect(Math.max(...workgroups)).toBeLessThanOrEqual(limits.maxComputeWorkgroupsPerDimension);
            const [, invocations] = /@workgroup_size\((\d+)\)/.exec(wgsl)!;
            expect(Number(invocations)).toBeLessThanOrEqual(limits.maxComputeInvocationsPerWorkgroup);
            const shared = [...wgsl.matchAll(/var<workgroup> \w+: array<vec4<f32>, (\d+)>/g)];
            const bytes = shared.reduce((sum, [, vectors]) => sum + 16 * Number(vectors), 0);
            expect(bytes).toBeLessThanOrEqual(limits.maxComputeWorkgroupStorageSize);
          }
        }
      }),
      { numRuns: 15 },
    );
  });
});

describe.skipIf(embeddedDriverUnavailable() !== undefined)('candidates', () => {
  let device: Device;
  beforeAll(async () => {
    device = await requestDevice();
  });
  afterAll(() => device.destroy());

  /** Runs the first candidate and some others; expects what is right, and the same bits of all. */
  async function compareCandidates(
    plan: KernelPlan,
    inputs: readonly Float32Array[],
    expected: Float32Array,
    picks: readonly number[],
  ): Promise<void> {
    const candidates = candidatesOf(plan);
    const first = await runPlan(device, plan, inputs, expected.length);
    expect(largestDifference(first, expected)).toBeLessThan(3e-4);
    for (const at of new Set(picks.map(pick => pick % candidates.length))) {
      if (at === 0) continue;
      const { name, plan } = candidates[at];
      const y = await runPlan(device, plan(), inputs, expected.length);
      expect(largestDifference(y, first), name).toBe(0);
    }
  }

  const picks = fc.array(fc.nat(100), { minLength: 1, maxLength: 1 });

  for (const adapterClass of ['software', 'gpu'] as const) {
    it(`of a convolution give the same bits (kernels for ${adapterClass} adapters)`, async () => {
      await fc.assert(
        fc.asyncProperty(convSpecs, picks, async (spec, picks) => {
          const inputs = convOperands(spec);
          const plan = planConv(spec, contextOf(device, adapterClass));
          await compareCandidates(plan, inputs, referenceConv(spec, inputs[0], inputs[1], inputs[2]), picks);
        }),
        { numRuns: 2 },
      );
    });

    it(`of a product give the same bits, its sum in one piece or several (${adapterClass})`, async () => {
      for (const [m, n, k, picks] of [
        [70, 130, 9, [5]],
        [3, 5, 700, [2]],
      ] as const) {
        const spec = plainProduct(m, n, k);
        const [a, b] = [numbers(m * k, 1), numbers(k * n, 2)];
        const plan = planMatMul(spec, contextOf(device, adapterClass));
        await compareCandidates(plan, [a, b], referenceMatMul(spec, a, b), picks);
      }
    });
  }

  it('of a convolution for GPUs hold for many channels and positions, as products and directly', async () => {
    const spec: ConvSpec = {
      transposed: false,
      batch: 2,
      inChannels: 4,
      outChannels: 70,
      groups: 1,
      input: [13, 11],
      output: [7, 6],
      kernel: [3, 3],
      strides: [2, 2],
      dilations: [1, 1],
      padsBegin: [1, 1],
      bias: true,
      constantWeights: true,
    };
    const inputs = convOperands(spec);
    const plan = planConv(spec, contextOf(device, 'gpu'));
    const some = ['by 8x8', 'c'].map(part => candidatesOf(plan).findIndex(({ name }) => name.includes(part)));
    expect(some).not.toContain(-1);
    await compareCandidates(plan, inputs, referenceConv(spec, inputs[0], inputs[1], inputs[2]), some);
  });
});
