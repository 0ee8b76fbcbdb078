/** What the benchmarks share: time by the clock beside processor time, medians, and inputs that can be made again. */

/** Of one piece of work, in milliseconds. Processor time is of all threads of the process, a software adapter's included. */
export interface Spent {
  readonly milliseconds: number;
  readonly processor: number;
}

/** Milliseconds of several runs, sorted: by the clock, and of processor time, which other work on the machine disturbs less. */
export interface Timing {
  readonly wall: readonly number[];
  readonly processor: readonly number[];
}

export function median(sorted: readonly number[]): number {
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export async function timed<T>(work: () => Promise<T>): Promise<Spent & { readonly value: T }> {
  const before = process.cpuUsage();
  const start = performance.now();
  const value = await work();
  const milliseconds = performance.now() - start;
  const { user, system } = process.cpuUsage(before);
  return { value, milliseconds, processor: (user + system) / 1000 };
}

export function timingOf(runs: readonly Spent[]): Timing {
  const sorted = (of: (run: Spent) => number) => runs.map(of).sort((a, b) => a - b);
  return { wall: sorted(run => run.milliseconds), processor: sorted(run => run.processor) };
}

/** How many times as long the first takes as the second, by medians. */
export const ratioOf = (slow: Timing, fast: Timing): { readonly wall: number; readonly processor: number } => ({
  wall: median(slow.wall) / median(fast.wall),
  processor: median(slow.processor) / median(fast.processor),
});

/** A line of a result: medians, the range, the first run. */
export const timingText = (name: string, { wall, processor }: Timing, first: number): string =>
  `  ${name.padEnd(20)} ${median(wall).toFixed(1).padStart(9)} ms (${wall[0].toFixed(1)} to ${wall.at(-1)!.toFixed(1)}), ` +
  `${median(processor).toFixed(1).padStart(9)} ms of processor time, first run ${(first / 1000).toFixed(1)} s`;

/** Reproducible numbers that look like normalised images to a network: mean 0, variance 1. */
export function noise(length: number, seed = 1): Float32Array {
  let state = seed;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return Float32Array.from({ length }, () => Math.sqrt(12) * (uniform() - 0.5));
}
