/** Images turned by right angles and mirrored, of any number of axes: what leaves every pixel whole. */
import type { Random } from './random.ts';

/** Where the axes of a turned image come from. */
export interface Turn {
  /** Axis i of the turned image is axis `axes[i]` of the image; the two are of one extent. */
  readonly axes: readonly number[];
  /** Whether axis i of the turned image runs the other way. */
  readonly mirrored: readonly boolean[];
}

/**
 * Each turn as likely that an image with these extents can be given without changing them: axes of one extent trade places, and any axis
 * may be mirrored. Of a square image the eight symmetries of the square, of one with three different extents eight mirrorings.
 */
export function drawTurn(extents: readonly number[], random: Random): Turn {
  const axes = extents.map((_, i) => i);
  for (const [i, extent] of extents.entries()) {
    // Fisher and Yates, among the axes from here on that are as long.
    const alike = axes.flatMap((_, j) => (j >= i && extents[j] === extent ? [j] : []));
    const j = alike[random.int(alike.length)];
    [axes[i], axes[j]] = [axes[j], axes[i]];
  }
  return { axes, mirrored: extents.map(() => random.float() < 0.5) };
}

/** Turns an array [..., extents] in C order, whatever comes before the extents. */
export function turned<T extends Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>>(
  data: T,
  extents: readonly number[],
  { axes, mirrored }: Turn,
): T {
  const size = extents.reduce((product, extent) => product * extent, 1);
  const strides = extents.map((_, i) => extents.slice(i + 1).reduce((product, extent) => product * extent, 1));
  // Where each place of a turned image comes from, axis by axis.
  let sources = Uint32Array.of(0);
  for (const [i, axis] of axes.entries()) {
    const extent = extents[i];
    const next = new Uint32Array(sources.length * extent);
    for (let s = 0; s < sources.length; s++) {
      for (let k = 0; k < extent; k++) {
        next[s * extent + k] = sources[s] + strides[axis] * (mirrored[i] ? extent - 1 - k : k);
      }
    }
    sources = next;
  }
  const result = data.slice() as T;
  for (let start = 0; start < data.length; start += size) {
    for (let p = 0; p < size; p++) result[start + p] = data[start + sources[p]];
  }
  return result;
}
