/** Reading and writing image files, by the endings of their names. */
import { SutureError } from '../../ir/errors.ts';
import { bytesOf, readFault, withFile } from '../files/input.ts';
import { type WriteOptions, writeOutput } from '../files/output.ts';
import { formatNifti, readNifti } from './nifti.ts';
import { formatPng, parsePng } from './png.ts';
import { parseTiff } from './tiff.ts';
import { invalid, type Role, requireHeld, unreadable, type Volume } from './volume.ts';

/** Endings of the files that are read, as nnU-Net's `file_ending` has them. */
export const volumeEndings = ['.nii.gz', '.nii', '.png', '.tif', '.tiff'] as const;
export type VolumeEnding = (typeof volumeEndings)[number];

/** The ending of a file's name, in whatever case; undefined where the file is none that is read. */
export const endingOf = (path: string): VolumeEnding | undefined =>
  volumeEndings.find(ending => path.toLowerCase().endsWith(ending));

/**
 * Reads an image file.
 *
 * @throws SutureError `data-unreadable` (missing, cut off, damaged, not what its name says), `data-invalid` (four axes, NaN), naming the file.
 */
export async function readVolume(path: string, role: Role = 'image'): Promise<Volume> {
  const ending = endingOf(path);
  if (!ending) throw invalid(path, `image files are read by their endings, which are ${volumeEndings.join(', ')}`);
  try {
    const volume = await withFile(path, async file => {
      if (ending.startsWith('.nii')) return readNifti(path, file);
      const { size } = await file.stat();
      requireHeld(path, { stored: size, taken: size, length: size, compressed: false });
      const bytes = await bytesOf(file);
      return ending === '.png' ? parsePng(path, bytes, role) : parseTiff(path, bytes, role);
    });
    requireFinite(path, volume);
    return volume;
  } catch (cause) {
    if (cause instanceof SutureError) throw cause;
    throw unreadable(path, readFault(cause), cause);
  }
}

/** NaN and infinities are refused, with the place of the first and how many there are. */
function requireFinite(path: string, { data, shape }: Volume): void {
  const first = data.findIndex(value => !Number.isFinite(value));
  if (first < 0) return;
  const count = data.reduce((sum, value) => sum + (Number.isFinite(value) ? 0 : 1), 0);
  const [, height, width] = shape.slice(1) as [number, number, number];
  const place = `x ${first % width}, y ${Math.floor(first / width) % height}, z ${Math.floor(first / width / height) % shape[1]}`;
  const others = count > 1 ? ` (${count} such voxels)` : '';
  throw invalid(
    path,
    `the voxel at ${place} is ${data[first]}${others}, and must be a finite float32; replace such voxels`,
  );
}

/** How labels lie: their extents, as {@link Volume}'s without the channels, and where. */
type Lying = Pick<Volume, 'shape' | 'geometry'>;

/**
 * Checks that labels of an image can be written to a file of this name, before they are made.
 *
 * @throws SutureError `data-invalid` where the geometry or the ending does not allow it.
 */
export function requireWritable(path: string, { shape, geometry }: Lying): void {
  const ending = endingOf(path);
  if (ending === '.png') {
    if (shape[0] === 1) return;
    throw invalid(
      path,
      `a PNG file holds one slice, and there are ${shape[0]}; labels of volumes are written for NIfTI images: convert the image to .nii.gz`,
    );
  }
  if (ending !== '.nii' && ending !== '.nii.gz') throw invalid(path, 'labels are written as .nii.gz, .nii or .png');
  if (geometry.kind !== 'nifti') throw invalid(path, 'NIfTI labels need the header of a NIfTI image; name a .png file');
}

/**
 * Writes class numbers as NIfTI with the geometry of another file, or as PNG: 8 bits where the largest allows it, else 16.
 *
 * @throws SutureError `output-exists`, `output-unwritable`; `data-invalid` where the geometry or the ending does not allow it.
 */
export async function writeLabels(
  path: string,
  labels: ArrayLike<number>,
  { shape, geometry }: Lying,
  options: WriteOptions = {},
): Promise<void> {
  requireWritable(path, { shape, geometry });
  const stored = narrowed(path, labels);
  const [, height, width] = shape as [number, number, number];
  const bytes =
    geometry.kind === 'nifti' && endingOf(path) !== '.png'
      ? await formatNifti(path, stored, geometry)
      : formatPng(stored, width, height);
  return writeOutput(path, bytes, options);
}

function narrowed(path: string, labels: ArrayLike<number>): Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer> {
  let most = 0;
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i];
    if (!(Number.isInteger(label) && label >= 0 && label < 2 ** 16)) {
      throw invalid(path, `the label ${label} cannot be written: labels are 0 to 65535`);
    }
    most = Math.max(most, label);
  }
  return most < 256 ? Uint8Array.from(labels) : Uint16Array.from(labels);
}
