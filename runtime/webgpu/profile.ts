/** Times of single kernels: by the device's own clock where it has one, else by submitting one at a time. */
import type { Device } from '../adapter/index.ts';
import type { Profile, ProfiledKernel } from '../executor.ts';
import { usage } from './buffers.ts';
import { type Command, encode } from './session.ts';

export type Timed = Profile;

/** `GPUBufferUsage.QUERY_RESOLVE`. */
const queryResolve = 512;

/** Timestamps of one query set, two for each dispatch. */
const dispatchesPerSet = 2048;

/** Runs the commands once, each dispatch on its own. */
export async function timeDispatches(device: Device, commands: readonly Command[]): Promise<Timed> {
  await device.queue.onSubmittedWorkDone();
  const start = performance.now();
  const times = device.gpu.features.has('timestamp-query')
    ? await byDeviceClock(device, commands)
    : await byWallClock(device, commands);
  const total = performance.now() - start;
  const kernels: ProfiledKernel[] = [];
  for (const [i, command] of commands.entries()) {
    if (command.kind === 'copy') kernels.push({ node: '', op: 'copy', kernel: 'copy', milliseconds: times[i] });
    else {
      const { step, dispatch } = command;
      kernels.push({ node: step.node, op: step.op, kernel: dispatch.label, milliseconds: times[i] });
    }
  }
  return { total, kernels };
}

async function byWallClock(device: Device, commands: readonly Command[]): Promise<number[]> {
  const times: number[] = [];
  for (const command of commands) {
    const encoder = device.gpu.createCommandEncoder();
    encode(encoder, [command]);
    const buffer = encoder.finish();
    const start = performance.now();
    device.queue.submit([buffer]);
    await device.queue.onSubmittedWorkDone();
    times.push(performance.now() - start);
  }
  return times;
}

async function byDeviceClock(device: Device, commands: readonly Command[]): Promise<number[]> {
  const times: number[] = [];
  for (let from = 0; from < commands.length; from += dispatchesPerSet) {
    times.push(...(await clocked(device, commands.slice(from, from + dispatchesPerSet))));
  }
  return times;
}

async function clocked(device: Device, commands: readonly Command[]): Promise<number[]> {
  const { gpu, queue } = device;
  const count = 2 * commands.length;
  const querySet = gpu.createQuerySet({ type: 'timestamp', count });
  const resolved = gpu.createBuffer({ size: 8 * count, usage: queryResolve | usage.copySource });
  const staging = gpu.createBuffer({ size: 8 * count, usage: usage.mapRead | usage.copyDestination });
  const encoder = gpu.createCommandEncoder();
  for (const [i, command] of commands.entries()) {
    if (command.kind === 'copy') {
      encode(encoder, [command]);
      continue;
    }
    const timestampWrites = { querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 };
    const pass = encoder.beginComputePass({ timestampWrites });
    pass.setPipeline(command.pipeline);
    pass.setBindGroup(0, command.group);
    pass.dispatchWorkgroups(...command.dispatch.workgroups);
    pass.end();
  }
  encoder.resolveQuerySet(querySet, 0, count, resolved, 0);
  encoder.copyBufferToBuffer(resolved, 0, staging, 0, 8 * count);
  queue.submit([encoder.finish()]);
  await staging.mapAsync(1);
  const stamps = new BigUint64Array(staging.getMappedRange().slice(0));
  staging.unmap();
  for (const resource of [querySet, resolved, staging]) resource.destroy();
  return commands.map((command, i) => (command.kind === 'copy' ? 0 : Number(stamps[2 * i + 1] - stamps[2 * i]) / 1e6));
}
