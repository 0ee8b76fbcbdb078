import { decode } from 'fast-png';
import { expect, it } from 'vitest';
import { pngOf } from '../../../../src/report/html/png.ts';

const numbers = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 37) % 256);

it.each([1, 3] as const)('a picture of %i numbers a pixel is read as what it is of', channels => {
  const data = numbers(5 * 3 * channels);
  const read = decode(pngOf({ width: 5, height: 3, channels, data }), { checkCrc: true });
  expect(read).toMatchObject({ width: 5, height: 3, channels, depth: 8 });
  expect([...read.data]).toEqual([...data]);
});

it('a picture with a palette is read with its colours and their opacity', () => {
  const data = Uint8Array.of(0, 2, 1, 1, 0, 2);
  const palette = [
    [0, 0, 0, 0],
    [230, 159, 0, 120],
    [213, 94, 0, 255],
  ] as const;
  const read = decode(pngOf({ width: 2, height: 3, channels: 1, data, palette }), { checkCrc: true });
  expect([...read.data]).toEqual([...data]);
  expect(read.palette).toEqual(palette);
});
