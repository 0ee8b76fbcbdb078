/** Arrays over three axes of space in C order: transposed, cropped, put back. */
import { product } from '../../ir/numbers.ts';

export type Extents = readonly number[];

/** Axes in another order: the i-th of the result is the one that `order[i]` names. */
export const inOrder = <T>(of: readonly T[], order: readonly number[]): readonly T[] => order.map(axis => of[axis]);

/** The order that undoes another. */
export const inverseOrder = (order: readonly number[]): readonly number[] =>
  order.map((_, axis) => order.indexOf(axis));

type Numbers = Float32Array<ArrayBuffer> | Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer>;

const emptyLike = <A extends Numbers>(like: A, length: number): A =>
  new (like.constructor as new (length: number) => A)(length);

/** One volume with its axes in another order. */
export function transposed<A extends Numbers>(volume: A, extents: Extents, order: readonly number[]): A {
  if (order.every((axis, i) => axis === i)) return volume;
  const steps = inOrder([extents[1] * extents[2], extents[2], 1], order);
  const [depth, height, width] = inOrder(extents, order) as [number, number, number];
  const result = emptyLike(volume, volume.length);
  let to = 0;
  for (let z = 0; z < depth; z++) {
    for (let y = 0; y < height; y++) {
      let from = z * steps[0] + y * steps[1];
      for (let x = 0; x < width; x++, from += steps[2]) result[to++] = volume[from];
    }
  }
  return result;
}

/** A part of a volume: where it begins and what it spans along each axis. */
export interface Box {
  readonly begin: Extents;
  readonly extents: Extents;
}

const spans = (box: Box, extents: Extents): boolean => extents.every((extent, i) => box.extents[i] === extent);

/** Visits the rows along the last axis of a box: where each begins in the whole and in the part. */
function eachRow(
  { begin, extents: part }: Box,
  whole: Extents,
  visit: (inWhole: number, inPart: number) => void,
): void {
  const [depth, height, width] = part as [number, number, number];
  for (let z = 0; z < depth; z++) {
    for (let y = 0; y < height; y++) {
      const row = (begin[0] + z) * whole[1] + begin[1] + y;
      visit(row * whole[2] + begin[2], (z * height + y) * width);
    }
  }
}

/** A part of a volume on its own. */
export function cropped<A extends Numbers>(volume: A, extents: Extents, box: Box): A {
  if (spans(box, extents)) return volume;
  const result = emptyLike(volume, product(box.extents));
  const width = box.extents[2];
  eachRow(box, extents, (from, to) => result.set(volume.subarray(from, from + width), to));
  return result;
}

/** A part put where it belongs, with zeros around it. */
export function putBack<A extends Numbers>(part: A, extents: Extents, box: Box): A {
  if (spans(box, extents)) return part;
  const result = emptyLike(part, product(extents));
  const width = box.extents[2];
  eachRow(box, extents, (to, from) => result.set(part.subarray(from, from + width), to));
  return result;
}

/** The smallest box that holds all places where some channel is not zero; everything where none is. */
export function boxOfNonZero(channels: readonly Float32Array[], extents: Extents): Box {
  const [depth, height, width] = extents as [number, number, number];
  const first = [depth, height, width];
  const last = [-1, -1, -1];
  for (const channel of channels) {
    for (let z = 0, at = 0; z < depth; z++) {
      for (let y = 0; y < height; y++, at += width) {
        let [from, to] = [0, width - 1];
        while (from < width && channel[at + from] === 0) from++;
        if (from === width) continue;
        while (channel[at + to] === 0) to--;
        first[0] = Math.min(first[0], z);
        first[1] = Math.min(first[1], y);
        first[2] = Math.min(first[2], from);
        last[0] = Math.max(last[0], z);
        last[1] = Math.max(last[1], y);
        last[2] = Math.max(last[2], to);
      }
    }
  }
  if (last[0] < 0) return { begin: [0, 0, 0], extents };
  return { begin: first, extents: last.map((end, i) => end + 1 - first[i]) };
}

/**
 * 1 where some channel is not zero, and in holes of that: places that no path of zeros over faces joins with the outside. A volume of one
 * slice has no holes, as everything of it touches the outside.
 */
export function filledMask(channels: readonly Float32Array[], extents: Extents): Uint8Array<ArrayBuffer> {
  const [depth, height, width] = extents as [number, number, number];
  const plane = height * width;
  const mask = new Uint8Array(depth * plane).fill(1);
  const queue: number[] = [];
  const visit = (at: number): void => {
    if (mask[at] === 0 || channels.some(channel => channel[at] !== 0)) return;
    mask[at] = 0;
    queue.push(at);
  };
  for (let z = 0, at = 0; z < depth; z++) {
    for (let y = 0; y < height; y++) {
      const onFace = z === 0 || z === depth - 1 || y === 0 || y === height - 1;
      for (let x = 0; x < width; x++, at++) if (onFace || x === 0 || x === width - 1) visit(at);
    }
  }
  for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
    const x = at % width;
    const y = ((at - x) / width) % height;
    const z = Math.floor(at / plane);
    if (x > 0) visit(at - 1);
    if (x < width - 1) visit(at + 1);
    if (y > 0) visit(at - width);
    if (y < height - 1) visit(at + width);
    if (z > 0) visit(at - plane);
    if (z < depth - 1) visit(at + plane);
  }
  return mask;
}
