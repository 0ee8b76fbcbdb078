/** How long work tells its caller how far it is, and how it is told to stop. */
import { SutureError } from '../../ir/errors.ts';
import type { Steps } from '../../passes/index.ts';
import type { Executor } from '../../runtime/executor.ts';

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
  readonly onProgress?: ((event: ProgressEvent) => void) | undefined;
  /** Ends the work at the next safe point with the error `interrupted`. */
  readonly signal?: AbortSignal | undefined;
}

/** What all work on data is given: what computes, whom to tell how far it is, and what may stop it. */
export interface Execution extends WorkOptions {
  readonly executor: Executor;
}

/** What every training takes besides. */
export interface TrainingWork extends WorkOptions {
  /** Seconds from one checkpoint to the next, 20 without; 0 writes one after every step. */
  readonly checkpointSeconds?: number | undefined;
}

/** What a training is given. */
export interface TrainingExecution extends Execution, TrainingWork {
  /** The command that goes on with it, where it is a part of other work, as a student's is. Default: that of its kind. */
  readonly resume?: string | undefined;
}

/** Hands an executor to some work, where the work turns out to need one. */
export type Opening = <T>(work: (executor: Executor) => Promise<T>) => Promise<T>;

/** The options that are passed on to a part of the work. */
export const workOptions = ({ onProgress, signal }: WorkOptions): WorkOptions => ({ onProgress, signal });

/** Throws `interrupted` when the work was told to stop. */
export function throwIfInterrupted(signal: AbortSignal | undefined, what = 'The work'): void {
  if (signal?.aborted) throw new SutureError('interrupted', `${what} was interrupted.`, { cause: signal.reason });
}

/** How long work in this thread may go on before others have their turn, in milliseconds: signals, timers, the progress on the screen. */
const turn = 50;

/**
 * Does work that computes in this thread, and lets the event loop go round between its steps. `onDone` is told now and then how much is
 * done, as the work counts it.
 *
 * @throws SutureError `interrupted`.
 */
export async function inTurns<T>(
  steps: Steps<T>,
  signal: AbortSignal | undefined,
  what: string,
  onDone?: (done: number) => void,
): Promise<T> {
  let done = 0;
  let since = performance.now();
  for (;;) {
    const next = steps.next();
    if (next.done) return next.value;
    done += next.value;
    if (performance.now() - since < turn) continue;
    onDone?.(done);
    await new Promise(resolve => setTimeout(resolve));
    throwIfInterrupted(signal, what);
    since = performance.now();
  }
}
