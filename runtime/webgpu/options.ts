/** What one may ask of WebGPU. Public, so that nothing here wants WebGPU's own types, which are those of a browser. */
import type { AdapterClass, AdapterOptions } from '../adapter/facts.ts';

/** Takes how many of the choices of a graph are made, and which one is next. */
export type TuningProgress = (done: number, total: number, kernel: string) => void;

export interface WebgpuOptions extends AdapterOptions {
  /** Generates the code of this class of adapter, whatever the adapter is: for tests of the other class's kernels. */
  readonly kernels?: AdapterClass;
  /**
   * Measures the sizes that kernels may have, before a graph is prepared, where that was not done on this adapter before. What is
   * found is kept in the user's cache directory and serves every later session, with this option or without.
   */
  readonly tune?: boolean;
  /** Takes how far the measuring of a graph's kernels is. */
  readonly onTuning?: TuningProgress;
}
