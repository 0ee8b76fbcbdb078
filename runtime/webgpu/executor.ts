import type { Graph } from '../../ir/graph.ts';
import type { Device } from '../adapter/device.ts';
import { type AdapterFacts, adapterName } from '../adapter/facts.ts';
import type { Executor, PrepareOptions, Session } from '../executor.ts';
import type { KernelContext } from '../kernels/kernel.ts';
import type { WebgpuOptions } from './options.ts';
import { PipelineCache } from './pipelines.ts';
import { compile } from './program.ts';
import { WebgpuSession } from './session.ts';
import { type Measurements, measureChoices } from './tuning.ts';

/** What kernels may know of a device. */
export function kernelContext(
  { facts }: { readonly facts: AdapterFacts },
  { kernels }: WebgpuOptions = {},
): KernelContext {
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

/** Computes on a device that is open, and gives it back in the end. */
export class WebgpuExecutor implements Executor {
  readonly name = 'webgpu';
  readonly #device: Device;
  readonly #options: WebgpuOptions;
  readonly #choices: Measurements;
  readonly #pipelines: PipelineCache;
  readonly #sessions = new Set<WebgpuSession>();

  constructor(device: Device, choices: Measurements, options: WebgpuOptions = {}) {
    this.#device = device;
    this.#choices = choices;
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
    const { tune, onTuning } = this.#options;
    const { measured } = this.#choices;
    const context = { ...kernelContext(this.#device, this.#options), choices: measured };
    let program = compile(graph, context);
    if (tune) {
      const { size } = measured;
      await measureChoices(this.#device, {
        adapterClass: context.adapterClass,
        program,
        choices: this.#choices,
        onProgress: onTuning,
      });
      if (measured.size > size) program = compile(graph, context);
    }
    const session = await WebgpuSession.create(this.#device, this.#pipelines, program, options);
    // Whoever goes through many graphs need not keep them all, with their weights, until the end.
    session.onDisposed = () => this.#sessions.delete(session);
    this.#sessions.add(session);
    return session;
  }

  dispose(): void {
    for (const session of this.#sessions) session.dispose();
    this.#sessions.clear();
    this.#device.destroy();
  }
}
