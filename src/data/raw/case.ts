/** One case of a folder in memory, found to be whole: channels and labels that lie on each other, labels that mean something. */
import { printable, SutureError } from '../../../ir/errors.ts';
import { readVolume } from '../../volumes/files.ts';
import type { Volume } from '../../volumes/volume.ts';
import type { Description } from './description.ts';
import type { RawCase, RawDataset } from './open.ts';

/** Class numbers of the places of a file, [z, y, x]. */
export type ReadLabels = Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer>;

export interface ReadCase {
  /** All channels of it. */
  readonly image: Volume;
  /** The numbers of its places, [z, y, x]. */
  readonly labels?: ReadLabels;
}

/** Voxels may lie so far from each other, in voxels, where one is meant: headers round. */
const tolerance = 0.1;

/**
 * Reads a case.
 *
 * @throws SutureError as `readVolume`; `data-invalid` where files do not lie on each other or hold unnamed labels. Messages name the file.
 */
export async function readCase(dataset: RawDataset, { name, images, labels }: RawCase): Promise<ReadCase> {
  const channels: Volume[] = [];
  for (const path of images) {
    const volume = await readVolume(path);
    if (channels.length > 0) requireSamePlace(path, volume, images[0], channels[0]);
    channels.push(volume);
  }
  const image = joined(channels);
  const names = dataset.description?.channels;
  const [found] = image.shape;
  if (names && found !== names.length) {
    const next = `${name}_${String(found).padStart(4, '0')}`;
    const isOpacity = images.length === 1 && found === names.length + 1 && (found === 2 || found === 4);
    const remedy =
      found < names.length
        ? `, and there is no ${printable(next)}`
        : isOpacity
          ? '; the last may be how opaque it is: write the file without'
          : '';
    throw new SutureError(
      'data-invalid',
      `${printable(images[0])}: it has ${found} channel${found === 1 ? '' : 's'}, and dataset.json names ${names.length} ` +
        `(${names.map(channel => printable(channel, 40)).join(', ')})${remedy}.`,
    );
  }
  if (labels === undefined) return { image };
  const read = await readLabels(labels, dataset.description);
  requireSamePlace(labels, read.volume, images[0], channels[0]);
  return { image, labels: read.labels };
}

/**
 * Reads a file of labels.
 *
 * @param description says which there may be; without one, any.
 * @throws SutureError as `readVolume`; `data-invalid` where a number is no label.
 */
export async function readLabels(
  path: string,
  description?: Description,
): Promise<{ readonly volume: Volume; readonly labels: ReadLabels }> {
  const volume = await readVolume(path, 'labels');
  return { volume, labels: numbersOf(description, path, volume) };
}

function joined(channels: readonly Volume[]): Volume {
  if (channels.length === 1) return channels[0];
  const [first] = channels;
  const data = new Float32Array(channels.reduce((sum, channel) => sum + channel.data.length, 0));
  let at = 0;
  for (const channel of channels) {
    data.set(channel.data, at);
    at += channel.data.length;
  }
  const count = channels.reduce((sum, { shape }) => sum + shape[0], 0);
  return { ...first, data, shape: [count, ...first.shape.slice(1)] };
}

const extentText = (extents: readonly number[]): string => extents.toReversed().join(' x ');

/** Without the digits that float32 headers add. */
const spacingText = ({ spacing }: Volume): string => extentText(spacing.map(mm => Number(mm.toPrecision(6))));

/** @throws SutureError `data-invalid` where two files do not have the same places. */
export function requireSamePlace(path: string, volume: Volume, otherPath: string, other: Volume): void {
  const [, ...extents] = volume.shape;
  const [, ...expected] = other.shape;
  const differs = (what: string): never => {
    throw new SutureError(
      'data-invalid',
      `${printable(path)}: ${what} than ${printable(otherPath)}; they must lie on each other.`,
    );
  };
  if (extents.some((extent, axis) => extent !== expected[axis])) {
    differs(`it has other extents (${extentText(extents)}, not ${extentText(expected)} voxels)`);
  }
  const [a, b] = [volume.geometry, other.geometry];
  if (a.kind !== 'nifti' || b.kind !== 'nifti') return;
  if (
    volume.spacing.some(
      (mm, axis) => Math.abs(mm - other.spacing[axis]) > tolerance * Math.min(mm, other.spacing[axis]),
    )
  ) {
    differs(`it has another spacing (${spacingText(volume)}, not ${spacingText(other)} mm)`);
  }
  // Where the corners are decides: the same angle is more at the end of a long axis.
  const last = extents.toReversed().map(extent => extent - 1);
  const least = Math.min(...other.spacing);
  for (let corner = 0; corner < 8; corner++) {
    const at = [...last.map((end, axis) => ((corner >> axis) & 1) * end), 1];
    const apart = Math.hypot(
      ...[0, 1, 2].map(row =>
        at.reduce((sum, place, axis) => sum + place * (a.affine[row][axis] - b.affine[row][axis]), 0),
      ),
    );
    if (!(apart <= tolerance * least)) {
      differs(`it lies elsewhere in space (another affine: a corner is ${apart.toPrecision(3)} mm away)`);
    }
  }
}

/** Class numbers, each of which means something. */
function numbersOf(description: Description | undefined, path: string, volume: Volume): ReadLabels {
  const { data, shape } = volume;
  if (shape[0] !== 1) {
    throw new SutureError(
      'data-invalid',
      `${printable(path)}: it has ${shape[0]} channels, and labels are one number for each place.`,
    );
  }
  // Masks that people draw are black and white.
  if (!description && data.every(value => value === 0 || value === 255))
    return Uint8Array.from(data, value => value / 255);
  let most = 0;
  for (let i = 0; i < data.length; i++) {
    const value = data[i];
    const known = description ? description.names.has(value) : Number.isInteger(value) && value >= 0 && value < 2 ** 16;
    if (!known)
      throw new SutureError('data-invalid', `${printable(path)}: ${strangeText(description, value, i, shape)}.`);
    most = Math.max(most, value);
  }
  return most < 256 ? Uint8Array.from(data) : Uint16Array.from(data);
}

function strangeText(
  description: Description | undefined,
  value: number,
  at: number,
  [, , height, width]: readonly number[],
): string {
  const place = `x ${at % width}, y ${Math.floor(at / width) % height}, z ${Math.floor(at / width / height)}`;
  if (!description) return `the label at ${place} is ${value}, and must be a whole number from 0 to 65535`;
  const names = [...description.names].map(([number, name]) => `${number} (${printable(name, 30)})`).join(', ');
  return `the label at ${place} is ${value}, which dataset.json does not name; it has ${names}: correct the file, or name the label there`;
}
