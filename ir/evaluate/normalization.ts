import { normalizeAxis } from '../operator.ts';
import type { Tensor } from '../tensor.ts';
import { broadcastStrides, countOf, offsets } from './layout.ts';
import { exactNumbers, result } from './numbers.ts';
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
    let mean = 0;
    for (let i = 0; i < length; i++) mean += values[start + i] / length;
    let variance = 0;
    for (let i = 0; i < length; i++) variance += (values[start + i] - mean) ** 2 / length;
    const factor = 1 / Math.sqrt(variance + epsilon);
    for (let i = start; i < start + length; i++) done[i] = (values[i] - mean) * factor * scale(i) + shift(i);
  }
  return result(output, done);
}

/** The element of a per-channel parameter that element `i` of x uses. */
function channelReader(x: Tensor, parameter: Tensor | undefined, absent: number): (i: number) => number {
  const values = parameter && exactNumbers(parameter);
  const [channels, plane] = [x.shape[1], countOf(x.shape.slice(2))];
  return values ? i => values[Math.floor(i / plane) % channels] : () => absent;
}

/** Normalisations, in double precision, rounded once. */
export const normalizationRules: EvaluationRules = {
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
      countOf(x!.shape.slice(2)),
      epsilon,
      channelReader(x!, scale, 1),
      channelReader(x!, b, 0),
    ),

  GroupNormalization: ([x, scale, bias], { epsilon, num_groups }, [output]) =>
    normalizeRuns(
      x!,
      output,
      countOf(x!.shape.slice(1)) / num_groups,
      epsilon,
      channelReader(x!, scale, 1),
      channelReader(x!, bias, 0),
    ),

  LayerNormalization([x, scale, b], { axis, epsilon }, outputs) {
    if (outputs.length > 1) return undefined;
    const inner = x!.shape.slice(normalizeAxis(axis, x!.shape.length));
    const reader = (parameter: Tensor | undefined, absent: number): ((i: number) => number) => {
      const values = parameter && exactNumbers(parameter);
      if (!values) return () => absent;
      const from = offsets(inner, broadcastStrides(parameter.shape, inner));
      return i => values[from[i % from.length]];
    };
    return normalizeRuns(x!, outputs[0], countOf(inner), epsilon, reader(scale, 1), reader(b, 0));
  },
};
