import * as ort from 'onnxruntime-node';
import type { Graph } from '../../ir/graph.ts';
import { exportOnnx } from '../../ir/onnx/export.ts';
import { numbersOf, type Tensor } from '../../ir/tensor.ts';

export type Numbers = { readonly shape: readonly number[]; readonly data: Float64Array };

/** Runs a graph in ONNX Runtime, as it stands: the oracle for what passes emit. */
export async function session(graph: Graph) {
  const made = await ort.InferenceSession.create(exportOnnx(graph), {
    graphOptimizationLevel: 'disabled',
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  return async (feeds: Readonly<Record<string, Tensor>>): Promise<Record<string, Numbers>> => {
    const given = Object.fromEntries(
      Object.entries(feeds)
        .filter(([name]) => made.inputNames.includes(name))
        .map(([name, t]) => [name, new ort.Tensor(t.dtype as 'float32', t.data as Float32Array, t.shape)]),
    );
    const results = await made.run(given);
    return Object.fromEntries(
      Object.entries(results).map(([name, t]) => [
        name,
        { shape: t.dims, data: Float64Array.from(t.data as Float32Array, Number) },
      ]),
    );
  };
}

export const runOrt = async (graph: Graph, feeds: Readonly<Record<string, Tensor>>) => (await session(graph))(feeds);

/** A small generator of repeatable numbers in [0, 1): mulberry32. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The largest difference, relative to the largest magnitude expected. */
export function relativeError(got: ArrayLike<number>, want: ArrayLike<number>): number {
  let [difference, scale] = [0, 1e-12];
  for (let i = 0; i < want.length; i++) {
    difference = Math.max(difference, Math.abs(got[i] - want[i]));
    scale = Math.max(scale, Math.abs(want[i]));
  }
  return got.length === want.length && Number.isFinite(difference) ? difference / scale : Number.POSITIVE_INFINITY;
}

export const values = (t: Tensor): Float64Array => Float64Array.from(numbersOf(t));
