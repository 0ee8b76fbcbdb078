import { addDims, type Dim, floorDivide, multiplyDims, subtractDims } from '../dim.ts';
import { reject } from '../operator.ts';
import type { Shape } from '../type.ts';

/** The window attributes that convolutions and poolings share. Pads are begins, then ends, as in ONNX. */
export interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly pads: readonly number[];
  readonly ceil: boolean;
}

interface WindowAttributes {
  readonly strides?: readonly number[] | undefined;
  readonly dilations?: readonly number[] | undefined;
  readonly pads?: readonly number[] | undefined;
  readonly auto_pad: string;
  readonly ceil_mode?: number;
}

/**
 * Fills in the defaults of a window. `auto_pad` (SAME_UPPER, SAME_LOWER, VALID) is turned into pads, for which a SAME needs
 * the spatial extent to be known unless the stride is 1.
 */
export function windowOf(attributes: WindowAttributes, kernel: readonly number[], spatial: Shape): Window {
  const rank = kernel.length;
  const fill = (given: readonly number[] | undefined, what: string): readonly number[] => {
    if (given !== undefined && given.length !== rank) {
      reject(`${what} has ${given.length} entries for ${rank} spatial axes`);
    }
    const bad = given?.find(step => step < 1);
    if (bad !== undefined) reject(`${what} has the entry ${bad}, and must be positive`);
    return given ?? Array(rank).fill(1);
  };
  const strides = fill(attributes.strides, 'strides');
  const dilations = fill(attributes.dilations, 'dilations');
  const ceil = (attributes.ceil_mode ?? 0) !== 0;
  if (spatial.length !== rank) reject(`the kernel has ${rank} spatial axes, the input ${spatial.length}`);
  const pads =
    attributes.auto_pad === 'SAME_UPPER' || attributes.auto_pad === 'SAME_LOWER'
      ? samePads(attributes.auto_pad, { kernel, strides, dilations }, spatial)
      : attributes.auto_pad === 'VALID'
        ? Array<number>(2 * rank).fill(0)
        : (attributes.pads ?? Array<number>(2 * rank).fill(0));
  if (pads.length !== 2 * rank) reject(`pads has ${pads.length} entries for ${rank} spatial axes, not ${2 * rank}`);
  return { kernel, strides, dilations, pads, ceil };
}

function samePads(
  mode: 'SAME_UPPER' | 'SAME_LOWER',
  { kernel, strides, dilations }: Pick<Window, 'kernel' | 'strides' | 'dilations'>,
  spatial: Shape,
): number[] {
  const begins: number[] = [];
  const ends: number[] = [];
  kernel.forEach((k, i) => {
    const extent = dilations[i] * (k - 1) + 1;
    const size = spatial[i];
    if (typeof size !== 'number' && strides[i] !== 1) {
      reject(`auto_pad ${mode} with stride ${strides[i]} needs a known spatial size; here it is ${size}`);
    }
    const total =
      typeof size === 'number'
        ? Math.max(0, (Math.ceil(size / strides[i]) - 1) * strides[i] + extent - size)
        : extent - 1;
    const less = Math.floor(total / 2);
    begins.push(mode === 'SAME_UPPER' ? less : total - less);
    ends.push(mode === 'SAME_UPPER' ? total - less : less);
  });
  return [...begins, ...ends];
}

/** Output extents of a convolution or pooling: `floor((in + pads - extent) / stride) + 1`, or its ceiling. */
export function windowOutput(spatial: Shape, window: Window): Dim[] {
  const rank = window.kernel.length;
  return spatial.map((size, i) => {
    const extent = window.dilations[i] * (window.kernel[i] - 1) + 1;
    const stride = window.strides[i];
    const room = addDims(size, window.pads[i] + window.pads[rank + i] - extent);
    if (typeof room === 'number' && room < 0)
      reject(`a window of ${extent} does not fit into ${size} with its padding`);
    if (!window.ceil) return addDims(floorDivide(room, stride), 1);
    const out = addDims(floorDivide(addDims(room, stride - 1), stride), 1);
    // A last window that starts in the padding at the end is left out.
    if (typeof out === 'number' && typeof size === 'number' && (out - 1) * stride >= size + window.pads[i])
      return out - 1;
    return out;
  });
}

/** Output extents of a transposed convolution. */
export function transposedOutput(spatial: Shape, window: Window, outputPadding: readonly number[]): Dim[] {
  const rank = window.kernel.length;
  return spatial.map((size, i) => {
    const extent = window.dilations[i] * (window.kernel[i] - 1) + 1;
    const stretched = multiplyDims(window.strides[i], subtractDims(size, 1));
    return addDims(stretched, outputPadding[i] + extent - window.pads[i] - window.pads[rank + i]);
  });
}
