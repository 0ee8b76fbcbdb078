import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { product } from '../../../ir/numbers.ts';
import { type Device, requestDevice } from '../../../runtime/adapter/index.ts';
import { embeddedDriverUnavailable } from '../../../runtime/adapter/swiftshader.ts';
import { planConv } from '../../../runtime/kernels/conv.ts';
import { convDirect } from '../../../runtime/kernels/conv-direct.ts';
import type { ConvSpec } from '../../../runtime/kernels/conv-spec.ts';
import { convWindow } from '../../../runtime/kernels/conv-window.ts';
import type { Epilogue } from '../../../runtime/kernels/kernel.ts';
import { referenceConv } from './reference.ts';
import { contextOf, largestDifference, numbers, runPlan } from './run-plan.ts';
import { convLength, convOperands, convSpecs } from './specs.ts';

/** A two-dimensional convolution with padding that keeps the size, for examples. */
function plain(
  options: Partial<ConvSpec> & Pick<ConvSpec, 'inChannels' | 'outChannels' | 'input' | 'kernel'>,
): ConvSpec {
  const rank = options.input.length;
  return {
    transposed: false,
    batch: 1,
    groups: 1,
    output: options.input,
    strides: Array<number>(rank).fill(1),
    dilations: Array<number>(rank).fill(1),
    padsBegin: options.kernel.map(k => (k - 1) >> 1),
    bias: true,
    constantWeights: true,
    ...options,
  };
}

describe.skipIf(embeddedDriverUnavailable() !== undefined)('convolution', () => {
  let device: Device;
  beforeAll(async () => {
    device = await requestDevice();
  });
  afterAll(() => device.destroy());

  for (const adapterClass of ['software', 'gpu'] as const) {
    it(`agrees with the definition on random specifications (kernels for ${adapterClass} adapters)`, async () => {
      const context = contextOf(device, adapterClass);
      await fc.assert(
        fc.asyncProperty(convSpecs, async spec => {
          const [x, w, bias] = convOperands(spec);
          const y = await runPlan(device, planConv(spec, context), convOperands(spec), convLength(spec));
          expect(largestDifference(y, referenceConv(spec, x, w, bias))).toBeLessThan(1e-4);
        }),
        { numRuns: 4 },
      );
    });
  }

  it('agrees with the definition when it loops over the taps', async () => {
    const context = contextOf(device, 'software');
    await fc.assert(
      fc.asyncProperty(convSpecs, async spec => {
        const [x, w, bias] = convOperands(spec);
        const y = await runPlan(device, convWindow(spec, context), convOperands(spec), convLength(spec));
        expect(largestDifference(y, referenceConv(spec, x, w, bias))).toBeLessThan(1e-4);
      }),
      { numRuns: 3 },
    );
  });

  it.each([
    ['a strided window with several tiles of columns', { kernel: [3, 5], strides: [1, 2], output: [12, 15] }],
    ['a dilated window of several turns', { kernel: [1, 9], dilations: [1, 2], output: [12, 30], padsBegin: [0, 8] }],
    [
      'the same, transposed',
      { transposed: true, kernel: [2, 6], strides: [2, 3], output: [24, 91], padsBegin: [0, 1] },
    ],
  ])('agrees with the definition when it loops over %s', async (_, options) => {
    const spec = plain({ inChannels: 2, outChannels: 3, input: [12, 30], ...options });
    const [x, w, bias] = convOperands(spec);
    const y = await runPlan(
      device,
      convWindow(spec, contextOf(device, 'software')),
      convOperands(spec),
      convLength(spec),
    );
    expect(largestDifference(y, referenceConv(spec, x, w, bias))).toBeLessThan(1e-4);
  });

  const examples: readonly [string, ConvSpec][] = [
    ['the layers of a U-Net', plain({ inChannels: 8, outChannels: 16, input: [24, 20], kernel: [3, 3], batch: 2 })],
    ['a stitch', plain({ inChannels: 8, outChannels: 12, input: [13, 11], kernel: [1, 1], batch: 2 })],
    [
      'the gradient of a stitch: the window is the whole map',
      plain({
        inChannels: 2,
        outChannels: 12,
        batch: 8,
        input: [24, 24],
        kernel: [24, 24],
        output: [1, 1],
        padsBegin: [0, 0],
        bias: false,
      }),
    ],
    [
      'the gradient of a 3x3 kernel: the window is almost the whole map',
      plain({
        inChannels: 2,
        outChannels: 9,
        batch: 5,
        input: [23, 22],
        kernel: [23, 22],
        output: [3, 3],
        padsBegin: [1, 1],
        bias: false,
      }),
    ],
    ['a depthwise kernel', plain({ inChannels: 6, outChannels: 6, groups: 6, input: [9, 17], kernel: [3, 3] })],
  ];
  for (const [name, spec] of examples) {
    for (const adapterClass of ['software', 'gpu'] as const) {
      it(`computes ${name} (${adapterClass})`, async () => {
        const [x, w, bias] = convOperands(spec);
        const plan = planConv(spec, contextOf(device, adapterClass));
        const y = await runPlan(device, plan, convOperands(spec), convLength(spec));
        expect(largestDifference(y, referenceConv(spec, x, w, bias))).toBeLessThan(2e-4);
      });
    }
  }

  it('reads as it should: two taps, one channel to one', () => {
    const spec = plain({
      inChannels: 1,
      outChannels: 1,
      input: [2],
      kernel: [2],
      output: [1],
      padsBegin: [0],
      bias: false,
    });
    const tile = { block: [1, 1, 1], channels: 1, workgroup: 4 } as const;
    const context = { ...contextOf(device, 'software'), features: new Set(['subgroups']) };
    expect(convDirect(spec, tile, context).dispatches[1].module.wgsl).toMatchInlineSnapshot(`
      "enable subgroups;
      @group(0) @binding(0) var<storage, read> x: array<f32>;
      @group(0) @binding(1) var<storage, read> w: array<f32>;
      @group(0) @binding(2) var<storage, read_write> y: array<f32>;
      @compute @workgroup_size(4)
      fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lid: u32, @builtin(subgroup_invocation_id) lane: u32) {
        let group = wid.x;
        let block = group / 1u;
        let linear = (group % 1u) * 4u + lid;
        let tile = min(linear, 0u);
        let n = 0u;
        let g = block / 1u;
        let oc = (block % 1u) * 1u;
        let td = 0u;
        let d0 = (td) * 2u;
        let th = 0u;
        let h0 = (th) * 2u;
        let tw = 0u;
        let w0 = (tw) * 1u;
        let w1 = (tw + 1u) * 1u;
        let p0 = d0 + h0 + w0;
        let p1 = d0 + h0 + w1;
        var a0_0 = 0.0;
        var xi = (n * 1u + g * 1u) * 2u;
        var wi = block * 4u + (lane & 3u);
        for (var ic = 0u; ic < 1u; ic++) {
          let x0 = x[xi + p0];
          let x1 = x[xi + p1];
          let q0 = w[wi + 0u];
          let f0 = subgroupBroadcast(q0, 0u);
          let f1 = subgroupBroadcast(q0, 1u);
          a0_0 = fma(x1, f1, fma(x0, f0, a0_0));
          xi += 2u;
          wi += 4u;
        }
        if (linear < 1u) {
        let yi = ((n * 1u + g) * 1u + oc) * 1u;
        let od = td;
        let oh = th;
        let ow = tw;
        let y0 = yi + od + oh + ow;
        y[y0] = a0_0;
        }
      }
      "
    `);
  });

  it('does the same without subgroups', async () => {
    const spec = plain({ inChannels: 5, outChannels: 6, input: [10, 9], kernel: [3, 3] });
    const [x, w, bias] = convOperands(spec);
    const plan = planConv(spec, { ...contextOf(device, 'software'), features: new Set() });
    expect(plan.dispatches.every(dispatch => !dispatch.module.wgsl.includes('subgroups'))).toBe(true);
    const y = await runPlan(device, plan, convOperands(spec), convLength(spec));
    expect(largestDifference(y, referenceConv(spec, x, w, bias))).toBeLessThan(1e-4);
  });

  it('folds grids over the limit on workgroups', async () => {
    const spec = plain({ inChannels: 2, outChannels: 3, input: [33, 35], kernel: [3, 3] });
    const [x, w, bias] = convOperands(spec);
    for (const adapterClass of ['software', 'gpu'] as const) {
      const context = contextOf(device, adapterClass);
      const narrow = {
        ...context,
        limits: {
          maxComputeWorkgroupsPerDimension: 3,
          maxComputeInvocationsPerWorkgroup: 256,
          maxComputeWorkgroupStorageSize: 16384,
          maxStorageBufferBindingSize: 2 ** 27,
          maxStorageBuffersPerShaderStage: 8,
        },
      };
      const y = await runPlan(device, planConv(spec, narrow), convOperands(spec), convLength(spec));
      expect(largestDifference(y, referenceConv(spec, x, w, bias))).toBeLessThan(1e-4);
    }
  });

  it('applies an epilogue to each element, with its place', async () => {
    const epilogue: Epilogue = {
      inputs: ['f32', 'f32'],
      emit: (value, at, input) => ({
        statements: `let scaled = ${value} * ${input(0)}[${at.channel}];`,
        result: `max(scaled, 0.0) + ${input(1)}[${at.flat}] + f32(${at.batch})`,
      }),
    };
    const specs = [
      plain({ inChannels: 3, outChannels: 5, input: [7, 9], kernel: [3, 3], batch: 2 }),
      plain({ inChannels: 3, outChannels: 5, input: [7, 9], kernel: [1, 1], batch: 2 }),
      plain({
        inChannels: 6,
        outChannels: 9,
        input: [20, 20],
        kernel: [20, 20],
        output: [1, 1],
        padsBegin: [0, 0],
        batch: 2,
      }),
    ];
    for (const spec of specs) {
      const [x, w, bias] = convOperands(spec);
      const scale = numbers(spec.outChannels, 4);
      const residual = numbers(convLength(spec), 5);
      const positions = product(spec.output);
      const expected = referenceConv(spec, x, w, bias).map((value, i) => {
        const channel = Math.floor(i / positions) % spec.outChannels;
        return Math.max(value * scale[channel], 0) + residual[i] + Math.floor(i / positions / spec.outChannels);
      });
      for (const adapterClass of ['software', 'gpu'] as const) {
        const plan = planConv(spec, { ...contextOf(device, adapterClass), epilogue });
        const y = await runPlan(device, plan, [x, w, bias, scale, residual], convLength(spec));
        expect(largestDifference(y, expected)).toBeLessThan(2e-4);
      }
    }
  });
});
