/** PNG files, compressed by zlib itself: pages are full of them, and a compressor in JavaScript takes six times as long for five times the bytes. */
import { crc32, deflateSync } from 'node:zlib';

/** Red, green, blue and opacity, each to 255. */
export type Rgba = readonly [red: number, green: number, blue: number, opacity: number];

export interface Picture {
  readonly width: number;
  readonly height: number;
  /** Of one number a pixel its place in the palette where there is one, else its grey; of three red, green and blue. */
  readonly channels: 1 | 3;
  /** Row by row, the numbers of a pixel beside each other. */
  readonly data: Uint8Array;
  readonly palette?: readonly Rgba[];
}

const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

function chunk(type: string, data: Uint8Array): Buffer {
  const bytes = Buffer.alloc(12 + data.length);
  bytes.writeUInt32BE(data.length, 0);
  bytes.write(type, 4, 'latin1');
  bytes.set(data, 8);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, 8 + data.length)), 8 + data.length);
  return bytes;
}

/** A PNG file of 8 bits a number (ISO/IEC 15948). */
export function pngOf({ width, height, channels, data, palette }: Picture): Uint8Array {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, palette ? 3 : channels === 1 ? 0 : 2], 8);
  // Each row begins with how it is filtered: not at all.
  const row = width * channels;
  const rows = new Uint8Array(height * (row + 1));
  for (let y = 0; y < height; y++) rows.set(data.subarray(y * row, (y + 1) * row), y * (row + 1) + 1);
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    ...(palette
      ? [
          chunk('PLTE', Uint8Array.from(palette.flatMap(colour => colour.slice(0, 3)))),
          chunk(
            'tRNS',
            Uint8Array.from(palette, ([, , , opacity]) => opacity),
          ),
        ]
      : []),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', new Uint8Array()),
  ]);
}
