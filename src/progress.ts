/** How long work tells its caller how far it is, and how it is told to stop. */
import { SutureError } from '../ir/errors.ts';

export interface ProgressEvent {
  /** What is going on, in words: `training the stitches`. The same words until `done` is `total`. */
  readonly stage: string;
  readonly done: number;
  readonly total: number;
  /** A short remark that may change with every event: `loss 0.132`. */
  readonly note?: string;
}

/** What every long-running function of the API takes. */
export interface WorkOptions {
  readonly onProgress?: (event: ProgressEvent) => void;
  /** Ends the work at the next safe point with the error `interrupted`. */
  readonly signal?: AbortSignal;
}

/** The options that are passed on to a part of the work. */
export function workOptions({ onProgress, signal }: WorkOptions): WorkOptions {
  return { ...(onProgress && { onProgress }), ...(signal && { signal }) };
}

/** Throws `interrupted` when the work was told to stop. */
export function throwIfInterrupted(signal: AbortSignal | undefined, what = 'The work'): void {
  if (signal?.aborted) throw new SutureError('interrupted', `${what} was interrupted.`, { cause: signal.reason });
}
