/** ONNX Runtime on the CPU behind the executor's interface: the graph is exported, our own operators as functions. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-common';
import { printable, SutureError } from '../../ir/errors.ts';
import type { Graph } from '../../ir/graph.ts';
import { exportModel } from '../../ir/onnx/export.ts';
import { writeModelFile } from '../../ir/onnx/file.ts';
import { encodeModel } from '../../ir/onnx/proto/codec.ts';
import type { MessageInit } from '../../ir/onnx/proto/schema.ts';
import { type Tensor, type TensorData, tensor } from '../../ir/tensor.ts';
import { bytesPerElement, staticShape, type TensorType, typeText } from '../../ir/type.ts';
import { type Executor, inputOf, type MemoryReport, noSuch, type PrepareOptions, type Session } from '../executor.ts';
import { onnxRuntime } from './onnxruntime.ts';
import { idleRewrites } from './rewrites.ts';
import { detachWeights } from './weights.ts';

export interface OrtOptions {
  /** Threads of one operator. Default: what `SUTURE_THREADS` says, else as many as ONNX Runtime finds cores. */
  readonly threads?: number;
}

/** @throws SutureError `option-invalid` for `SUTURE_THREADS` that is no count. */
function threadsOf({ threads }: OrtOptions): number | undefined {
  const stated = process.env.SUTURE_THREADS;
  if (threads !== undefined || stated === undefined || stated === '') return threads;
  const count = Number(stated);
  if (Number.isInteger(count) && count > 0) return count;
  throw new SutureError(
    'option-invalid',
    `SUTURE_THREADS is "${printable(stated)}"; it must be a number of threads, such as 4.`,
  );
}

/** A file cannot hold more; below it the model is handed over in memory. */
const largestMessage = 2 ** 31 - 2 ** 24;

type Feeds = Record<string, OrtTensor>;

function toOrt(t: Tensor): OrtTensor {
  if (t.dtype === 'bfloat16') {
    throw new SutureError('kernel-missing', 'ONNX Runtime takes no bfloat16 from Node; convert the model to float32.');
  }
  return new (onnxRuntime().Tensor)(t.dtype, t.data as Float32Array, [...t.shape]);
}

function fromOrt(t: OrtTensor, like: TensorType): Tensor {
  const data = t.data as unknown as TensorData;
  // Float16Array, where Node has it, views the bits that the IR keeps.
  const bits =
    like.dtype === 'float16' && !(data instanceof Uint16Array)
      ? new Uint16Array(data.buffer, data.byteOffset, data.length)
      : data;
  const own =
    like.dtype === 'bool' && !(bits instanceof Uint8Array) ? Uint8Array.from(bits as ArrayLike<number>) : bits;
  return tensor(like.dtype, [...t.dims], own as never);
}

const weightBytes = (graph: Graph): number =>
  graph.constants().reduce((sum, { constant }) => sum + constant.data.byteLength, 0);

interface Opened {
  readonly session: InferenceSession;
  /** What it is fed in every run, beside the graph's inputs. */
  readonly weights: Feeds;
}

async function open(graph: Graph, options: OrtOptions): Promise<Opened> {
  const { model, weights } = detachWeights(exportModel(graph));
  const fed: Feeds = {};
  for (const { name, rawData, dims } of weights) {
    const { buffer, byteOffset, byteLength } = rawData!;
    const data = new Float32Array(buffer, byteOffset, byteLength / Float32Array.BYTES_PER_ELEMENT);
    fed[name!] = new (onnxRuntime().Tensor)('float32', data, dims!.map(Number));
  }
  return { session: await create(model, options), weights: fed };
}

async function create(model: MessageInit<'ModelProto'>, options: OrtOptions): Promise<InferenceSession> {
  const sessionOptions: InferenceSession.SessionOptions = {
    executionProviders: ['cpu'],
    graphOptimizationLevel: 'all',
    logSeverityLevel: 4,
    extra: { optimization: { disable_specified_optimizers: idleRewrites(model).join(';') } },
    ...(options.threads === undefined ? {} : { intraOpNumThreads: options.threads }),
  };
  const held = (model.graph?.initializer ?? []).reduce((sum, { rawData }) => sum + (rawData?.byteLength ?? 0), 0);
  if (held < largestMessage) return onnxRuntime().InferenceSession.create(encodeModel(model), sessionOptions);
  const directory = await mkdtemp(join(tmpdir(), 'suture-ort-'));
  try {
    const path = join(directory, 'model.onnx');
    writeModelFile(path, model);
    return await onnxRuntime().InferenceSession.create(path, sessionOptions);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

class OrtSession implements Session {
  readonly memory: MemoryReport;
  /** Is called when the session is disposed of. */
  onDisposed: (() => void) | undefined;
  readonly #session: InferenceSession;
  readonly #weights: Feeds;
  readonly #graph: Graph;
  readonly #carry: ReadonlyMap<string, string>;
  readonly #resident: ReadonlySet<string>;
  readonly #state = new Map<string, OrtTensor>();
  #running: Promise<unknown> = Promise.resolve();
  #disposed = false;

  constructor({ session, weights: fed }: Opened, graph: Graph, options: PrepareOptions) {
    this.#session = session;
    this.#weights = fed;
    this.#graph = graph;
    this.#carry = options.carry ?? new Map();
    this.#resident = new Set([...this.#carry.values(), ...(options.resident?.keys() ?? [])]);
    for (const [name, value] of options.resident ?? []) this.write(name, value);
    const state = graph.inputs.reduce((sum, { type }) => sum + bytes(type), 0);
    const weights = weightBytes(graph);
    // ONNX Runtime does not say what its arena holds.
    this.memory = { activations: 0, weights, state, total: weights + state, peak: undefined };
  }

  async run(
    inputs: Readonly<Record<string, Tensor>>,
    fetch: readonly string[] = this.#graph.outputs.map(o => o.name).filter(name => !this.#carry.has(name)),
  ): Promise<Record<string, Tensor>> {
    this.#assertUsable();
    const given = new Map(Object.entries(inputs).map(([name, t]) => [name, this.#checked(name, t)]));
    const names = new Set(this.#graph.outputs.map(o => o.name));
    for (const name of fetch) if (!names.has(name)) throw noSuch('output', name, names);
    const earlier = this.#running;
    const work = (async () => {
      await earlier;
      return this.#step(given, fetch);
    })();
    this.#running = work.catch(() => undefined);
    return work;
  }

  async #step(given: ReadonlyMap<string, OrtTensor>, fetch: readonly string[]): Promise<Record<string, Tensor>> {
    const feeds: Feeds = { ...this.#weights };
    for (const { name } of this.#graph.inputs) {
      const value = given.get(name) ?? (this.#resident.has(name) ? this.#state.get(name) : undefined);
      if (!value) throw new SutureError('data-invalid', `The input '${printable(name)}' was given no value.`);
      if (this.#resident.has(name)) this.#state.set(name, value);
      // ONNX Runtime does not know inputs that no node reads.
      if (this.#session.inputNames.includes(name)) feeds[name] = value;
    }
    const wanted = [...new Set([...fetch, ...this.#carry.keys()])];
    const results = await this.#session.run(feeds, wanted).catch((cause: unknown) => {
      throw runError(cause, this.#graph);
    });
    for (const [output, input] of this.#carry) this.#state.set(input, results[output] as OrtTensor);
    return Object.fromEntries(
      fetch.map(name => [name, fromOrt(results[name] as OrtTensor, this.#graph.output(name).type)]),
    );
  }

  async read(input: string): Promise<Tensor> {
    this.#assertUsable();
    const { type } = inputOf(this.#graph, input);
    await this.#running;
    const value = this.#state.get(input);
    if (!value) throw new SutureError('data-invalid', `The input '${printable(input)}' has no value yet.`);
    return fromOrt(value, type);
  }

  write(input: string, value: Tensor): void {
    this.#assertUsable();
    const checked = this.#checked(input, value);
    // Runs that were called before must not see it.
    this.#running = this.#running.then(() => this.#state.set(input, checked));
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.onDisposed?.();
    void this.#running.then(() => this.#session.release());
  }

  #checked(name: string, value: Tensor): OrtTensor {
    const { type } = inputOf(this.#graph, name);
    const fits =
      value.dtype === type.dtype &&
      value.shape.length === type.shape.length &&
      type.shape.every((dim, i) => typeof dim !== 'number' || dim === value.shape[i]);
    if (fits) return toOrt(value);
    throw new SutureError(
      'data-invalid',
      `The input '${printable(name)}' is ${typeText(type)}, and ${typeText(value)} was given for it.`,
    );
  }

  #assertUsable(): void {
    if (this.#disposed) throw new SutureError('option-invalid', 'The session was disposed of and cannot be used.');
  }
}

/** What ONNX Runtime says when a run fails: an allocation, or a kernel that finds its operands wrong. */
function runError(cause: unknown, graph: Graph): SutureError {
  const reason = printable(cause instanceof Error ? cause.message : String(cause), 400);
  const where = `the graph '${printable(graph.name)}'`;
  return /failed to allocate|bad_alloc|out of memory/i.test(reason)
    ? new SutureError('device-memory', `ONNX Runtime ran out of memory on ${where}; use a smaller batch: ${reason}`, {
        cause,
      })
    : new SutureError('device-error', `ONNX Runtime failed on ${where}: ${reason}`, { cause });
}

const bytes = ({ dtype, shape }: TensorType): number =>
  (staticShape(shape)?.reduce((a, b) => a * b, 1) ?? 0) * bytesPerElement[dtype];

class OrtExecutor implements Executor {
  readonly name = 'ort';
  readonly #options: OrtOptions;
  readonly #sessions = new Set<OrtSession>();

  constructor(options: OrtOptions) {
    const threads = threadsOf(options);
    this.#options = threads === undefined ? {} : { threads };
  }

  describe(): string {
    const { threads } = this.#options;
    return `ONNX Runtime on the CPU${threads === undefined ? '' : ` (${threads} thread${threads === 1 ? '' : 's'})`}`;
  }

  async prepare(graph: Graph, options: PrepareOptions = {}): Promise<Session> {
    let opened: Opened;
    try {
      opened = await open(graph, this.#options);
    } catch (cause) {
      if (cause instanceof SutureError) throw cause;
      const reason = printable(cause instanceof Error ? cause.message : String(cause), 400);
      throw new SutureError('kernel-missing', `ONNX Runtime refuses the graph '${printable(graph.name)}': ${reason}`, {
        cause,
      });
    }
    const prepared = new OrtSession(opened, graph, options);
    // Whoever goes through many graphs need not keep them all, with their weights, until the end.
    prepared.onDisposed = () => this.#sessions.delete(prepared);
    this.#sessions.add(prepared);
    return prepared;
  }

  dispose(): void {
    for (const session of this.#sessions) session.dispose();
    this.#sessions.clear();
  }
}

/** Computes with ONNX Runtime on the CPU. */
export const createOrtExecutor = (options: OrtOptions = {}): Executor => new OrtExecutor(options);
