/** Image files against what nibabel, scikit-image and tifffile made of them (fixtures/volumes.json), and files that must be refused. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { encode } from 'fast-png';
import { describe, expect, it } from 'vitest';
import { readVolume, writeLabels } from '../../../src/volumes/files.ts';
import type { Geometry, Role } from '../../../src/volumes/volume.ts';
import { scratch } from '../cli/support.ts';

interface Entry {
  readonly name: string;
  readonly file: string;
  readonly role: Role;
  readonly shape: readonly number[];
  readonly spacing: readonly number[];
  readonly affine?: readonly (readonly number[])[];
  readonly values: readonly number[];
  readonly bytes: string;
}

const entries = JSON.parse(await readFile('fixtures/volumes.json', 'utf8')) as readonly Entry[];
const bytesOf = (name: string): Buffer => Buffer.from(entries.find(each => each.name === name)!.bytes, 'base64');

/** A file of these bytes. */
async function file(name: string, bytes: Uint8Array): Promise<string> {
  const path = join(await scratch(), name);
  await writeFile(path, bytes);
  return path;
}

describe('readVolume', () => {
  it.each(entries)('reads $name', async ({ file: name, role, shape, spacing, affine, values, bytes }) => {
    const volume = await readVolume(await file(name, Buffer.from(bytes, 'base64')), role);
    expect(volume.shape).toEqual(shape);
    expect(Array.from(volume.data)).toEqual(values);
    for (const [axis, mm] of spacing.entries()) expect(volume.spacing[axis]).toBeCloseTo(mm, 5);
    if (!affine) return;
    const found = (volume.geometry as Extract<Geometry, { kind: 'nifti' }>).affine;
    for (const [row, line] of affine.entries()) {
      for (const [column, value] of line.entries()) expect(found[row][column]).toBeCloseTo(value, 4);
    }
  });

  it('reads interlaced PNG', async () => {
    const data = Uint8Array.from({ length: 9 * 13 }, (_, i) => (i * 7) % 256);
    const png = encode({ width: 13, height: 9, data, channels: 1, depth: 8 }, { interlace: 'Adam7' });
    expect(Array.from((await readVolume(await file('a.png', png))).data)).toEqual(Array.from(data));
  });

  it("takes the spacing of a TIFF volume from nnU-Net's file beside it", async () => {
    const folder = await scratch();
    await writeFile(join(folder, 'case_0001.tif'), bytesOf('TIFF pages'));
    await writeFile(join(folder, 'case.json'), '{"spacing": [3, 0.5, 0.7]}');
    expect((await readVolume(join(folder, 'case_0001.tif'))).spacing).toEqual([3, 0.5, 0.7]);
    await writeFile(join(folder, 'case.json'), '{"spacing": [3, 0]}');
    await expect(readVolume(join(folder, 'case_0001.tif'))).rejects.toThrow(/case.json: it must be \{"spacing"/);
  });
});

describe('what is refused', () => {
  /** Plain NIfTI-1 with some bytes of its header changed. */
  const changed = (change: (view: DataView, bytes: Buffer) => void, name = 'plain with a matrix'): Buffer => {
    const bytes = Buffer.from(bytesOf(name));
    change(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), bytes);
    return bytes;
  };
  const shape = (...dims: readonly number[]): Buffer =>
    changed(view => {
      for (const [at, dim] of dims.entries()) view.setInt16(40 + 2 * at, dim, true);
    });
  const compressed = bytesOf('little i2 NIfTI-1');
  const huge = shape(3, 32767, 32767, 32767);

  it.each<[what: string, file: string, bytes: Uint8Array, message: RegExp]>([
    ['a truncated gzip', 'a.nii.gz', compressed.subarray(0, -9), /a\.nii\.gz: its gzip data are cut off; copy/],
    ['a gzip without its checksum', 'a.nii.gz', compressed.subarray(0, -4), /cut off/],
    [
      'a damaged gzip',
      'a.nii.gz',
      compressed.map((byte, at) => (at === compressed.length - 5 ? byte ^ 1 : byte)),
      /damaged/,
    ],
    ['a wrong magic', 'a.nii', changed((_, bytes) => bytes.fill(0, 344, 348)), /no NIfTI file/],
    ['a header of a pair', 'a.nii', changed((_, bytes) => bytes.write('ni1', 344)), /\.hdr and \.img/],
    ['an empty file', 'a.nii', new Uint8Array(), /it has 0 bytes/],
    [
      'too few voxels',
      'a.nii',
      bytesOf('plain with a matrix').subarray(0, -1),
      /cut off: its header declares 48 bytes .* 47/,
    ],
    ['four axes', 'a.nii', shape(4, 4, 3, 1, 2), /4 axes \(4 x 3 x 1 x 2 voxels\); write each/],
    ['one axis', 'a.nii', shape(1, 24), /1 axes \(24 voxels\), and must have 2 or 3/],
    ['an axis of nothing', 'a.nii', shape(3, 4, 0, 2), /4 x 0 x 2/],
    ['more axes than there are', 'a.nii', shape(9), /9 axes/],
    ['complex numbers', 'a.nii', changed(view => view.setInt16(70, 32, true)), /complex numbers/],
    ['an unknown type', 'a.nii', changed(view => view.setInt16(70, 77, true)), /of the type 77/],
    ['voxels within the header', 'a.nii', changed(view => view.setFloat32(108, 3, true)), /at byte 3\./],
    ['70 TB in 400 bytes', 'a.nii', huge, /cut off: it declares 6\d+\.\d GiB of voxels, and has 400 bytes/],
    ['70 TB compressed', 'a.nii.gz', gzipSync(huge), /cut off: it declares/],
    [
      'NaN',
      'a.nii.gz',
      gzipSync(
        gunzipSync(bytesOf('little f4 NIfTI-1')).map((byte, at) =>
          at >= 352 + 4 * 17 && at < 352 + 4 * 18 ? 255 : byte,
        ),
      ),
      /the voxel at x 1, y 1, z 1 is NaN, and must be/,
    ],
    ['no PNG', 'a.png', bytesOf('TIFF u1'), /no PNG file/],
    ['a truncated PNG', 'a.png', bytesOf('colours').subarray(0, -20), /PNG data are cut off or damaged/],
    [
      'a PNG with another byte',
      'a.png',
      bytesOf('colours').map((byte, at) => (at === 60 ? byte ^ 1 : byte)),
      /damaged/,
    ],
    [
      'an interlaced PNG of single bits',
      'a.png',
      bytesOf('colours').map((byte, at) => (at === 24 || at === 28 ? 1 : at === 25 ? 0 : byte)),
      /interlaced with 1 bits for a pixel, which is not read/,
    ],
    [
      'a PNG of 10^18 pixels',
      'a.png',
      bytesOf('colours').map((byte, at) => (at >= 16 && at < 24 ? 0x7f : byte)),
      /cut off: it declares/,
    ],
    ['no TIFF', 'a.tif', bytesOf('colours'), /no TIFF file/],
    ['a truncated TIFF', 'a.tif', bytesOf('TIFF u2').subarray(0, -20), /TIFF data are cut off or damaged/],
    [
      'a TIFF with pages in a circle',
      'a.tif',
      changed((view, bytes) => {
        const first = view.getUint32(4, true);
        bytes.writeUInt32LE(first, first + 2 + 12 * view.getUint16(first, true));
      }, 'TIFF u1'),
      /list of pages without end/,
    ],
    [
      'a TIFF of differences between the bytes of reals',
      'a.tif',
      changed((view, bytes) => {
        const first = view.getUint32(4, true);
        for (let at = first + 2; at < first + 2 + 12 * view.getUint16(first, true); at += 12)
          if (view.getUint16(at, true) === 317) bytes.writeUInt16LE(3, at + 8);
      }, 'TIFF deflate'),
      /differences of the bytes of reals \(predictor 3\), which is not read/,
    ],
    ['another ending', 'a.mha', new Uint8Array(9), /endings, which are \.nii\.gz, \.nii, \.png, \.tif, \.tiff/],
  ])('%s', async (_, name, bytes, message) => {
    await expect(readVolume(await file(name, bytes))).rejects.toThrow(message);
  });

  it('a file that is not there, and a folder', async () => {
    const folder = await scratch();
    await expect(readVolume(join(folder, 'a.png'))).rejects.toThrow(/there is no such file/);
    await writeFile(join(folder, 'x'), '');
    await expect(readVolume(`${folder}/x/a.nii`)).rejects.toMatchObject({ code: 'data-unreadable' });
  });

  it('never by another error than its own, whatever byte is changed', async () => {
    const names = [
      'plain with a matrix',
      'both NIfTI-2',
      'big f4 NIfTI-1',
      'palette',
      'colours',
      'TIFF deflate',
      'TIFF pages',
    ];
    const folder = await scratch();
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...names),
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 }),
        async (name, changes) => {
          const bytes = Buffer.from(bytesOf(name));
          for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
          const path = join(folder, entries.find(each => each.name === name)!.file);
          await writeFile(path, bytes);
          await readVolume(path).catch(cause => expect(cause.code).toMatch(/^data-(unreadable|invalid)$/));
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe('writeLabels', () => {
  const labels = Uint8Array.from({ length: 24 }, (_, i) => i % 5);

  it.each([
    'plain with a matrix',
    'quaternion of half a turn',
    'both NIfTI-2',
    'big f4 NIfTI-1',
    'big i2 NIfTI-2',
    'slope and intercept',
  ])('gives NIfTI labels the geometry of "%s"', async name => {
    const { file: source } = entries.find(each => each.name === name)!;
    const image = await readVolume(await file(source, bytesOf(name)));
    for (const ending of ['.nii', '.nii.gz']) {
      const path = join(await scratch(), `labels${ending}`);
      await writeLabels(path, labels, { shape: image.shape.slice(1), geometry: image.geometry });
      const written = await readVolume(path, 'labels');
      expect(written.data).toEqual(Float32Array.from(labels));
      expect({ shape: written.shape, spacing: written.spacing }).toEqual({
        shape: image.shape,
        spacing: image.spacing,
      });
      expect(written.geometry).toMatchObject({ affine: (image.geometry as { affine?: unknown }).affine });
    }
  });

  it('keeps two axes', async () => {
    const image = await readVolume(await file('a.nii.gz', bytesOf('two axes')));
    const path = join(await scratch(), 'labels.nii.gz');
    await writeLabels(path, labels.subarray(0, 12), { shape: image.shape.slice(1), geometry: image.geometry });
    expect(await readVolume(path)).toMatchObject({ shape: [1, 1, 3, 4], spacing: image.spacing });
  });

  it('takes 16 bits where 8 are too few', async () => {
    const path = join(await scratch(), 'labels.png');
    const wide = Uint16Array.from({ length: 6 }, (_, i) => 100 * i);
    await writeLabels(path, wide, { shape: [1, 2, 3], geometry: { kind: 'pixels' } });
    expect((await readVolume(path)).data).toEqual(Float32Array.from(wide));
  });

  it('refuses what cannot be written, and replaces nothing unasked', async () => {
    const folder = await scratch();
    const pixels = { kind: 'pixels' } as const;
    await expect(writeLabels(join(folder, 'a.png'), labels, { shape: [2, 3, 4], geometry: pixels })).rejects.toThrow(
      /one slice, and there are 2/,
    );
    await expect(writeLabels(join(folder, 'a.nii'), labels, { shape: [2, 3, 4], geometry: pixels })).rejects.toThrow(
      /header of a NIfTI image/,
    );
    await expect(writeLabels(join(folder, 'a.tif'), labels, { shape: [2, 3, 4], geometry: pixels })).rejects.toThrow(
      /labels are written as/,
    );
    await expect(writeLabels(join(folder, 'a.png'), [-1], { shape: [1, 1, 1], geometry: pixels })).rejects.toThrow(
      /the label -1/,
    );
    await writeFile(join(folder, 'b.png'), 'kept');
    await expect(writeLabels(join(folder, 'b.png'), [1], { shape: [1, 1, 1], geometry: pixels })).rejects.toMatchObject(
      {
        code: 'output-exists',
      },
    );
    expect(await readFile(join(folder, 'b.png'), 'utf8')).toBe('kept');
  });
});
