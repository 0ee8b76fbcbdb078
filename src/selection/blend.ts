/** Two parents' outputs blended on the host: what a setting's outputs are at any weight, computed from one run of it. */
import { numbersOf, type Tensor } from '../../ir/index.ts';
import { gateSmoothing, type OutputMean } from '../../passes/index.ts';
import type { Metric } from '../metrics/metric.ts';
import { classOutputs, type OutputKind, toProbabilities } from '../scoring.ts';

/** Both parents' outputs of a batch, in the space that they are averaged in. */
export interface BlendedBatch {
  readonly a: ArrayLike<number>;
  readonly b: ArrayLike<number>;
  readonly shape: readonly number[];
  /** What a blend of them is. */
  readonly kind: OutputKind;
}

/** Brings outputs into the space of their mean; `kind` says what the networks return. */
export function blendable(a: Tensor, b: Tensor, mean: OutputMean, kind: OutputKind): BlendedBatch {
  const { shape } = a;
  return mean === 'plain'
    ? { a: numbersOf(a), b: numbersOf(b), shape, kind }
    : { a: toProbabilities(a), b: toProbabilities(b), shape, kind: 'probabilities' };
}

/** Adds `share · a + (1 - share) · b` to a metric. */
export function scoreBlend(metric: Metric, { a, b, shape, kind }: BlendedBatch, share: number, first: number): void {
  const data = new Float32Array(a.length);
  for (let i = 0; i < data.length; i++) data[i] = share * a[i]! + (1 - share) * b[i]!;
  const output = classOutputs({ dtype: 'float32', shape, data }, kind);
  metric.add({ data: numbersOf(output), shape: output.shape }, first);
}

/**
 * How much the parents disagree on each image of a batch: `1 - (2·Σ pq + 1) / (Σ p² + Σ q² + 1)` over the pixels and the
 * foreground classes. What the gate of `settleGated` computes in the graph.
 */
export function disagreements({ a, b, shape }: BlendedBatch): readonly number[] {
  const [count, channels] = shape as [number, number, ...number[]];
  const size = a.length / count;
  const background = channels === 1 ? 0 : size / channels;
  return Array.from({ length: count }, (_, image) => {
    let shared = 0;
    let sizes = 0;
    for (let i = image * size + background; i < (image + 1) * size; i++) {
      const [p, q] = [a[i]!, b[i]!];
      shared += p * q;
      sizes += p * p + q * q;
    }
    return 1 - (2 * shared + gateSmoothing) / (sizes + gateSmoothing);
  });
}

/** The value below which the share `q` of all values lies, the largest for 1, rounded up to four digits. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((x, y) => x - y);
  const at = Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1));
  return Math.ceil(sorted[at]! * 1e4) / 1e4;
}
