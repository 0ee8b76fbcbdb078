import type { Graph } from '../../ir/graph.ts';
import { type AdapterClass, type AdapterOptions, adapterName, type Device, requestDevice } from '../adapter/index.ts';
import type { Executor, PrepareOptions, Session } from '../executor.ts';
import type { KernelContext } from '../kernels/kernel.ts';
import { PipelineCache } from './pipelines.ts';
import { compile } from './program.ts';
import { WebgpuSession } from './session.ts';

export interface WebgpuOptions extends AdapterOptions {
  /** Generates the code of this class of adapter, whatever the adapter is: for tests of the other class's kernels. */
  readonly kernels?: AdapterClass;
}

/** What kernels may know of a device. */
export function kernelContext({ facts }: Device, { kernels }: WebgpuOptions = {}): KernelContext {
  const { limits } = facts;
  return {
    adapterClass: kernels ?? facts.adapterClass,
    features: new Set(facts.features),
    subgroups: facts.subgroups,
    limits: {
      maxComputeWorkgroupsPerDimension: limits.maxComputeWorkgroupsPerDimension,
      maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
      maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
      maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
      maxStorageBuffersPerShaderStage: limits.maxStorageBuffersPerShaderStage,
    },
  };
}

class WebgpuExecutor implements Executor {
  readonly name = 'webgpu';
  readonly #device: Device;
  readonly #options: WebgpuOptions;
  readonly #pipelines: PipelineCache;
  readonly #sessions = new Set<WebgpuSession>();

  constructor(device: Device, options: WebgpuOptions) {
    this.#device = device;
    this.#options = options;
    this.#pipelines = new PipelineCache(device);
  }

  describe(): string {
    const { facts } = this.#device;
    const kind =
      facts.adapterClass === 'gpu'
        ? 'GPU'
        : facts.origin === 'embedded'
          ? 'embedded software adapter'
          : 'software adapter';
    return `WebGPU on ${adapterName(facts)} (${kind})`;
  }

  async prepare(graph: Graph, options: PrepareOptions = {}): Promise<Session> {
    const program = compile(graph, kernelContext(this.#device, this.#options));
    const session = await WebgpuSession.create(this.#device, this.#pipelines, program, options);
    this.#sessions.add(session);
    return session;
  }

  dispose(): void {
    for (const session of this.#sessions) session.dispose();
    this.#sessions.clear();
    this.#device.destroy();
  }
}

/**
 * Opens a device and computes on it.
 *
 * @throws SutureError `adapter-missing` where no adapter can be used.
 */
export async function createWebgpuExecutor(options: WebgpuOptions = {}): Promise<Executor> {
  return new WebgpuExecutor(await requestDevice(options), options);
}
