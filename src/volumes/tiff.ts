/** TIFF: an image of two dimensions, or the slices of a volume as the pages of one file, as nnU-Net's readers take them. */

import { extname } from 'node:path';
import { decode, type TiffIfd } from 'tiff';
import * as v from 'valibot';
import { readFault, readRegular } from '../files/input.ts';
import { planes } from './png.ts';
import { invalid, type Role, requireHeld, unreadable, type Volume } from './volume.ts';

const mostPages = 2 ** 16;

/** How many pages there are. The library follows the chain of pages wherever it leads: in a circle too. */
function pagesOf(path: string, view: DataView): number {
  const cut = 'it is cut off: its list of pages leads beyond its end';
  const little = view.byteLength >= 8 && view.getUint16(0) === 0x4949;
  if (view.byteLength < 8 || !(little || view.getUint16(0) === 0x4d4d)) {
    throw unreadable(path, 'it is no TIFF file: its first bytes are others');
  }
  const version = view.getUint16(2, little);
  if (version === 43)
    throw invalid(path, 'it is a BigTIFF file, which is not read; write it as NIfTI or as a classic TIFF');
  if (version !== 42) throw unreadable(path, 'it is no TIFF file: its first bytes are others');
  let pages = 0;
  for (let at = view.getUint32(4, little); at !== 0; pages++) {
    if (pages === mostPages)
      throw unreadable(path, `it has more than ${mostPages} pages, or a list of pages without end`);
    if (at + 2 > view.byteLength) throw unreadable(path, cut);
    const next = at + 2 + 12 * view.getUint16(at, little);
    if (next + 4 > view.byteLength) throw unreadable(path, cut);
    at = view.getUint32(next, little);
  }
  if (pages === 0) throw invalid(path, 'it has no pages');
  return pages;
}

/** What the library would read wrongly without a word, or not at all. */
function requireReadable(path: string, page: TiffIfd): void {
  const { bitsPerSample: bits = 1, sampleFormat: format, samplesPerPixel: samples, width, height } = page;
  const refuse = (what: string): never => {
    throw invalid(
      path,
      `${what}, which is not read; write it as uncompressed, LZW or deflate strips of 8 or 16 bits, or as PNG or NIfTI`,
    );
  };
  if (!(width >= 1 && height >= 1)) throw invalid(path, `it is ${width} x ${height} pixels large`);
  const real = format === 3;
  if (![1, 8, 16].includes(bits) && !(real && (bits === 32 || bits === 64)))
    refuse(`it has ${real ? 'reals' : 'integers'} of ${bits} bits`);
  if (page.type === 0 && real) refuse('it has reals of which 0 is white');
  if (bits === 16 && real) refuse('it has reals of 16 bits');
  if (samples > 1 && page.planarConfiguration === 2)
    refuse('its channels are apart from each other (planar configuration 2)');
  if (samples > 1 && page.tiled) refuse('it has tiles of several channels');
  if (page.predictor > 2) refuse('it has differences of the bytes of reals (predictor 3)');
  if (bits === 1 && page.fillOrder === 2) refuse('it has bits from right to left (fill order 2)');
  if (page.associatedAlpha) refuse('its colours are multiplied by their transparency');
  if (!page.tiled && page.stripOffsets.length * page.rowsPerStrip < height)
    throw unreadable(path, 'it is damaged: strips are missing');
}

/**
 * Differences from pixel to pixel (predictor 2) begin anew in each tile; the library sums them up over whole rows. What a tile has too much
 * is what the row comes to before it; numbers wrap around as in the file.
 */
function withoutOtherTiles({ data, width, tileWidth = width }: TiffIfd): void {
  for (let row = 0; row < data.length; row += width) {
    for (let tile = Math.ceil(width / tileWidth) - 1; tile > 0; tile--) {
      const before = data[row + tile * tileWidth - 1];
      const end = Math.min((tile + 1) * tileWidth, width);
      for (let x = tile * tileWidth; x < end; x++) data[row + x] -= before;
    }
  }
}

/** The numbers of a page as they are stored, one channel after another. */
function numbersOf(path: string, page: TiffIfd): Float32Array<ArrayBuffer> {
  const { data, bitsPerSample: bits, sampleFormat: format, type } = page;
  const signed = format === 2;
  const { buffer, byteOffset, length } = data;
  const stored = signed
    ? bits === 8
      ? new Int8Array(buffer, byteOffset, length)
      : new Int16Array(buffer, byteOffset, length)
    : data;
  // The library turns greys of which 0 is white; nnU-Net's readers do not.
  if (type === 0) for (let i = 0; i < data.length; i++) data[i] = 2 ** bits - 1 - data[i];
  if (length !== page.width * page.height * page.samplesPerPixel)
    throw unreadable(path, 'it is damaged: pixels are missing');
  if (page.tiled && page.predictor === 2) withoutOtherTiles(page);
  return planes(stored, page.samplesPerPixel);
}

const sidecarSchema = v.object({ spacing: v.pipe(v.array(v.pipe(v.number(), v.finite(), v.gtValue(0))), v.length(3)) });

/** The spacing of a volume's slices, which nnU-Net keeps beside the file: `CASE.json` of `CASE_0000.tif` and of labels `CASE.tif`. */
async function spacingBeside(path: string, role: Role): Promise<readonly number[]> {
  const stem = path.slice(0, -extname(path).length);
  const beside = `${role === 'image' ? stem.replace(/_\d{4}$/, '') : stem}.json`;
  let text: string;
  try {
    text = (await readRegular(beside)).toString('utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [1, 1, 1];
    throw unreadable(beside, readFault(cause), cause);
  }
  try {
    return v.parse(sidecarSchema, JSON.parse(text)).spacing;
  } catch {
    throw invalid(beside, 'it must be {"spacing": [z, y, x]}, in mm');
  }
}

/**
 * Reads a file's bytes. Palettes give the numbers that are stored, for either role.
 *
 * @throws SutureError `data-unreadable`, `data-invalid`.
 */
export async function parseTiff(path: string, bytes: Uint8Array, role: Role): Promise<Volume> {
  const count = pagesOf(path, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  const decoded = (ignoreImageData: boolean): TiffIfd[] => {
    try {
      return decode(bytes, { ignoreImageData });
    } catch (cause) {
      const { message } = cause as Error;
      const what = message.startsWith('Unsupported')
        ? `are of a kind that is not read (${message})`
        : 'are cut off or damaged';
      throw unreadable(path, `its TIFF data ${what}; write it anew as LZW or deflate, or as PNG or NIfTI`, cause);
    }
  };
  const described = decoded(true);
  for (const page of described) requireReadable(path, page);
  const [{ width, height, samplesPerPixel: channels }] = described as [TiffIfd];
  for (const [page, { width: w, height: h, samplesPerPixel: c }] of described.entries()) {
    if (w === width && h === height && c === channels) continue;
    throw invalid(
      path,
      `its page ${page} is of ${w} x ${h} pixels and ${c} channels, and the first of ${width} x ${height} and ${channels}; pages are the slices of one volume`,
    );
  }
  const size = width * height;
  const voxels = size * channels * count;
  const wide = Math.max(...described.map(({ bitsPerSample: bits }) => bits ?? 1)) / 8;
  requireHeld(path, { stored: voxels * wide, taken: voxels * (wide + 8), length: bytes.length, compressed: true });
  const data = new Float32Array(voxels);
  for (const [index, page] of decoded(false).entries()) {
    const numbers = numbersOf(path, page);
    for (let channel = 0; channel < channels; channel++) {
      data.set(numbers.subarray(channel * size, (channel + 1) * size), (channel * count + index) * size);
    }
  }
  const spacing = count === 1 ? [999, 1, 1] : await spacingBeside(path, role);
  return { data, shape: [channels, count, height, width], spacing, geometry: { kind: 'pixels' } };
}
