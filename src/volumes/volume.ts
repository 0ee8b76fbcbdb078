/** An image file in memory, in the order of axes in which nnU-Net's readers give it, and what its labels need to lie where it lies. */
import { printable, SutureError } from '../../ir/errors.ts';
import { freeBytes, gibibytes } from '../execution/room.ts';

/** What a file says of where its voxels lie, as a writer of labels needs it. */
export type Geometry =
  | { readonly kind: 'pixels' }
  | {
      readonly kind: 'nifti';
      /** The first 348 (NIfTI-1) or 540 (NIfTI-2) bytes of the file. */
      readonly header: Uint8Array<ArrayBuffer>;
      readonly littleEndian: boolean;
      /** From voxel (i, j, k) to mm, 4 x 4. */
      readonly affine: readonly (readonly number[])[];
    };

/** One image file. */
export interface Volume {
  /** [C, ...spatial] in C order; C > 1 for colour PNG and TIFF only. */
  readonly data: Float32Array<ArrayBuffer>;
  /** C, then three axes: (z, y, x) of volumes, as SimpleITK gives them to nnU-Net; (1, y, x) of images of two dimensions. */
  readonly shape: readonly number[];
  /** The distance of neighbouring voxels along each spatial axis, in mm; (999, 1, 1) where a file of two dimensions does not say it. */
  readonly spacing: readonly number[];
  readonly geometry: Geometry;
}

/** How numbers are read: `labels` are class numbers as they are stored, `image` is what is seen (a palette's colours, say). */
export type Role = 'image' | 'labels';

/** `data-invalid` of a file: what it holds cannot be used. */
export const invalid = (path: string, problem: string): SutureError =>
  new SutureError('data-invalid', `${printable(path)}: ${problem}.`);

/** `data-unreadable` of a file: its bytes are not what its name says, or not all there. */
export const unreadable = (path: string, problem: string, cause?: unknown): SutureError =>
  new SutureError('data-unreadable', `${printable(path)}: ${problem}.`, { cause });

/** No compression of these formats makes a byte of more than so many (deflate: 1032; LZW: 2730). */
const mostPerByte = 2730;

/**
 * Compares what a file declares with what its length can hold and with the memory that is free, before any is taken.
 *
 * @param stored bytes of the voxels in the file, unpacked.
 * @param taken bytes that reading takes.
 * @param compressed whether `length` is that of compressed bytes.
 */
export function requireHeld(
  path: string,
  { stored, taken, length, compressed }: { stored: number; taken: number; length: number; compressed: boolean },
): void {
  if (!(stored <= length * (compressed ? mostPerByte : 1))) {
    throw unreadable(
      path,
      `it is cut off: it declares ${stored < 2 ** 20 ? `${stored} bytes` : gibibytes(stored)} of voxels, and has ${length} bytes`,
    );
  }
  const free = freeBytes();
  if (taken <= free) return;
  throw unreadable(
    path,
    `reading it takes ${gibibytes(taken)}, and there are ${gibibytes(free)} of free memory; say with SUTURE_MEMORY_GIB how many GiB may be taken`,
  );
}
