import { product } from '../numbers.ts';
import { convTransposeWindow, convWindow, type linear } from '../ops/linear.ts';
import { numbersOf, type Tensor } from '../tensor.ts';
import { bigintsOf, isInteger, tensorFromBigints } from './integers.ts';
import { broadcastStrides, offsets } from './layout.ts';
import { exactNumbers, result } from './numbers.ts';
import type { EvaluationRules } from './rule.ts';
import { tapTable } from './taps.ts';

/** Operands as numbers; undefined when one of those given can't be read exactly. */
function operands(inputs: readonly (Tensor | undefined)[]): (ArrayLike<number> | undefined)[] | undefined {
  const numbers = inputs.map(t => t && exactNumbers(t));
  return numbers.some((n, i) => inputs[i] && !n) ? undefined : numbers;
}

/** Each row of one stack of matrices with each column of another: what `times` makes of them, in the output's order. */
function products<T>(
  left: ArrayLike<T>,
  right: ArrayLike<T>,
  a: readonly number[],
  b: readonly number[],
  output: readonly number[],
  times: (row: T[], column: T[]) => T,
): T[] {
  const rows = a.length === 1 ? [1, ...a] : a;
  const columns = b.length === 1 ? [...b, 1] : b;
  const [m, k] = rows.slice(-2);
  const n = columns[columns.length - 1];
  const batch = output.slice(0, output.length - (a.length > 1 ? 1 : 0) - (b.length > 1 ? 1 : 0));
  const starts = (shape: readonly number[]) => {
    const size = shape[shape.length - 2] * shape[shape.length - 1];
    return offsets(
      batch,
      broadcastStrides(shape.slice(0, -2), batch).map(s => s * size),
    );
  };
  const [fromA, fromB] = [starts(rows), starts(columns)];
  const values: T[] = [];
  for (const [g, start] of fromA.entries()) {
    const lines = Array.from({ length: n }, (_c, c) =>
      Array.from({ length: k }, (_, j) => right[fromB[g] + j * n + c]),
    );
    for (let r = 0; r < m; r++) {
      const row = Array.from({ length: k }, (_, j) => left[start + r * k + j]);
      for (const column of lines) values.push(times(row, column));
    }
  }
  return values;
}

/** Matrix products and convolutions, of floats in double precision, rounded once. */
export const linearRules: EvaluationRules<keyof typeof linear> = {
  MatMul([a, b], _, [output]) {
    if (isInteger(output.dtype)) {
      const times = (left: bigint[], right: bigint[]) => left.reduce((sum, v, j) => sum + v * right[j], 0n);
      const values = products(bigintsOf(a!), bigintsOf(b!), a!.shape, b!.shape, output.shape, times);
      return [tensorFromBigints(output.dtype, output.shape, values)];
    }
    const times = (left: number[], right: number[]) => left.reduce((sum, v, j) => sum + v * right[j], 0);
    const [left, right] = [numbersOf(a!), numbersOf(b!)];
    return result(output, Float64Array.from(products(left, right, a!.shape, b!.shape, output.shape, times)));
  },

  Gemm([a, b, c], { alpha, beta, transA, transB }, [output]) {
    const numbers = operands([a, b, c]);
    if (!numbers) return undefined;
    const [left, right, added] = numbers;
    const [m, n] = output.shape;
    const k = a!.shape[transA ? 0 : 1];
    const add = c && offsets(output.shape, broadcastStrides(c.shape, output.shape));
    const values = new Float64Array(m * n);
    for (let i = 0; i < m * n; i++) {
      const [row, column] = [Math.floor(i / n), i % n];
      let total = 0;
      for (let j = 0; j < k; j++) {
        total += left![transA ? j * m + row : row * k + j] * right![transB ? column * k + j : j * n + column];
      }
      values[i] = alpha * total + (add ? beta * added![add[i]] : 0);
    }
    return result(output, values);
  },

  Conv([x, w, b], attributes, [output]) {
    const numbers = operands([x, w, b]);
    if (!numbers) return undefined;
    const [input, weight, bias] = numbers;
    const [batch, channels, ...spatial] = x!.shape;
    const [outputs, perGroup] = w!.shape;
    const taps = tapTable(spatial, output.shape.slice(2), convWindow(attributes, x!.shape, w!.shape));
    const kernel = product(w!.shape.slice(2));
    const [plane, positions] = [product(spatial), taps.length / kernel];
    const values = new Float64Array(product(output.shape));
    const outputsPerGroup = outputs / attributes.group;
    for (let n = 0, i = 0; n < batch; n++) {
      for (let m = 0; m < outputs; m++) {
        const first = Math.floor(m / outputsPerGroup) * perGroup;
        for (let p = 0; p < positions; p++, i++) {
          let total = bias ? bias[m] : 0;
          for (let c = 0; c < perGroup; c++) {
            const [from, at] = [(n * channels + first + c) * plane, (m * perGroup + c) * kernel];
            for (let t = 0; t < kernel; t++) {
              const tap = taps[p * kernel + t];
              if (tap >= 0) total += input![from + tap] * weight![at + t];
            }
          }
          values[i] = total;
        }
      }
    }
    return result(output, values);
  },

  ConvTranspose([x, w, b], attributes, [output]) {
    const numbers = operands([x, w, b]);
    if (!numbers) return undefined;
    const [input, weight, bias] = numbers;
    const [batch, channels, ...spatial] = x!.shape;
    const perGroup = w!.shape[1];
    const outputs = output.shape[1];
    // The transposed convolution scatters where the convolution from its output to its input would read.
    const taps = tapTable(output.shape.slice(2), spatial, convTransposeWindow(attributes, x!.shape, w!.shape));
    const kernel = product(w!.shape.slice(2));
    const [plane, outPlane] = [product(spatial), product(output.shape.slice(2))];
    const values = new Float64Array(product(output.shape));
    if (bias) for (let i = 0; i < values.length; i++) values[i] = bias[Math.floor(i / outPlane) % outputs];
    const inputsPerGroup = channels / attributes.group;
    for (let n = 0; n < batch; n++) {
      for (let c = 0; c < channels; c++) {
        const group = Math.floor(c / inputsPerGroup);
        for (let m = 0; m < perGroup; m++) {
          const to = (n * outputs + group * perGroup + m) * outPlane;
          for (let p = 0; p < plane; p++) {
            const value = input![(n * channels + c) * plane + p];
            for (let t = 0; t < kernel; t++) {
              const tap = taps[p * kernel + t];
              if (tap >= 0) values[to + tap] += value * weight![(c * perGroup + m) * kernel + t];
            }
          }
        }
      }
    }
    return result(output, values);
  },
};
