/** What a session has the device do, and how it is encoded. */
import type { Dispatch } from '../kernels/kernel.ts';
import type { Step } from './program.ts';

/** What the encoder is told, in order. */
export type Command =
  | {
      readonly kind: 'dispatch';
      readonly step: Step;
      readonly dispatch: Dispatch;
      readonly pipeline: GPUComputePipeline;
      readonly group: GPUBindGroup;
    }
  | { readonly kind: 'copy'; readonly from: GPUBuffer; readonly to: GPUBuffer; readonly bytes: number };

/** Encodes commands, with the dispatches between two copies in one pass. */
export function encode(encoder: GPUCommandEncoder, commands: readonly Command[]): void {
  let pass: GPUComputePassEncoder | undefined;
  for (const command of commands) {
    if (command.kind === 'copy') {
      pass?.end();
      pass = undefined;
      encoder.copyBufferToBuffer(command.from, 0, command.to, 0, command.bytes);
      continue;
    }
    pass ??= encoder.beginComputePass();
    encodeDispatch(pass, command);
  }
  pass?.end();
}

export function encodeDispatch(
  pass: GPUComputePassEncoder,
  { pipeline, group, dispatch }: Extract<Command, { kind: 'dispatch' }>,
): void {
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, group);
  pass.dispatchWorkgroups(...dispatch.workgroups);
}
