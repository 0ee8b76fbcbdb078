/** Which executors there are, and which one `auto` means. */
import type { AdapterOptions, AdapterReport } from '../../runtime/adapter/facts.ts';
import type { ExecutorName } from '../../runtime/executor.ts';
import type { WebgpuOptions } from '../../runtime/index.ts';
import type { GraphProfile } from './profiling.ts';

export const executorChoices = ['auto', 'webgpu', 'ort'] as const;
export type ExecutorChoice = (typeof executorChoices)[number];

export interface ExecutorOptions extends AdapterOptions, Pick<WebgpuOptions, 'tune' | 'onTuning'> {
  /**
   * `webgpu`: generated kernels on the best adapter, the embedded one if need be. `ort`: ONNX Runtime on the CPU. `auto`
   * (default): WebGPU where there is a real GPU, ONNX Runtime elsewhere.
   */
  readonly executor?: ExecutorChoice;
  /** Takes, at the end of the work, the time by kernel of each graph that ran. Each runs once more for it. */
  readonly onProfile?: (profiles: readonly GraphProfile[]) => void;
}

/** The executor that suits the outcome of a search for adapters, and why. */
export function automaticExecutor({ chosen }: AdapterReport): { executor: ExecutorName; reason: string } {
  if (chosen?.adapterClass === 'gpu') return { executor: 'webgpu', reason: chosen.reason };
  const found = chosen ? 'the adapter computes on the CPU' : 'there is no adapter';
  return { executor: 'ort', reason: `${found}, and ONNX Runtime makes more of a CPU.` };
}
