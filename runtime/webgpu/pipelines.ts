/** Compute pipelines, made once for each text. */
import { SutureError } from '../../ir/errors.ts';
import type { Device } from '../adapter/index.ts';

interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** How modules declare what they bind, and what the layout says of it. */
const bindingTypes = {
  'storage, read': 'read-only-storage',
  'storage, read_write': 'storage',
  uniform: 'uniform',
} as const;
type BindingType = (typeof bindingTypes)[keyof typeof bindingTypes];

const binding = /@group\(0\) @binding\((\d+)\) var<(storage, read|storage, read_write|uniform)>/g;

/** The types that a module declares, by binding. */
function bindingsOf(wgsl: string): BindingType[] {
  const types: BindingType[] = [];
  for (const [, index, type] of wgsl.matchAll(binding)) {
    types[Number(index)] = bindingTypes[type as keyof typeof bindingTypes];
  }
  return types;
}

/** The pipelines of a device. Equal text is one pipeline, whichever graph asks for it. */
export class PipelineCache {
  readonly #device: Device;
  readonly #layouts = new Map<string, GPUBindGroupLayout>();
  readonly #pipelines = new Map<string, Promise<Pipeline>>();

  constructor(device: Device) {
    this.#device = device;
  }

  /** The pipeline of a module; compiled by the driver's own threads where it has some. */
  get(wgsl: string, label: string): Promise<Pipeline> {
    let pipeline = this.#pipelines.get(wgsl);
    if (pipeline === undefined) {
      pipeline = this.#create(wgsl, label);
      this.#pipelines.set(wgsl, pipeline);
    }
    return pipeline;
  }

  async #create(wgsl: string, label: string): Promise<Pipeline> {
    const { gpu } = this.#device;
    const layout = this.#layout(bindingsOf(wgsl));
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

  #layout(types: readonly BindingType[]): GPUBindGroupLayout {
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
