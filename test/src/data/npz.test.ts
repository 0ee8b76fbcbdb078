import fc from 'fast-check';
import { strToU8, zipSync } from 'fflate';
import { parse as npyjsParse } from 'npyjs';
import { describe, expect, it } from 'vitest';
import { product } from '../../../ir/numbers.ts';
import { FormatError, formatNpy, type NpyArray, npyArray, parseNpy } from '../../../src/data/npy.ts';
import { formatNpz, npzNames, parseNpz } from '../../../src/data/npz.ts';

/** An `.npy` file as text header and raw bytes, the way NumPy lays it out. */
function npyFile(dict: string, raw: Uint8Array | readonly number[], version = 1): Uint8Array {
  const header = strToU8(`${dict}\n`);
  const size =
    version === 1 ? [header.length & 255, header.length >> 8] : [header.length & 255, header.length >> 8, 0, 0];
  return Uint8Array.from([0x93, ...strToU8('NUMPY'), version, 0, ...size, ...header, ...raw]);
}

const header = (descr: string, shape: string, fortran = 'False') =>
  `{'descr': '${descr}', 'fortran_order': ${fortran}, 'shape': ${shape}, }`;

const bytesOf = (data: ArrayBufferView) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

const anyShape = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 });
const anyArray: fc.Arbitrary<NpyArray> = anyShape.chain(shape => {
  const length = { minLength: product(shape), maxLength: product(shape) };
  return fc
    .oneof(
      fc.float32Array(length),
      fc.float64Array(length),
      fc.uint8Array(length),
      fc.int16Array(length),
      fc.uint32Array(length),
      fc.int32Array(length),
      fc.bigInt64Array(length),
      fc.bigUint64Array(length),
    )
    .map(data => npyArray(data as NpyArray['data'], shape));
});

describe('npy', () => {
  it('gives back what it wrote, bit for bit', () => {
    fc.assert(
      fc.property(anyArray, array => {
        const read = parseNpy(formatNpy(array));
        expect(read.dtype).toBe(array.dtype);
        expect(read.shape).toEqual(array.shape);
        expect(bytesOf(read.data)).toEqual(bytesOf(array.data));
      }),
    );
  });

  it('writes what another reader reads', () => {
    const written = formatNpy(npyArray(Float32Array.of(1, 2.5, -3, 0, 5, 6), [2, 3]));
    expect(written.length % 64).toBe(24); // NumPy aligns the data to 64 bytes
    expect(npyjsParse(written.buffer)).toMatchObject({ dtype: 'f4', shape: [2, 3], fortranOrder: false });
    expect([...(npyjsParse(written.buffer).data as Float32Array)]).toEqual([1, 2.5, -3, 0, 5, 6]);
  });

  it('reads big-endian numbers', () => {
    const file = npyFile(header('>f4', '(2,)'), [0x3f, 0x80, 0, 0, 0xc0, 0x20, 0, 0]);
    expect(parseNpy(file)).toEqual({ dtype: 'float32', shape: [2], data: Float32Array.of(1, -2.5) });
    expect(parseNpy(npyFile(header('>i8', '(1,)'), [255, 255, 255, 255, 255, 255, 255, 254])).data).toEqual(
      BigInt64Array.of(-2n),
    );
  });

  it('turns Fortran order into C order', () => {
    // numpy.asfortranarray([[[0, 1], [2, 3], [4, 5]]]) lies in memory as 0 2 4 1 3 5
    const file = npyFile(header('|u1', '(1, 3, 2)', 'True'), [0, 2, 4, 1, 3, 5]);
    expect(parseNpy(file)).toEqual({ dtype: 'uint8', shape: [1, 3, 2], data: Uint8Array.of(0, 1, 2, 3, 4, 5) });
  });

  it('reads half precision exactly, subnormal and not finite', () => {
    const bits = Uint16Array.of(0x3c00, 0xc100, 0x0001, 0x03ff, 0x7bff, 0x8000, 0x7c00, 0x7e00);
    const { data } = parseNpy(npyFile(header('<f2', '(8,)'), bytesOf(bits)));
    const infinity = Number.POSITIVE_INFINITY;
    expect([...data]).toEqual([1, -2.5, 2 ** -24, 1023 * 2 ** -24, 65504, -0, infinity, Number.NaN]);
  });

  it('reads scalars, long headers and bools', () => {
    expect(parseNpy(npyFile(header('<i4', '()'), [7, 0, 0, 0], 2))).toEqual({
      dtype: 'int32',
      shape: [],
      data: Int32Array.of(7),
    });
    expect(parseNpy(npyFile(header('|b1', '(2,)'), [1, 0], 3)).dtype).toBe('bool');
  });

  it.each([
    [
      'too few bytes',
      npyFile(header('<f4', '(3,)'), [0, 0, 0, 0]),
      /cut off: float32 \[3\] takes 12 bytes, and there are 4/,
    ],
    ['too many bytes', npyFile(header('|u1', '(1,)'), [0, 0]), /bytes left over/],
    ['a cut header', npyFile(header('|u1', '(1,)'), []).subarray(0, 30), /cut off within its header/],
    ['no header', Uint8Array.of(1, 2, 3), /not a NumPy array/],
    ['a future version', npyFile(header('|u1', '(0,)'), [], 9), /version 9/],
    ['complex numbers', npyFile(header('<c8', '(0,)'), []), /dtype "<c8" cannot be read/],
    ['text', npyFile(header('<U7', '(0,)'), []), /holds text, .* numpy\.unique/],
    ['pickled objects', npyFile(header('|O', '(0,)'), []), /dtype "\|O" cannot be read/],
    ['records', npyFile("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (0,), }", []), /records/],
    ['a broken dictionary', npyFile("{'descr': '<f4'}", []), /header cannot be read/],
  ])('refuses %s', (_, file, message) => {
    expect(() => parseNpy(file)).toThrow(FormatError);
    expect(() => parseNpy(file)).toThrow(message);
  });
});

describe('npz', () => {
  const archive = () =>
    formatNpz({ images: npyArray(Float32Array.of(1, 2), [2]), id: npyArray(Int32Array.of(4), [1]) });

  it('gives back its arrays in order, and the same bytes each time', () => {
    expect([...parseNpz(archive()).keys()]).toEqual(['images', 'id']);
    expect(parseNpz(archive()).get('images')!.data).toEqual(Float32Array.of(1, 2));
    expect(archive()).toEqual(archive());
  });

  it('stores large arrays as they are, for which compression takes minutes', () => {
    const [large, small] = [2 ** 18, 2 ** 17].map(length => npyArray(new Float32Array(length), [length]));
    const bytes = formatNpz({ large, small });
    expect(bytes.length).toBeGreaterThan(2 ** 20);
    expect(bytes.length).toBeLessThan(2 ** 20 + 2 ** 14);
    const found = parseNpz(bytes);
    expect([...found.keys()]).toEqual(['large', 'small']);
    expect(found.get('large')!.data.length).toBe(2 ** 18);
  });

  it('notices a flipped bit in stored data', () => {
    const npy = formatNpy(npyArray(Float32Array.of(1, 2), [2]));
    const stored = zipSync({ 'images.npy': npy }, { level: 0 });
    expect(parseNpz(stored).get('images')!.data).toEqual(Float32Array.of(1, 2));
    stored[30 + 'images.npy'.length + npy.length - 1] ^= 1;
    expect(() => parseNpz(stored)).toThrow(/array "images" is damaged/);
  });

  it('unpacks what is asked for only, and nothing that could not fit', () => {
    const bytes = archive();
    expect([...parseNpz(bytes, new Set(['id'])).keys()]).toEqual(['id']);
    expect(npzNames(bytes)).toEqual(['images', 'id']);
    // The central directory states the unpacked sizes: here 4 GiB less one byte, which stands for more.
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const at = bytes.findIndex((_, i) => i + 4 <= bytes.length && view.getUint32(i, true) === 0x02014b50);
    view.setUint32(at + 24, 2 ** 32 - 1, true);
    expect(() => parseNpz(bytes)).toThrow(/more than 4 GiB/);
    expect([...parseNpz(bytes, new Set(['id'])).keys()]).toEqual(['id']);
  });

  it('refuses a name that is there twice', () => {
    const bytes = zipSync({ 'a.npy': formatNpy(npyArray(Float32Array.of(1), [1])), 'b.npy': new Uint8Array(3) });
    const renamed = Buffer.from(Buffer.from(bytes).toString('latin1').replaceAll('b.npy', 'a.npy'), 'latin1');
    expect(() => parseNpz(renamed)).toThrow(/holds "a.npy" twice/);
  });

  it('says what is wrong wherever the file is cut, and never gives a part', () => {
    const whole = archive();
    for (let length = 0; length < whole.length; length++) {
      expect(() => parseNpz(whole.subarray(0, length)), `${length} bytes`).toThrow(FormatError);
    }
  });

  it('survives any damage: the same arrays, or a FormatError', () => {
    const whole = archive();
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const damaged = whole.slice();
        damaged[at] ^= change;
        let arrays: ReturnType<typeof parseNpz>;
        try {
          arrays = parseNpz(damaged);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
          return;
        }
        for (const [name, array] of arrays) {
          if (name === 'images') expect([...array.data]).toEqual([1, 2]);
        }
      }),
      { numRuns: 500 },
    );
  });
});
