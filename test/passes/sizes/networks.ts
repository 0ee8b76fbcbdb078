import { type Graph, GraphBuilder, symbol, type Value, verify } from '../../../ir/index.ts';
import { draw } from '../networks.ts';
import { random } from '../ort.ts';

/** How a network halves its features: all agree on even sizes, and no two on all odd ones. */
export const halvings = ['pool', 'ceil', 'strided'] as const;
export type Halving = (typeof halvings)[number];

export interface SizedOptions {
  readonly halving: Halving;
  readonly levels: number;
  /** How features of the encoder reach the decoder; `none`: there is no decoder but a mean over all places. */
  readonly skip?: 'Concat' | 'Add' | 'none';
  readonly seed?: number;
  /** Height and width: names of symbols, or numbers. */
  readonly size?: readonly [string | number, string | number];
}

/** A small U-Net on images of one channel, or its encoder with a head, whose height and width are open. */
export function sizedNetwork({ halving, levels, skip = 'Concat', seed = 1, size = ['H', 'W'] }: SizedOptions): Graph {
  const next = random(seed);
  const b = new GraphBuilder(`${halving}${seed}`);
  const shape = [symbol('N'), 1, ...size.map(s => (typeof s === 'string' ? symbol(s) : s))];
  const channels = 3;
  const weight = (...dims: number[]) => b.constant(draw(next, ...dims), 'weight');
  const conv = (x: Value, from: number, name: string, strides = [1, 1]) =>
    b.op('Relu', [b.op('Conv', [x, weight(channels, from, 3, 3)], { pads: [1, 1, 1, 1], strides })], {}, { name });
  const half = (x: Value, level: number) =>
    halving === 'strided'
      ? conv(x, channels, `half${level}`, [2, 2])
      : b.op('MaxPool', [x], { kernel_shape: [2, 2], strides: [2, 2], ceil_mode: halving === 'ceil' ? 1 : 0 });
  let x = conv(b.input('x', { dtype: 'float32', shape }), 1, 'top');
  const skips: Value[] = [];
  for (let level = 1; level <= levels; level++) {
    skips.push(x);
    x = conv(half(x, level), channels, `low${level}`);
  }
  if (skip === 'none') {
    const mean = b.op('Flatten', [b.op('GlobalAveragePool', [x])]);
    b.output('y', b.op('Gemm', [mean, weight(channels, 2)]));
    return verify(b.build());
  }
  for (const [i, own] of skips.reverse().entries()) {
    const up = b.op('ConvTranspose', [x, weight(channels, channels, 2, 2)], { strides: [2, 2] });
    const both = skip === 'Add' ? b.op('Add', [up, own]) : b.op('Concat', [up, own], { axis: 1 });
    x = conv(both, skip === 'Add' ? channels : 2 * channels, `up${i}`);
  }
  b.output('y', b.op('Conv', [x, weight(2, channels, 1, 1)], {}, { name: 'head' }));
  return verify(b.build());
}
