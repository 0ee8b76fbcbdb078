import { product } from '../numbers.ts';
import { normalizeAxis } from '../operator.ts';
import type { normalization } from '../ops/normalization.ts';
import { type Tensor, tensorFromNumbers } from '../tensor.ts';
import { broadcastStrides, offsets } from './layout.ts';
import { exactNumbers, result } from './numbers.ts';
import { alongLines, groupsOf } from './reduction.ts';
import type { EvaluationRules, StaticType } from './rule.ts';

/**
 * Normalises runs of `length` consecutive elements to mean 0 and variance 1, then scales and shifts element `i` by
 * `scale(i)` and `shift(i)`.
 */
function normalizeRuns(
  x: Tensor,
  output: StaticType,
  length: number,
  epsilon: number,
  scale: (i: number) => number,
  shift: (i: number) => number,
): readonly Tensor[] | undefined {
  const values = exactNumbers(x);
  if (!values) return undefined;
  const done = new Float64Array(values.length);
  for (let start = 0; start < values.length; start += length) {
    const { mean, variance } = momentsOf(Array.from({ length }, (_, i) => values[start + i]));
    const factor = 1 / Math.sqrt(variance + epsilon);
    for (let i = start; i < start + length; i++) done[i] = (values[i] - mean) * factor * scale(i) + shift(i);
  }
  return result(output, done);
}

function momentsOf(run: readonly number[]): { readonly mean: number; readonly variance: number } {
  const mean = run.reduce((a, v) => a + v, 0) / run.length;
  return { mean, variance: run.reduce((a, v) => a + (v - mean) ** 2, 0) / run.length };
}

/** The elements in runs of `length`. */
function runsOf(x: Tensor, length: number): number[][] | undefined {
  const values = exactNumbers(x);
  return (
    values &&
    Array.from({ length: values.length / length }, (_, r) => Array.from({ length }, (_v, i) => values[r * length + i]))
  );
}

/** The element of a parameter over the inner axes that an element uses; it may have to be broadcast over them. */
function innerReader(inner: readonly number[], parameter: Tensor | undefined, absent: number): (i: number) => number {
  const values = parameter && exactNumbers(parameter);
  if (!values) return () => absent;
  const from = offsets(inner, broadcastStrides(parameter.shape, inner));
  return i => values[from[i % from.length]];
}

/** The element of a per-channel parameter that element `i` of x uses. */
function channelReader(x: Tensor, parameter: Tensor | undefined, absent: number): (i: number) => number {
  const values = parameter && exactNumbers(parameter);
  const [channels, plane] = [x.shape[1], product(x.shape.slice(2))];
  return values ? i => values[Math.floor(i / plane) % channels] : () => absent;
}

/** Normalisations, in double precision, rounded once. */
export const normalizationRules: EvaluationRules<keyof typeof normalization> = {
  BatchNormalization([x, scale, b, mean, variance], { epsilon }, [output]) {
    const values = exactNumbers(x!);
    if (!values) return undefined;
    const [s, t, m, v] = [scale, b, mean, variance].map(p => channelReader(x!, p, 0));
    return result(
      output,
      Float64Array.from(values, (value, i) => ((value - m(i)) / Math.sqrt(v(i) + epsilon)) * s(i) + t(i)),
    );
  },

  InstanceNormalization: ([x, scale, b], { epsilon }, [output]) =>
    normalizeRuns(
      x!,
      output,
      product(x!.shape.slice(2)),
      epsilon,
      channelReader(x!, scale, 1),
      channelReader(x!, b, 0),
    ),

  GroupNormalization: ([x, scale, bias], { epsilon, num_groups }, [output]) =>
    normalizeRuns(
      x!,
      output,
      product(x!.shape.slice(1)) / num_groups,
      epsilon,
      channelReader(x!, scale, 1),
      channelReader(x!, bias, 0),
    ),

  LayerNormalization([x, scale, b], { axis, epsilon }, [output, ...statistics]) {
    const inner = x!.shape.slice(normalizeAxis(axis, x!.shape.length));
    const normal = normalizeRuns(
      x!,
      output,
      product(inner),
      epsilon,
      innerReader(inner, scale, 1),
      innerReader(inner, b, 0),
    );
    const runs = runsOf(x!, product(inner));
    if (!normal || !runs) return undefined;
    const moments = runs.map(momentsOf);
    const columns = [moments.map(m => m.mean), moments.map(m => 1 / Math.sqrt(m.variance + epsilon))];
    return [...normal, ...statistics.map(({ dtype, shape }, i) => tensorFromNumbers(dtype, shape, columns[i]))];
  },

  RMSNormalization([x, scale], { axis, epsilon }, [output]) {
    const inner = x!.shape.slice(normalizeAxis(axis, x!.shape.length));
    const factor = innerReader(inner, scale, 1);
    const runs = runsOf(x!, product(inner));
    return (
      runs &&
      result(
        output,
        Float64Array.from(
          runs.flatMap(run => {
            const root = Math.sqrt(run.reduce((a, v) => a + v * v, 0) / run.length + epsilon);
            return run.map((v, i) => (v / root) * factor(i));
          }),
        ),
      )
    );
  },

  LRN([x], { alpha, beta, bias, size }, [output]) {
    const [before, after] = [Math.floor((size - 1) / 2), Math.ceil((size - 1) / 2)];
    return alongLines(x!, 1, output, line =>
      line.map((v, c) => {
        const near = line.slice(Math.max(0, c - before), c + after + 1);
        return v / (bias + (alpha / size) * near.reduce((a, w) => a + w * w, 0)) ** beta;
      }),
    );
  },

  LpNormalization: ([x], { axis, p }, [output]) =>
    alongLines(x!, axis, output, line => {
      const norm = p === 1 ? line.reduce((a, v) => a + Math.abs(v), 0) : Math.sqrt(line.reduce((a, v) => a + v * v, 0));
      // A line of zeros stays one.
      return norm === 0 ? line : line.map(v => v / norm);
    }),

  /** ONNX's function body has no epsilon under the root but adds 1e-9 to the deviation. */
  MeanVarianceNormalization([x], { axes }, [output]) {
    const values = exactNumbers(x!);
    if (!values) return undefined;
    const rank = x!.shape.length;
    const over = axes.map(a => normalizeAxis(a, rank));
    const { inner, bases } = groupsOf(x!, over);
    const done = new Float64Array(values.length);
    for (const base of bases) {
      const { mean, variance } = momentsOf(Array.from(inner, o => values[base + o]));
      for (const o of inner) done[base + o] = (values[base + o] - mean) / (Math.sqrt(variance) + 1e-9);
    }
    return result(output, done);
  },
};
