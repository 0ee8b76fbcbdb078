/** Compute pipelines, made once for each text. */
import { SutureError } from '../../ir/errors.ts';
import type { Device } from '../adapter/device.ts';
import type { Binding, Module } from '../kernels/module.ts';

interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** What a layout says of a binding. */
const bindingTypes = {
  'storage, read': 'read-only-storage',
  'storage, read_write': 'storage',
  uniform: 'uniform',
} as const satisfies Record<Binding['space'], GPUBufferBindingType>;

/** The pipelines of a device. Equal text is one pipeline, whichever graph asks for it. */
export class PipelineCache {
  readonly #device: Device;
  readonly #layouts = new Map<string, GPUBindGroupLayout>();
  readonly #pipelines = new Map<string, Promise<Pipeline>>();

  constructor(device: Device) {
    this.#device = device;
  }

  /** The pipeline of a module; compiled by the driver's own threads where it has some. */
  get(module: Module, label: string): Promise<Pipeline> {
    let pipeline = this.#pipelines.get(module.wgsl);
    if (pipeline === undefined) {
      pipeline = this.#create(module, label);
      this.#pipelines.set(module.wgsl, pipeline);
    }
    return pipeline;
  }

  async #create({ wgsl, bindings }: Module, label: string): Promise<Pipeline> {
    const { gpu } = this.#device;
    const layout = this.#layout(bindings.map(({ space }) => bindingTypes[space]));
    const module = gpu.createShaderModule({ code: wgsl, label });
    try {
      const pipeline = await gpu.createComputePipelineAsync({
        label,
        layout: gpu.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: { module, entryPoint: 'main' },
      });
      return { pipeline, layout };
    } catch (cause) {
      this.#device.assertHealthy();
      const { messages } = await module.getCompilationInfo();
      const details = messages.map(m => `line ${m.lineNum}: ${m.message}`);
      const reason = details[0] ?? (cause instanceof Error ? cause.message.split('\n')[0] : String(cause));
      throw new SutureError('device-error', `The GPU refused the kernel '${label}': ${reason}`, { details, cause });
    }
  }

  #layout(types: readonly GPUBufferBindingType[]): GPUBindGroupLayout {
    const key = types.join();
    let layout = this.#layouts.get(key);
    if (layout === undefined) {
      layout = this.#device.gpu.createBindGroupLayout({
        entries: types.map((type, i) => ({ binding: i, visibility: 4, buffer: { type } })),
      });
      this.#layouts.set(key, layout);
    }
    return layout;
  }
}
