/** PNG: images of two dimensions, grey, coloured or by a palette, of up to 16 bits. */
import { type DecodedPng, decode, encode } from 'fast-png';
import { invalid, type Role, requireHeld, unreadable, type Volume } from './volume.ts';

const signature = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/** Channels by the header's colour type. */
const channelsOf: { readonly [type: number]: number } = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

/** One number for each sample, unpacked from fewer than 8 bits where it is: rows begin with a byte of their own. */
function samplesOf({ data, width, height, channels, depth }: DecodedPng): ArrayLike<number> {
  if (depth >= 8) return data;
  const samples = new Uint8Array(width * height * channels);
  const [row, each] = [width * channels, 8 / depth];
  const rowBytes = Math.ceil(row / each);
  for (let i = 0; i < samples.length; i++) {
    const at = i % row;
    const byte = data[Math.floor(i / row) * rowBytes + Math.floor(at / each)];
    samples[i] = (byte >> (8 - depth * ((at % each) + 1))) & (2 ** depth - 1);
  }
  return samples;
}

/** Interleaved channels one after another. */
export function planes(samples: ArrayLike<number>, channels: number): Float32Array<ArrayBuffer> {
  const size = samples.length / channels;
  const data = new Float32Array(samples.length);
  for (let channel = 0; channel < channels; channel++) {
    for (let i = 0; i < size; i++) data[channel * size + i] = samples[i * channels + channel];
  }
  return data;
}

/** The colours of a palette: one channel where all are grey. */
function coloured(
  path: string,
  indices: ArrayLike<number>,
  palette: readonly (readonly number[])[],
): Float32Array<ArrayBuffer>[] {
  const grey = palette.every(([red, green, blue]) => red === green && green === blue);
  return Array.from({ length: grey ? 1 : 3 }, (_, channel) =>
    Float32Array.from(indices, index => {
      const colour = palette[index];
      if (!colour) throw unreadable(path, `a pixel has the colour ${index} of a palette of ${palette.length}`);
      return colour[channel];
    }),
  );
}

/**
 * Reads a file's bytes. As images, greys of fewer than 8 bits are spread over 0 to 255, and palettes give colours (their transparency is
 * left out); as labels, both give the numbers that are stored.
 *
 * @throws SutureError `data-unreadable`, `data-invalid`.
 */
export function parsePng(path: string, bytes: Uint8Array, role: Role): Volume {
  if (signature.some((byte, at) => bytes[at] !== byte))
    throw unreadable(path, 'it is no PNG file: its first bytes are others');
  if (bytes.length < 33) throw unreadable(path, 'it is cut off: a PNG file has a header of 33 bytes');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [width, height, depth, type] = [view.getUint32(16), view.getUint32(20), view.getUint8(24), view.getUint8(25)];
  const count = width * height * (channelsOf[type] ?? 1);
  if (count === 0) throw invalid(path, `it is ${width} x ${height} pixels large`);
  if (depth < 8 && view.getUint8(28) === 1)
    throw invalid(
      path,
      `it is interlaced with ${depth} bits for a pixel, which is not read; write it without interlacing`,
    );
  requireHeld(path, { stored: (count * depth) / 8, taken: 8 * count, length: bytes.length, compressed: true });
  let png: DecodedPng;
  try {
    png = decode(bytes, { checkCrc: true });
  } catch (cause) {
    throw unreadable(path, 'its PNG data are cut off or damaged; copy the file anew', cause);
  }
  const samples = samplesOf(png);
  const { palette, channels } = png;
  const shaped = (data: Float32Array<ArrayBuffer>): Volume => ({
    data,
    shape: [data.length / (width * height), 1, height, width],
    spacing: [999, 1, 1],
    geometry: { kind: 'pixels' },
  });
  if (palette && role === 'image') {
    const colours = coloured(path, samples, palette);
    const data = new Float32Array(colours.length * width * height);
    for (const [channel, plane] of colours.entries()) data.set(plane, channel * width * height);
    return shaped(data);
  }
  const data = planes(samples, channels);
  if (role === 'image' && depth < 8) for (let i = 0; i < data.length; i++) data[i] *= 255 / (2 ** depth - 1);
  return shaped(data);
}

/** Labels of at most 16 bits as greys. */
export const formatPng = (labels: Uint8Array | Uint16Array, width: number, height: number): Uint8Array =>
  encode({ width, height, data: labels, channels: 1, depth: labels instanceof Uint8Array ? 8 : 16 });
