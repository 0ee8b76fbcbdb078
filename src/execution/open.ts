/** Executors of this machine, opened and given back. */
import { SutureError } from '../../ir/errors.ts';
import { inspectAdapters } from '../../runtime/adapter/index.ts';
import type { Executor, ExecutorName } from '../../runtime/executor.ts';
import { createOrtExecutor, createWebgpuExecutor } from '../../runtime/index.ts';
import { automaticExecutor, type ExecutorOptions } from './executors.ts';
import { ProfilingExecutor } from './profiling.ts';
import type { Opening } from './progress.ts';

/** Resolves `auto`. Asks for adapters only where the choice depends on them. */
async function chooseExecutor(options: ExecutorOptions = {}): Promise<ExecutorName> {
  const { executor = 'auto' } = options;
  return executor === 'auto' ? automaticExecutor(await inspectAdapters(options)).executor : executor;
}

/** Opens an executor, which the caller disposes of. @throws SutureError `adapter-missing`; `option-invalid` for `tune` without WebGPU. */
export async function openExecutor(options: ExecutorOptions = {}): Promise<Executor> {
  const name = await chooseExecutor(options);
  if (name === 'webgpu') return createWebgpuExecutor(options);
  if (options.tune) {
    throw new SutureError('option-invalid', 'Only the kernels of WebGPU are measured (--tune); add --executor webgpu.');
  }
  return createOrtExecutor();
}

/** Opens an executor, hands it to `work`, and gives the device back whatever happens. */
export async function withExecutor<T>(options: ExecutorOptions, work: (executor: Executor) => Promise<T>): Promise<T> {
  const executor = await openExecutor(options);
  try {
    if (!options.onProfile) return await work(executor);
    const profiling = new ProfilingExecutor(executor);
    const result = await work(profiling);
    options.onProfile(await profiling.finish());
    return result;
  } finally {
    executor.dispose();
  }
}

/** ONNX Runtime for as long as some work takes: for short looks at a network, which pay no search for adapters. */
export const onProcessor: Opening = work => withExecutor({ executor: 'ort' }, work);
