/** Graph to numbers: executors, sessions, and the memory plan. */
export type {
  Executor,
  ExecutorName,
  MemoryPeak,
  MemoryReport,
  PrepareOptions,
  Profile,
  ProfiledKernel,
  Session,
} from './executor.ts';
export { createOrtExecutor, type OrtOptions } from './ort/executor.ts';
export { LARGE_WEIGHT } from './ort/weights.ts';
export { createWebgpuExecutor } from './webgpu/open.ts';
export type { WebgpuOptions } from './webgpu/options.ts';
