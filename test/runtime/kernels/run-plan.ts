/** Runs kernel plans on a device, without the session: for tests of single kernels. */

import type { AdapterClass } from '../../../runtime/adapter/facts.ts';
import type { Device } from '../../../runtime/adapter/index.ts';
import type { KernelContext, KernelPlan, Operand } from '../../../runtime/kernels/kernel.ts';

/** What kernels may know about a device; `adapterClass` forces the kernels of the other class. */
export function contextOf(device: Device, adapterClass: AdapterClass = device.adapterClass): KernelContext {
  return {
    adapterClass,
    limits: device.gpu.limits,
    features: new Set(device.gpu.features),
    subgroups: device.facts.subgroups,
  };
}

/** Runs a plan once on float32 inputs and returns its output 0, which starts as NaN so that what is not written shows. */
export async function runPlan(
  device: Device,
  plan: KernelPlan,
  inputs: readonly Float32Array[],
  outputLength: number,
): Promise<Float32Array> {
  const { gpu, queue } = device;
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const create = (bytes: number) => gpu.createBuffer({ size: Math.max(4, bytes), usage });
  const upload = (data: Float32Array) => {
    const buffer = create(data.byteLength);
    queue.writeBuffer(buffer, 0, data as Float32Array<ArrayBuffer>);
    return buffer;
  };
  const buffers = {
    input: inputs.map(upload),
    output: [upload(new Float32Array(outputLength).fill(Number.NaN))],
    scratch: plan.scratch.map(({ bytes }) => upload(new Float32Array(bytes / 4).fill(Number.NaN))),
  };
  const bufferOf = (operand: Operand): GPUBuffer => buffers[operand.kind][operand.index];
  return device.attempt('a kernel under test', async () => {
    const encoder = gpu.createCommandEncoder();
    for (const dispatch of plan.dispatches) {
      const pipeline = gpu.createComputePipeline({
        layout: 'auto',
        compute: { module: gpu.createShaderModule({ code: dispatch.module.wgsl }), entryPoint: 'main' },
      });
      const entries = dispatch.operands.map((operand, binding) => ({
        binding,
        resource: { buffer: bufferOf(operand) },
      }));
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, gpu.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
      pass.dispatchWorkgroups(...dispatch.workgroups);
      pass.end();
    }
    const output = buffers.output[0];
    const staging = gpu.createBuffer({ size: output.size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
    encoder.copyBufferToBuffer(output, 0, staging, 0, output.size);
    queue.submit([encoder.finish()]);
    await staging.mapAsync(GPUMapMode.READ);
    const result = new Float32Array(staging.getMappedRange().slice(0));
    for (const buffer of [staging, ...Object.values(buffers).flat()]) buffer.destroy();
    return result.subarray(0, outputLength);
  });
}

/** Reproducible numbers in [-1, 1). */
export function numbers(length: number, seed = 1): Float32Array {
  let state = seed >>> 0;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

/** The largest difference, NaN if there is one anywhere. */
export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let largest = a.length === b.length ? 0 : Number.NaN;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i] - b[i]);
    if (!(difference <= largest)) largest = difference;
  }
  return largest;
}
