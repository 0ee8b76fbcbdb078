import { printable, SutureError } from '../ir/errors.ts';
import type { Graph, Value } from '../ir/graph.ts';
import type { Tensor } from '../ir/tensor.ts';

export type ExecutorName = 'webgpu' | 'ort';

/** What turns graphs into numbers: WebGPU with generated kernels, or ONNX Runtime on the CPU. */
export interface Executor {
  readonly name: ExecutorName;
  /** One line for people: which adapter or library computes. */
  describe(): string;
  /**
   * Plans a graph: kernels, memory and the order of commands are fixed here, once, so that a run only runs. `webgpu` takes
   * graphs whose dims are all numbers; `ort` takes symbolic ones as well.
   *
   * @throws SutureError `kernel-missing` naming every node that the executor cannot run; `device-memory` when the plan does not
   *   fit the device.
   */
  prepare(graph: Graph, options?: PrepareOptions): Promise<Session>;
  /** Gives the device back. Sessions of this executor cannot be used afterwards. */
  dispose(): void;
}

export interface PrepareOptions {
  /**
   * Output name → input name: after each run the output becomes that input's value. It does not leave the device. The input is
   * resident: it needs a value from `resident` or `write` before the first run.
   */
  readonly carry?: ReadonlyMap<string, string>;
  /** Values that inputs have from the start and keep until they are written or carried. */
  readonly resident?: ReadonlyMap<string, Tensor>;
}

/** A planned graph. Runs follow each other in the order of the calls. */
export interface Session {
  /**
   * Runs once. `inputs` are uploaded; inputs that are resident may be left out. `fetch` names the outputs to read back, by
   * default all that are not carried. With nothing to fetch the call returns when the work is queued, a few runs ahead of the
   * device at most.
   *
   * @throws SutureError `data-invalid` for an input that is missing, unknown, or of another dtype or shape; `device-lost`.
   */
  run(inputs: Readonly<Record<string, Tensor>>, fetch?: readonly string[]): Promise<Record<string, Tensor>>;
  /** The current value of a resident input. */
  read(input: string): Promise<Tensor>;
  /** Sets the value of a resident input, for all runs that are called from now on. */
  write(input: string, value: Tensor): void;
  readonly memory: MemoryReport;
  /** Runs once and says where the time went; undefined where the executor cannot tell. */
  profile?(inputs: Readonly<Record<string, Tensor>>): Promise<Profile>;
  /** Gives the memory back. */
  dispose(): void;
}

/** Bytes on the device (`webgpu`), or as the same plan would need them (`ort` does not tell). */
export interface MemoryReport {
  /** What is allocated for values that live during a run only. */
  readonly activations: number;
  /** Constants of the graph. */
  readonly weights: number;
  /** Resident and other inputs, outputs, carried state. */
  readonly state: number;
  readonly total: number;
  /** The moment at which most activation memory is in use. */
  readonly peak: MemoryPeak | undefined;
}

export interface MemoryPeak {
  /** Bytes of the activations that live at this moment: no plan can do with less. */
  readonly bytes: number;
  /** The node that runs at this moment. */
  readonly node: string;
  /** The values that live then, largest first. */
  readonly values: readonly { readonly name: string; readonly bytes: number }[];
}

export interface Profile {
  /** Wall time of the whole run, in milliseconds. */
  readonly total: number;
  /** In the order of execution. */
  readonly kernels: readonly ProfiledKernel[];
}

export interface ProfiledKernel {
  readonly node: string;
  readonly op: string;
  /** The kernel that was picked, for people: `conv 3x3 tile 8x4`. */
  readonly kernel: string;
  readonly milliseconds: number;
}

/** The error for a name that a graph does not have. @param names those that it has. */
export function noSuch(what: 'input' | 'output', name: string, names: Iterable<string>): SutureError {
  const known = Array.from(names, n => printable(n)).join(', ');
  const text = `The graph has no ${what} '${printable(name)}'; its ${what}s are ${known}.`;
  return new SutureError('data-invalid', text);
}

/** @throws SutureError `data-invalid` where there is none of that name. */
export function inputOf({ inputs }: Graph, name: string): Value {
  const value = inputs.find(v => v.name === name);
  if (value) return value;
  throw noSuch(
    'input',
    name,
    inputs.map(v => v.name),
  );
}
