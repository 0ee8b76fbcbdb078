/** Where the time of graphs goes, by kernel: what `--profile` shows. */
import type { Graph, Tensor } from '../../ir/index.ts';
import type { Executor, PrepareOptions, Profile, Session } from '../../runtime/executor.ts';

/** One run of a prepared graph, measured by kernel after all other work was done. */
export interface GraphProfile {
  readonly graph: string;
  /** Undefined where the executor cannot tell: ONNX Runtime does not. */
  readonly profile: Profile | undefined;
}

/** Time of equal kernels: same operator, same shape. */
export interface KernelTime {
  readonly kernel: string;
  readonly count: number;
  readonly milliseconds: number;
}

interface Watched {
  readonly graph: string;
  readonly session: Session;
  /** What the session ran on last. */
  inputs: Readonly<Record<string, Tensor>> | undefined;
}

/**
 * An executor whose sessions stay open until `finish`, which runs each that was used once more, on the inputs it had last, and
 * measures it. The extra run changes resident values, so it comes after everything that reads them.
 */
export class ProfilingExecutor implements Executor {
  readonly #executor: Executor;
  readonly #watched: Watched[] = [];

  constructor(executor: Executor) {
    this.#executor = executor;
  }

  get name(): Executor['name'] {
    return this.#executor.name;
  }

  describe(): string {
    return this.#executor.describe();
  }

  async prepare(graph: Graph, options?: PrepareOptions): Promise<Session> {
    const session = await this.#executor.prepare(graph, options);
    const watched: Watched = { graph: graph.name, session, inputs: undefined };
    this.#watched.push(watched);
    return {
      run: (inputs, fetch) => {
        watched.inputs = inputs;
        return session.run(inputs, fetch);
      },
      read: input => session.read(input),
      write: (input, value) => session.write(input, value),
      memory: session.memory,
      dispose: () => undefined,
    };
  }

  /** Measures the sessions that were used and gives their memory back. */
  async finish(): Promise<readonly GraphProfile[]> {
    const profiles: GraphProfile[] = [];
    for (const { graph, session, inputs } of this.#watched) {
      if (inputs) profiles.push({ graph, profile: await session.profile?.(inputs) });
      session.dispose();
    }
    this.#watched.length = 0;
    return profiles;
  }

  dispose(): void {
    this.#executor.dispose();
  }
}

/** The kernels of a profile, equal ones added up, slowest first. */
export function kernelTimes({ kernels }: Profile): readonly KernelTime[] {
  const times = new Map<string, { kernel: string; count: number; milliseconds: number }>();
  for (const { kernel, milliseconds } of kernels) {
    const entry = times.get(kernel) ?? { kernel, count: 0, milliseconds: 0 };
    entry.count++;
    entry.milliseconds += milliseconds;
    times.set(kernel, entry);
  }
  return [...times.values()].sort((a, b) => b.milliseconds - a.milliseconds);
}
