/** A planned graph on a device: pipelines, bind groups and commands made once, one submission for each run. */
import { printable, SutureError } from '../../ir/errors.ts';
import { type Graph, inputAt, type Value } from '../../ir/graph.ts';
import type { Tensor } from '../../ir/tensor.ts';
import { sameShape, typeText } from '../../ir/type.ts';
import type { Device } from '../adapter/device.ts';
import { inputOf, type MemoryReport, noSuch, type PrepareOptions, type Profile, type Session } from '../executor.ts';
import type { Operand } from '../kernels/kernel.ts';
import { sizesOf } from '../kernels/shape.ts';
import { toDevice } from '../kernels/storage.ts';
import { Buffers } from './buffers.ts';
import { type Command, encode } from './commands.ts';
import { bytesOnDevice, type Copy, type Layout, planLayout } from './layout.ts';
import type { PipelineCache } from './pipelines.ts';
import { type Timed, timeDispatches } from './profile.ts';
import type { Program, Step } from './program.ts';
import { Readback, type Source } from './readback.ts';

/** Runs that may be queued before a call waits for the oldest. */
const queueDepth = 3;

/** What commands are made of. */
interface Assembled {
  readonly device: Device;
  readonly program: Program;
  readonly layout: Layout;
  readonly buffers: Buffers;
  readonly state: ReadonlyMap<Value, GPUBuffer>;
}

/** Makes buffers for a layout and turns steps into commands. */
class Assembly {
  readonly #of: Assembled;
  readonly #shared: readonly GPUBuffer[];
  readonly #kept = new Map<string, GPUBuffer>();
  /** Constants that runs bind, not only the dispatches that run once. */
  readonly lasting = new Set<GPUBuffer>();
  sessionScratch = 0;

  constructor(of: Assembled) {
    const { layout, buffers } = of;
    this.#of = of;
    this.#shared = layout.memory.buffers.map((bytes, i) => {
      const largest = layout.lifetimes.find((_, k) => layout.memory.assignment[k] === i);
      return buffers.storage(bytes, `The tensor '${printable(largest?.name ?? '')}'`);
    });
  }

  buffer(value: Value): GPUBuffer {
    const place = this.#of.layout.place(value);
    switch (place.kind) {
      case 'state':
        return this.#of.state.get(place.input)!;
      case 'shared':
        return this.#shared[place.buffer];
      case 'constant':
        return this.#of.buffers.constant(place.tensor, `The constant '${printable(value.name)}'`);
      default:
        return place satisfies never;
    }
  }

  #operand(step: Step, at: number, operand: Operand): GPUBuffer {
    switch (operand.kind) {
      case 'input':
        return this.buffer(inputAt(step, operand.index));
      case 'output':
        return this.buffer(step.outputs[operand.index]);
      case 'scratch': {
        const { bytes, lifetime } = step.plan.scratch[operand.index];
        if (lifetime === 'run') return this.#shared[this.#of.layout.scratch(at, operand.index)];
        const key = `${at} ${operand.index}`;
        let buffer = this.#kept.get(key);
        if (buffer === undefined) {
          buffer = this.#of.buffers.storage(bytes, `The prepared weights of '${printable(step.node)}'`);
          this.#kept.set(key, buffer);
          this.sessionScratch += buffer.size;
        }
        return buffer;
      }
      default:
        return operand.kind satisfies never;
    }
  }

  copy({ from, to }: Copy): Command {
    const source = this.buffer(from);
    this.lasting.add(source);
    return { kind: 'copy', from: source, to: this.buffer(to), bytes: bytesOnDevice(to) };
  }

  /** The commands of every run, and those that are run once now. */
  async commands(pipelines: PipelineCache): Promise<{ once: Command[]; each: Command[] }> {
    const { steps } = this.#of.program;
    const made = await Promise.all(
      steps.map(step => Promise.all(step.plan.dispatches.map(d => pipelines.get(d.module, d.label)))),
    );
    const once: Command[] = [];
    const each: Command[] = [];
    for (const [at, step] of steps.entries()) {
      for (const copy of this.#of.layout.before.get(at) ?? []) each.push(this.copy(copy));
      for (const [k, dispatch] of step.plan.dispatches.entries()) {
        if (dispatch.workgroups.includes(0)) continue;
        const { pipeline, layout } = made[at][k];
        const bound = dispatch.operands.map(operand => this.#operand(step, at, operand));
        if (!dispatch.once) for (const buffer of bound) this.lasting.add(buffer);
        if (dispatch.words) bound.push(this.#of.buffers.uniform(dispatch.words));
        const group = this.#of.device.gpu.createBindGroup({
          layout,
          entries: bound.map((buffer, binding) => ({ binding, resource: { buffer } })),
        });
        (dispatch.once ? once : each).push({ kind: 'dispatch', step, dispatch, pipeline, group });
      }
    }
    for (const copy of this.#of.layout.after) each.push(this.copy(copy));
    return { once, each };
  }
}

export class WebgpuSession implements Session {
  readonly memory: MemoryReport;
  readonly #device: Device;
  readonly #graph: Graph;
  readonly #buffers: Buffers;
  readonly #state: ReadonlyMap<Value, GPUBuffer>;
  readonly #commands: readonly Command[];
  readonly #sources: ReadonlyMap<string, Source>;
  readonly #default: readonly string[];
  readonly #readback: Readback;
  readonly #resident: ReadonlySet<string>;
  readonly #valued = new Set<string>();
  readonly #queued: Promise<unknown>[] = [];
  #disposed = false;
  /** Is called when the session is disposed of. */
  onDisposed: (() => void) | undefined;

  private constructor(parts: {
    device: Device;
    graph: Graph;
    buffers: Buffers;
    state: ReadonlyMap<Value, GPUBuffer>;
    commands: readonly Command[];
    sources: ReadonlyMap<string, Source>;
    memory: MemoryReport;
    options: PrepareOptions;
  }) {
    const { carry, resident } = parts.options;
    this.#device = parts.device;
    this.#graph = parts.graph;
    this.#buffers = parts.buffers;
    this.#state = parts.state;
    this.#commands = parts.commands;
    this.#sources = parts.sources;
    this.memory = parts.memory;
    this.#readback = new Readback(parts.device);
    this.#resident = new Set([...(carry?.values() ?? []), ...(resident?.keys() ?? [])]);
    this.#default = parts.graph.outputs.map(o => o.name).filter(name => !carry?.has(name));
    for (const [name, value] of resident ?? []) this.write(name, value);
  }

  static async create(
    device: Device,
    pipelines: PipelineCache,
    program: Program,
    options: PrepareOptions,
  ): Promise<WebgpuSession> {
    const { graph } = program;
    const layout = planLayout(program, options.carry ?? new Map());
    const buffers = new Buffers(device);
    try {
      return await device.attempt('preparing the graph', async () => {
        const state = new Map(
          graph.inputs.map(v => [v, buffers.storage(bytesOnDevice(v), `The input '${printable(v.name)}'`)]),
        );
        const assembly = new Assembly({ device, program, layout, buffers, state });
        const { once, each } = await assembly.commands(pipelines);
        const sources = new Map<string, Source>();
        for (const { name, value } of graph.outputs) {
          const buffer = assembly.buffer(value);
          assembly.lasting.add(buffer);
          sources.set(name, sourceOf(name, value, buffer));
        }
        if (once.length > 0) {
          const encoder = device.gpu.createCommandEncoder();
          encode(encoder, once);
          device.queue.submit([encoder.finish()]);
          await device.queue.onSubmittedWorkDone();
        }
        const weights = buffers.retainConstants(assembly.lasting) + assembly.sessionScratch;
        const stateBytes = [...state.values()].reduce((sum, b) => sum + b.size, 0);
        const memory = report(program, layout, weights, stateBytes);
        return new WebgpuSession({ device, graph, buffers, state, commands: each, sources, memory, options });
      });
    } catch (error) {
      buffers.dispose();
      throw error;
    }
  }

  async run(
    inputs: Readonly<Record<string, Tensor>>,
    fetch: readonly string[] = this.#default,
  ): Promise<Record<string, Tensor>> {
    this.#assertUsable();
    const sources = fetch.map(name => this.#source(name));
    this.#upload(inputs);
    const encoder = this.#device.gpu.createCommandEncoder();
    encode(encoder, this.#commands);
    const result = sources.length > 0 ? this.#readback.encode(encoder, sources) : undefined;
    this.#device.queue.submit([encoder.finish()]);
    if (result) {
      this.#queued.length = 0;
      const tensors = await result();
      this.#device.assertHealthy();
      return tensors;
    }
    this.#queued.push(this.#device.queue.onSubmittedWorkDone());
    if (this.#queued.length > queueDepth) await this.#queued.shift();
    this.#device.assertHealthy();
    return {};
  }

  async read(input: string): Promise<Tensor> {
    this.#assertUsable();
    const value = inputOf(this.#graph, input);
    if (!this.#valued.has(input))
      throw new SutureError('data-invalid', `The input '${printable(input)}' has no value yet.`);
    const encoder = this.#device.gpu.createCommandEncoder();
    const result = this.#readback.encode(encoder, [sourceOf(input, value, this.#state.get(value)!)]);
    this.#device.queue.submit([encoder.finish()]);
    return (await result())[input];
  }

  write(input: string, tensor: Tensor): void {
    this.#assertUsable();
    const value = inputOf(this.#graph, input);
    const { dtype, shape } = value.type;
    if (tensor.dtype !== dtype || !sameShape(tensor.shape, shape)) {
      throw new SutureError(
        'data-invalid',
        `The input '${printable(input)}' is ${typeText(value.type)}, and ${typeText(tensor)} was given for it.`,
      );
    }
    const data = toDevice(tensor, `The input '${printable(input)}'`);
    if (data.byteLength > 0) {
      this.#device.queue.writeBuffer(
        this.#state.get(value)!,
        0,
        data.buffer as ArrayBuffer,
        data.byteOffset,
        data.byteLength,
      );
    }
    this.#valued.add(input);
  }

  async profile(inputs: Readonly<Record<string, Tensor>>): Promise<Profile> {
    this.#assertUsable();
    this.#upload(inputs);
    try {
      const timed: Timed = await timeDispatches(this.#device, this.#commands);
      return timed;
    } catch (error) {
      throw await this.#device.explain(error, 'the measuring of kernels');
    }
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.onDisposed?.();
    this.#readback.dispose();
    this.#buffers.dispose();
  }

  #upload(inputs: Readonly<Record<string, Tensor>>): void {
    for (const { name } of this.#graph.inputs) {
      const tensor = inputs[name];
      if (tensor !== undefined) this.write(name, tensor);
      else if (!this.#resident.has(name) || !this.#valued.has(name)) {
        throw new SutureError('data-invalid', `The input '${printable(name)}' was given no value.`);
      }
    }
    for (const name of Object.keys(inputs)) inputOf(this.#graph, name);
  }

  #source(name: string): Source {
    const source = this.#sources.get(name);
    if (!source) throw noSuch('output', name, this.#sources.keys());
    return source;
  }

  #assertUsable(): void {
    if (this.#disposed) throw new SutureError('device-error', 'The session was disposed of and cannot be used.');
    this.#device.assertHealthy();
  }
}

const sourceOf = (name: string, value: Value, buffer: GPUBuffer): Source => ({
  name,
  buffer,
  dtype: value.type.dtype,
  shape: sizesOf(value),
  bytes: bytesOnDevice(value),
});

function report(program: Program, { memory, lifetimes }: Layout, weights: number, state: number): MemoryReport {
  const activations = memory.buffers.reduce((a, b) => a + b, 0);
  const { peak } = memory;
  return {
    activations,
    weights,
    state,
    total: activations + weights + state,
    peak: peak && {
      bytes: peak.bytes,
      node: program.steps[Math.min(peak.step, program.steps.length - 1)]?.node ?? '',
      values: peak.living.map(i => ({ name: lifetimes[i].name, bytes: lifetimes[i].bytes })),
    },
  };
}
