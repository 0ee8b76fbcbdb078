import { product, sum } from '../numbers.ts';
import type { pooling } from '../ops/pooling.ts';
import { windowOf } from '../ops/spatial.ts';
import type { Tensor } from '../tensor.ts';
import { computed, exactNumbers, result } from './numbers.ts';
import type { EvaluationRule, EvaluationRules } from './rule.ts';
import { indices, tapTable } from './taps.ts';

const poolWindow = (
  attributes: Parameters<typeof windowOf>[0] & { readonly kernel_shape: readonly number[] },
  x: Tensor,
) => windowOf(attributes, attributes.kernel_shape, x.shape.slice(2));

type PoolWindow = Omit<ReturnType<typeof poolWindow>, 'ceil'>;

/** One window over all spatial axes. */
function wholePlane(x: Tensor): PoolWindow {
  const kernel = x.shape.slice(2);
  const ones = kernel.map(() => 1);
  return { kernel, strides: ones, dilations: ones, pads: [...ones, ...ones].map(() => 0) };
}

/**
 * Calls `f` for every output element with the elements in its window, where they lie in the input, and the number of the output's
 * position within a channel.
 */
function pooled(
  x: Tensor,
  input: ArrayLike<number>,
  window: PoolWindow,
  shape: readonly number[],
  f: (values: readonly number[], at: readonly number[], position: number) => number,
): Float64Array {
  const spatial = x.shape.slice(2);
  const table = tapTable(spatial, shape.slice(2), window);
  const kernel = product(window.kernel);
  const [plane, positions] = [product(spatial), product(shape.slice(2))];
  return Float64Array.from({ length: product(shape) }, (_, i) => {
    const [channel, position] = [Math.floor(i / positions), i % positions];
    const values: number[] = [];
    const at: number[] = [];
    for (let t = 0; t < kernel; t++) {
      const tap = table[position * kernel + t];
      if (tap < 0) continue;
      at.push(channel * plane + tap);
      values.push(input[channel * plane + tap]);
    }
    return f(values, at, position);
  });
}

/** For each output position how many of its window's elements lie in the input or in its padding: a ceiling adds others. */
function countsWithPads(window: PoolWindow, spatial: readonly number[], out: readonly number[]): number[] {
  const rank = spatial.length;
  return indices(out).map(position =>
    position.reduce((count, o, i) => {
      const room = spatial[i] + window.pads[i] + window.pads[rank + i] - o * window.strides[i];
      return count * Math.min(window.kernel[i], Math.ceil(room / window.dilations[i]));
    }, 1),
  );
}

/** The index of an element of a row-major plane in one that is column-major. */
function columnMajor(index: number, spatial: readonly number[]): number {
  const plane = product(spatial);
  let [rest, at] = [index % plane, 0];
  for (let axis = spatial.length - 1; axis >= 0; axis--) {
    at += (rest % spatial[axis]) * product(spatial.slice(0, axis));
    rest = Math.floor(rest / spatial[axis]);
  }
  return index - (index % plane) + at;
}

const globally =
  (f: (values: readonly number[]) => number): EvaluationRule<'GlobalAveragePool' | 'GlobalMaxPool'> =>
  ([x], _, [output]) => {
    const input = exactNumbers(x!);
    return input && result(output, pooled(x!, input, wholePlane(x!), output.shape, f));
  };

/** Poolings, in double precision, rounded once. */
export const poolingRules: EvaluationRules<keyof typeof pooling> = {
  MaxPool([x], attributes, [output, where]) {
    const input = exactNumbers(x!);
    if (!input) return undefined;
    const places = new Float64Array(product(output.shape));
    let i = 0;
    const values = pooled(x!, input, poolWindow(attributes, x!), output.shape, (window, at) => {
      let best = 0;
      for (let k = 1; k < window.length; k++) if (window[k] > window[best] || Number.isNaN(window[k])) best = k;
      places[i++] = attributes.storage_order ? columnMajor(at[best], x!.shape.slice(2)) : at[best];
      return window.length > 0 ? window[best] : Number.NEGATIVE_INFINITY;
    });
    const tensors = [computed(output.dtype, output.shape, values)];
    if (where) tensors.push(computed(where.dtype, where.shape, places));
    return tensors.every(t => t !== undefined) ? tensors : undefined;
  },

  AveragePool([x], attributes, [output]) {
    const input = exactNumbers(x!);
    if (!input) return undefined;
    const window = poolWindow(attributes, x!);
    const counts = attributes.count_include_pad
      ? countsWithPads(window, x!.shape.slice(2), output.shape.slice(2))
      : undefined;
    return result(
      output,
      pooled(
        x!,
        input,
        window,
        output.shape,
        (values, _, position) => sum(values) / (counts?.[position] ?? values.length),
      ),
    );
  },

  LpPool([x], attributes, [output]) {
    const input = exactNumbers(x!);
    const { p } = attributes;
    const norm = (values: readonly number[]) => sum(values.map(v => Math.abs(v) ** p)) ** (1 / p);
    return input && result(output, pooled(x!, input, poolWindow(attributes, x!), output.shape, norm));
  },

  GlobalAveragePool: globally(values => sum(values) / values.length),
  GlobalMaxPool: globally(values => values.reduce((a, b) => Math.max(a, b))),
};
