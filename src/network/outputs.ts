/** Outputs of networks on the host: one layout, and probabilities in double precision. */
import { numbersOf, type Tensor, tensor } from '../../ir/index.ts';
import { product } from '../../ir/numbers.ts';
import type { OutputMeaning } from '../../passes/index.ts';

/** An output as [N, C, spatial...], whatever its layout. */
export function channelsFirst(output: Tensor, { channelAxis }: OutputMeaning): Tensor {
  const { shape } = output;
  if (channelAxis === 1) return output;
  const [count, ...rest] = shape as [number, ...number[]];
  if (channelAxis === undefined) return { ...output, shape: [count, 1, ...rest] };
  const channels = shape[channelAxis];
  const before = shape.slice(1, channelAxis);
  const behind = shape.slice(channelAxis + 1);
  const [outer, inner] = [product(before), product(behind)];
  const values = numbersOf(output);
  const data = new Float32Array(values.length);
  let to = 0;
  for (let n = 0; n < count; n++) {
    for (let k = 0; k < channels; k++) {
      for (let o = 0; o < outer; o++) {
        const from = ((n * outer + o) * channels + k) * inner;
        for (let i = 0; i < inner; i++) data[to++] = values[from + i];
      }
    }
  }
  return tensor('float32', [count, channels, ...before, ...behind], data);
}

/** Above it a channel that stands for itself says yes. */
export const thresholdOf = ({ kind }: Pick<OutputMeaning, 'kind'>): number =>
  kind === 'probabilities' ? 0.5 : kind === 'log-probabilities' ? Math.log(0.5) : 0;

/** The probabilities [N, C, spatial...] of an output in either layout; values as they are. */
export function toProbabilities(given: Tensor, meaning: OutputMeaning): Float64Array {
  const output = channelsFirst(given, meaning);
  const values = new Float64Array(numbersOf(output));
  switch (meaning.kind) {
    case 'probabilities':
    case 'values':
      return values;
    case 'log-probabilities':
      return values.map(Math.exp);
    case 'logits':
      return meaning.activation === 'sigmoid' ? values.map(z => 1 / (1 + Math.exp(-z))) : softmax(values, output.shape);
    default:
      return meaning.kind satisfies never;
  }
}

/** Over axis 1. */
function softmax(values: Float64Array, [count, channels, ...spatial]: readonly number[]): Float64Array {
  const pixels = product(spatial);
  const size = channels * pixels;
  const result = new Float64Array(values.length);
  for (let row = 0; row < count * size; row += size) {
    for (let first = row; first < row + pixels; first++) {
      const end = first + size;
      let largest = -Infinity;
      for (let at = first; at < end; at += pixels) largest = Math.max(largest, values[at]);
      let sum = 0;
      for (let at = first; at < end; at += pixels) {
        result[at] = Math.exp(values[at] - largest);
        sum += result[at];
      }
      for (let at = first; at < end; at += pixels) result[at] /= sum;
    }
  }
  return result;
}

/**
 * The class with the largest output at one pixel; of equal ones the first, and NaN counts as the largest, as in
 * `numpy.argmax`. `start` is the position of class 0, `step` the distance from class to class.
 */
export function argmax(data: ArrayLike<number>, start: number, step: number, classes: number): number {
  let best = 0;
  let highest = data[start];
  for (let k = 1; k < classes && !Number.isNaN(highest); k++) {
    const value = data[start + k * step];
    if (value > highest || Number.isNaN(value)) {
      best = k;
      highest = value;
    }
  }
  return best;
}
