/**
 * The contract between kernels and the session that runs them. A kernel family is a function from a static specification
 * (numbers only: shapes, strides, options) to a `KernelPlan`: WGSL modules and the grids to dispatch them on. Kernels never touch
 * a device, so equal specifications give equal text, and equal text is one pipeline.
 */
import type { AdapterClass } from '../adapter/facts.ts';
import type { Module } from './module.ts';

/** A buffer that a dispatch binds: an operand of the kernel, or memory that the plan asks for. */
export interface Operand {
  readonly kind: 'input' | 'output' | 'scratch';
  readonly index: number;
}

/** One compute dispatch of the entry point `main`. All shapes are baked into the code. */
export interface Dispatch {
  /** For profiles: the kernel family and its shape, such as `conv 8x96x96 -> 8x96x96 k3x3`. */
  readonly label: string;
  readonly module: Module;
  readonly workgroups: readonly [x: number, y: number, z: number];
  /** The buffers in the order of their bindings in group 0. Each is bound whole, as storage. */
  readonly operands: readonly Operand[];
  /** Numbers that the code is given in a uniform buffer, whose binding follows the operands'. */
  readonly words?: Uint32Array<ArrayBuffer>;
  /**
   * The dispatch reads constants only (and what other such dispatches of the plan wrote): the session runs it once, when
   * it is built, and leaves it out of every run.
   */
  readonly once?: boolean;
  /** Multiplications with addition that the dispatch makes, for profiles; absent where they say nothing. */
  readonly macs?: number;
}

/** Memory that a plan needs beside its inputs and outputs. */
export interface Scratch {
  readonly bytes: number;
  /** `run`: free between runs, the memory plan may share it. `session`: written by `once` dispatches, kept for good. */
  readonly lifetime: 'run' | 'session';
}

/** How to compute one operator, or one group of fused operators. The dispatches run in order. */
export interface KernelPlan {
  readonly dispatches: readonly Dispatch[];
  readonly scratch: readonly Scratch[];
  /**
   * Outputs that are updates of an input: the kernel binds the output alone, and finds the input's elements in it. The
   * session lets both share memory where the input is not read again, and copies it beforehand where it is.
   */
  readonly inPlace?: readonly { readonly input: number; readonly output: number }[];
  /** What else would compute the same, where the plan is one of several. */
  readonly choice?: Choice;
}

/**
 * One of the sizes that a kernel comes in. Sizes differ in how the work is laid out over invocations and never in the order of a
 * sum, so that the numbers are the same whichever is taken.
 */
export interface Candidate {
  /** The sizes for people and for caches: `1x4x4 c4 w64`. */
  readonly name: string;
  readonly plan: () => KernelPlan;
}

/** A choice between candidates. */
export interface Choice {
  /** The family and its specification. Equal keys have equal candidates on an adapter. */
  readonly key: string;
  /** The candidate that was taken. */
  readonly name: string;
  /** Best first by the family's model of the adapter. */
  readonly candidates: readonly Candidate[];
}

/** The limits of a device that kernels heed. */
export interface KernelLimits {
  readonly maxComputeWorkgroupsPerDimension: number;
  readonly maxComputeInvocationsPerWorkgroup: number;
  readonly maxComputeWorkgroupStorageSize: number;
  readonly maxStorageBufferBindingSize: number;
  readonly maxStorageBuffersPerShaderStage: number;
}

/** What a kernel may know about where it runs, and what follows it. */
export interface KernelContext {
  readonly adapterClass: AdapterClass;
  readonly limits: KernelLimits;
  readonly features: ReadonlySet<string>;
  /** Smallest and largest subgroup where the device has subgroups, from the adapter's facts. */
  readonly subgroups?: { readonly min: number; readonly max: number } | undefined;
  /** The names of candidates that measurement preferred, by the keys of their choices. */
  readonly choices?: ReadonlyMap<string, string> | undefined;
  /** What is computed on each element before it is stored, in kernels of operators that have this trait. */
  readonly epilogue?: Epilogue | undefined;
}

/** Where in the output an epilogue stands. Every field is a WGSL expression of type `u32`. */
export interface OutputIndex {
  /** The flat index of the element in the output. */
  readonly flat: string;
  /** The element's index along axis 1, the channel axis (for a matrix product: the column). */
  readonly channel: string;
  /** The element's index along axis 0. */
  readonly batch: string;
}

/**
 * Scalar work on each output element between its computation and its store: the fused consumers of a kernel.
 * The extra inputs follow the kernel's own: input `base + i` of the plan, where `base` is the kernel's own input count.
 */
export interface Epilogue {
  /** WGSL element types of the extra inputs, in order. */
  readonly inputs: readonly ('f32' | 'i32' | 'u32')[];
  /** Module-scope WGSL that the body needs: helper functions, constants. */
  readonly declarations?: string;
  /**
   * Emits the work on one element.
   *
   * @param value an expression (an identifier) of type `f32`: the computed element.
   * @param at where the element stands.
   * @param input gives the array name of extra input `i`, to be indexed with a `u32`.
   * @returns statements (each ended by `;`) and the expression that is stored. Statements live in a block of their own.
   */
  emit(
    value: string,
    at: OutputIndex,
    input: (i: number) => string,
  ): { readonly statements?: string; readonly result: string };
}
