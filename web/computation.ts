/** The worker as the page sees it: a promise for each request. */
import type { MetricsEntry, ProgressEvent } from '../src/web/index.ts';
import type { Asked, Kind, Problem, Requests, Told } from './messages.ts';
// Of a blob of this page, so that it is under the page's policy: nothing is fetched and nothing is sent.
import ComputationWorker from './worker.ts?worker&inline';

/** What the worker could not do. */
export class ComputationError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.message);
    this.problem = problem;
  }
}

interface Waiting {
  readonly resolve: (answer: Requests[Kind]['answer']) => void;
  readonly reject: (error: ComputationError) => void;
}

export class Computation {
  readonly #worker: Worker = new ComputationWorker();
  readonly #waiting = new Map<number, Waiting>();
  #count = 0;
  onProgress: (event: ProgressEvent) => void = () => {};
  onMetrics: (entry: MetricsEntry) => void = () => {};

  constructor() {
    this.#worker.onmessage = ({ data }: MessageEvent<Told>) => this.#take(data);
    // A worker that does not even start answers nothing.
    this.#worker.onerror = ({ message }) => {
      for (const id of this.#waiting.keys()) {
        this.#take({ kind: 'problem', id, problem: { message, details: [], isInterruption: false } });
      }
    };
  }

  /** @throws ComputationError */
  ask<K extends Kind>(kind: K, ask: Requests[K]['ask']): Promise<Requests[K]['answer']> {
    const id = this.#count++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as Waiting['resolve'], reject });
      this.#worker.postMessage({ kind, id, ask } as Asked);
    });
  }

  /** Ends what is being done at its next safe point. */
  stop(): void {
    this.#worker.postMessage({ kind: 'stop' } satisfies Asked);
  }

  #take(told: Told): void {
    if (told.kind === 'progress') this.onProgress(told.event);
    else if (told.kind === 'metrics') this.onMetrics(told.entry);
    else {
      const waiting = this.#waiting.get(told.id);
      this.#waiting.delete(told.id);
      if (told.kind === 'answer') waiting?.resolve(told.answer);
      else waiting?.reject(new ComputationError(told.problem));
    }
  }
}
