/** Graph to numbers: executors, sessions, and the memory plan. */
export type { Profile, Session } from './executor.ts';
export { createOrtExecutor } from './ort/executor.ts';
export { LARGE_WEIGHT } from './ort/weights.ts';
export { createWebgpuExecutor } from './webgpu/open.ts';
export type { WebgpuOptions } from './webgpu/options.ts';
