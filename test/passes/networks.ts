import fc from 'fast-check';
import { float32, type Graph, GraphBuilder, symbol, type Tensor, type Value } from '../../ir/index.ts';
import { random } from './ort.ts';

/** Uniform numbers in ±0.5. */
export function draw(next: () => number, ...shape: number[]): Tensor<'float32'> {
  return float32(
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => next() - 0.5),
  );
}

const channelsOf = (value: Value): number => value.type.shape[1] as number;

/** A convolution to `channels` channels of half, the same, or twice the size. */
function convolution(
  b: GraphBuilder,
  next: () => number,
  x: Value,
  channels: number,
  size: 'half' | 'same' | 'twice' | 'point',
): Value {
  const c = channelsOf(x);
  const bias = b.constant(draw(next, channels), 'bias');
  if (size === 'twice')
    return b.op('ConvTranspose', [x, b.constant(draw(next, c, channels, 2, 2), 'weight'), bias], { strides: [2, 2] });
  if (size === 'point') return b.op('Conv', [x, b.constant(draw(next, channels, c, 1, 1), 'weight'), bias]);
  const weight = b.constant(draw(next, channels, c, 3, 3), 'weight');
  return b.op('Conv', [x, weight, bias], { pads: [1, 1, 1, 1], strides: size === 'half' ? [2, 2] : [1, 1] });
}

function normalization(b: GraphBuilder, next: () => number, x: Value): Value {
  const c = channelsOf(x);
  const parameter = () => b.constant(draw(next, c), 'parameter');
  if (next() < 0.5) return b.op('InstanceNormalization', [x, parameter(), parameter()]);
  const variance = float32(
    [c],
    Array.from({ length: c }, () => next() + 0.5),
  );
  return b.op('BatchNormalization', [x, parameter(), parameter(), parameter(), b.constant(variance, 'variance')]);
}

/**
 * A small convolutional network with skips and branches, which takes [N, 2, 4, 4] and returns [N, 2, 4, 4]. Every node reads
 * one or two of the features before it, of whatever channels.
 */
export function randomNetwork(seed: number, length = 8): Graph {
  const next = random(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)];
  const b = new GraphBuilder(`random${seed}`);
  const x = b.input('x', { dtype: 'float32', shape: [symbol('N'), 2, 4, 4] });
  const features = [convolution(b, next, x, 3, 'same')];
  for (let i = 0; i < length; i++) {
    const from = next() < 0.6 ? features[features.length - 1] : pick(features);
    const full = from.type.shape[2] === 4;
    const alike = features.filter(f => f !== from && f.type.shape[2] === from.type.shape[2]);
    const equal = alike.filter(f => channelsOf(f) === channelsOf(from));
    const options = [
      () =>
        convolution(b, next, from, pick([2, 3, 4]), full ? pick(['same', 'half', 'point']) : pick(['same', 'twice'])),
      () => normalization(b, next, from),
      () => (next() < 0.5 ? b.op('LeakyRelu', [from], { alpha: 0.1 }) : b.op('Relu', [from])),
      () => b.op('MaxPool', [from], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }),
    ];
    if (alike.length > 0) options.push(() => b.op('Concat', [from, pick(alike)], { axis: 1 }));
    if (equal.length > 0) options.push(() => b.op('Add', [from, pick(equal)]));
    features.push(pick(options)());
  }
  const last = features[features.length - 1];
  const full = last.type.shape[2] === 4 ? last : convolution(b, next, last, 3, 'twice');
  b.output('logits', convolution(b, next, full, 2, 'point'));
  return b.build();
}

export const networks = (length = 8): fc.Arbitrary<Graph> =>
  fc.integer({ min: 0, max: 2 ** 31 }).map(seed => randomNetwork(seed, length));

/** Two samples for a random network. */
export const samples = (seed: number): Tensor<'float32'> => draw(random(seed), 2, 2, 4, 4);
