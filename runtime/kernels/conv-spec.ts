/** What a convolution is, in numbers, and how its outputs draw on its inputs, axis by axis. */
import { product, range } from '../../ir/numbers.ts';
import { ceilDiv } from './wgsl.ts';

/**
 * A convolution (ONNX `Conv`) or a transposed one (ONNX `ConvTranspose`, which is also the adjoint of `Conv` with respect
 * to its input) over one to three spatial axes, float32.
 *
 * Plan inputs: 0 the features `[batch, inChannels, ...input]`; 1 the weights, `[outChannels, inChannels / groups, ...kernel]`
 * or, transposed, `[inChannels, outChannels / groups, ...kernel]`; 2 the bias `[outChannels]`, if there is one.
 * Plan output: 0 `[batch, outChannels, ...output]`.
 */
export interface ConvSpec {
  readonly transposed: boolean;
  readonly batch: number;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly groups: number;
  readonly input: readonly number[];
  readonly output: readonly number[];
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** Padding before the first element of each axis; that after the last follows from the sizes. */
  readonly padsBegin: readonly number[];
  readonly bias: boolean;
  /** The weights are constants: they are brought into the kernel's layout once. */
  readonly constantWeights: boolean;
}

/** Spatial sizes and options brought to three axes by leading ones. */
export interface Axis {
  readonly input: number;
  readonly output: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly pad: number;
}

export function axesOf(spec: ConvSpec): readonly [Axis, Axis, Axis] {
  const missing = 3 - spec.input.length;
  const axis = (i: number): Axis =>
    i < missing
      ? { input: 1, output: 1, kernel: 1, stride: 1, dilation: 1, pad: 0 }
      : {
          input: spec.input[i - missing],
          output: spec.output[i - missing],
          kernel: spec.kernel[i - missing],
          stride: spec.strides[i - missing],
          dilation: spec.dilations[i - missing],
          pad: spec.padsBegin[i - missing],
        };
  return [axis(0), axis(1), axis(2)];
}

/** One use of an input by an output: output `t` of a tile takes input `base + offset`, weighted by kernel element `k`. */
export interface Tap {
  readonly t: number;
  readonly k: number;
  readonly offset: number;
}

/** How a tile of consecutive outputs along one axis draws on the input: tile `i` starts at input `i * step`. */
export interface AxisPattern {
  readonly tile: number;
  readonly tiles: number;
  readonly step: number;
  readonly taps: readonly Tap[];
  /** The distinct input offsets of the taps, ascending. */
  readonly offsets: readonly number[];
  readonly input: number;
  readonly output: number;
}

/**
 * The pattern of one axis for tiles of (about) `tile` outputs. Because the tile of a transposed convolution spans whole
 * strides, which kernel elements reach which output is the same in every tile, and known here.
 */
export function axisPattern(axis: Axis, transposed: boolean, tile: number): AxisPattern {
  const { input, output, kernel, stride, dilation, pad } = axis;
  const size = transposed ? ceilDiv(tile, stride) * stride : Math.min(tile, output);
  const taps: Tap[] = [];
  for (const t of range(size)) {
    for (const k of range(kernel)) {
      if (!transposed) taps.push({ t, k, offset: t * stride + k * dilation - pad });
      else if ((t + pad - k * dilation) % stride === 0) taps.push({ t, k, offset: (t + pad - k * dilation) / stride });
    }
  }
  const tiles = ceilDiv(output, size);
  const step = transposed ? size / stride : size * stride;
  const offsets = [...new Set(taps.map(tap => tap.offset))].sort((a, b) => a - b);
  return { tile: size, tiles, step, taps, offsets, input, output };
}

/** Whether input `tile * step + offset` exists for every tile. */
export function alwaysInside(pattern: AxisPattern, offset: number): boolean {
  return offset >= 0 && (pattern.tiles - 1) * pattern.step + offset < pattern.input;
}

/** Elements of the kernel of one pair of channels. */
export function kernelSize(spec: ConvSpec): number {
  return product(spec.kernel);
}

/** Multiplications with addition that the convolution needs, padding included. */
export function convMacs(spec: ConvSpec): number {
  const positions = product(spec.transposed ? spec.input : spec.output);
  const channels = (spec.inChannels / spec.groups) * spec.outChannels;
  return spec.batch * positions * channels * kernelSize(spec);
}

/** A short name for profiles. */
export function convLabel(spec: ConvSpec): string {
  const shape = (channels: number, sizes: readonly number[]) => [channels, ...sizes].join('x');
  const name = spec.transposed ? 'convTranspose' : 'conv';
  const options = [
    `k${spec.kernel.join('x')}`,
    spec.strides.some(s => s !== 1) ? `s${spec.strides.join('x')}` : '',
    spec.dilations.some(d => d !== 1) ? `d${spec.dilations.join('x')}` : '',
    spec.groups === 1 ? '' : `g${spec.groups}`,
  ];
  const from = shape(spec.inChannels, spec.input);
  const to = shape(spec.outChannels, spec.output);
  return `${name} ${spec.batch}x ${from} -> ${to} ${options.filter(option => option !== '').join(' ')}`;
}
