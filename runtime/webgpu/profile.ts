/** Times of single kernels: by the device's own clock where it has one, else by submitting one at a time. */
import type { Device } from '../adapter/device.ts';
import type { Profile, ProfiledKernel } from '../executor.ts';
import { usage } from './buffers.ts';
import { type Command, encode, encodeDispatch } from './commands.ts';

export type Timed = Profile;

/** `GPUBufferUsage.QUERY_RESOLVE`. */
const queryResolve = 512;

/** Groups that one query set holds the two timestamps of. */
const groupsPerSet = 2048;

/** Runs the commands once, each dispatch on its own. */
export async function timeDispatches(device: Device, commands: readonly Command[]): Promise<Timed> {
  await device.queue.onSubmittedWorkDone();
  const start = performance.now();
  const times = await timeGroups(
    device,
    commands.map(command => [command]),
  );
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

/** The milliseconds that each group of commands takes when it runs on its own. */
export async function timeGroups(device: Device, groups: readonly (readonly Command[])[]): Promise<number[]> {
  if (!device.gpu.features.has('timestamp-query')) return byWallClock(device, groups);
  const times: number[] = [];
  for (let from = 0; from < groups.length; from += groupsPerSet) {
    times.push(...(await byDeviceClock(device, groups.slice(from, from + groupsPerSet))));
  }
  return times;
}

async function byWallClock(device: Device, groups: readonly (readonly Command[])[]): Promise<number[]> {
  const times: number[] = [];
  for (const commands of groups) {
    const encoder = device.gpu.createCommandEncoder();
    encode(encoder, commands);
    const buffer = encoder.finish();
    const start = performance.now();
    device.queue.submit([buffer]);
    await device.queue.onSubmittedWorkDone();
    times.push(performance.now() - start);
  }
  return times;
}

/** Each group is one pass between two timestamps. Copies, which no pass holds, count for nothing. */
async function byDeviceClock(device: Device, groups: readonly (readonly Command[])[]): Promise<number[]> {
  const { gpu, queue } = device;
  const count = 2 * groups.length;
  const querySet = gpu.createQuerySet({ type: 'timestamp', count });
  const resolved = gpu.createBuffer({ size: 8 * count, usage: queryResolve | usage.copySource });
  const staging = gpu.createBuffer({ size: 8 * count, usage: usage.mapRead | usage.copyDestination });
  const encoder = gpu.createCommandEncoder();
  const timed = groups.map(commands => commands.every(command => command.kind === 'dispatch'));
  for (const [i, commands] of groups.entries()) {
    if (!timed[i]) {
      encode(encoder, commands);
      continue;
    }
    const timestampWrites = { querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 };
    const pass = encoder.beginComputePass({ timestampWrites });
    for (const command of commands) if (command.kind === 'dispatch') encodeDispatch(pass, command);
    pass.end();
  }
  encoder.resolveQuerySet(querySet, 0, count, resolved, 0);
  encoder.copyBufferToBuffer(resolved, 0, staging, 0, 8 * count);
  queue.submit([encoder.finish()]);
  await staging.mapAsync(1);
  const stamps = new BigUint64Array(staging.getMappedRange().slice(0));
  staging.unmap();
  for (const resource of [querySet, resolved, staging]) resource.destroy();
  return timed.map((clocked, i) => (clocked ? Number(stamps[2 * i + 1] - stamps[2 * i]) / 1e6 : 0));
}
