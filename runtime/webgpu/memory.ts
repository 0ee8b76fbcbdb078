/**
 * The memory plan: which values and scratch areas share a buffer. Everything is known before the first run, so nothing is
 * allocated during one.
 *
 * Values are assigned to buffers largest first, each to the first buffer that is free for as long as the value lives (greedy
 * by size: Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference", arXiv 2001.03288). Buffers and not
 * offsets in one arena, because WebGPU forbids a dispatch to read and write the same buffer, wherever in it.
 */

/** Something that lives from one step to another. */
export interface Lifetime {
  readonly name: string;
  readonly bytes: number;
  /** The step that writes it first. */
  readonly from: number;
  /** The last step that reads it; the number of steps where it must outlast them all. */
  readonly to: number;
}

export interface MemoryPlan {
  /** Bytes of each shared buffer. */
  readonly buffers: readonly number[];
  /** The buffer of each lifetime, in the order given. */
  readonly assignment: readonly number[];
  readonly peak: Peak | undefined;
}

export interface Peak {
  readonly step: number;
  readonly bytes: number;
  /** Indices into the lifetimes, largest first. */
  readonly living: readonly number[];
}

const overlap = (a: Lifetime, b: Lifetime): boolean => a.from <= b.to && b.from <= a.to;

/** Assigns lifetimes to shared buffers. */
export function planMemory(lifetimes: readonly Lifetime[], steps: number): MemoryPlan {
  const order = lifetimes.map((_, i) => i).sort((a, b) => lifetimes[b].bytes - lifetimes[a].bytes || a - b);
  const buffers: { bytes: number; tenants: Lifetime[] }[] = [];
  const assignment = Array<number>(lifetimes.length).fill(-1);
  for (const i of order) {
    const lifetime = lifetimes[i];
    let best = -1;
    let gap = Number.POSITIVE_INFINITY;
    for (const [k, buffer] of buffers.entries()) {
      if (buffer.tenants.some(tenant => overlap(tenant, lifetime))) continue;
      // Of the free ones, all large enough, the one whose neighbours in time are nearest: that leaves the others longer stretches.
      const distance = Math.min(
        ...buffer.tenants.map(t => (t.to < lifetime.from ? lifetime.from - t.to : t.from - lifetime.to)),
      );
      if (distance < gap) [best, gap] = [k, distance];
    }
    if (best < 0) best = buffers.push({ bytes: lifetime.bytes, tenants: [] }) - 1;
    buffers[best].tenants.push(lifetime);
    assignment[i] = best;
  }
  return { buffers: buffers.map(b => b.bytes), assignment, peak: peakOf(lifetimes, steps) };
}

/** The step at which most bytes live: a lower bound of every plan. */
function peakOf(lifetimes: readonly Lifetime[], steps: number): Peak | undefined {
  const change = Array<number>(steps + 2).fill(0);
  for (const { bytes, from, to } of lifetimes) {
    change[from] += bytes;
    change[to + 1] -= bytes;
  }
  let sum = 0;
  let best = { step: -1, bytes: 0 };
  for (let step = 0; step <= steps; step++) {
    sum += change[step];
    if (sum > best.bytes) best = { step, bytes: sum };
  }
  if (best.step < 0) return undefined;
  const living = lifetimes
    .map((_, i) => i)
    .filter(i => lifetimes[i].from <= best.step && lifetimes[i].to >= best.step)
    .sort((a, b) => lifetimes[b].bytes - lifetimes[a].bytes);
  return { ...best, living };
}
