import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { strToU8, zipSync } from 'fflate';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { FormatError, formatNpy, npyArray } from '../../../src/data/npy.ts';
import { formatNpz, parseNpz } from '../../../src/data/npz.ts';
import { readNpz } from '../../../src/data/npz-file.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'suture-npz-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));
afterEach(() => vi.unstubAllEnvs());

async function read(bytes: Uint8Array, ...names: string[]) {
  const path = join(folder, 'x.npz');
  await writeFile(path, bytes);
  const file = await open(path);
  try {
    return await readNpz(file, new Set(names));
  } finally {
    await file.close();
  }
}

const images = npyArray(Float32Array.of(1, 2, 3), [3, 1]);
const labels = npyArray(BigInt64Array.of(4n, 5n, 6n), [3]);
const archive = () => formatNpz({ images, labels });

/** One stored array as Python writes what it takes for large: sizes and place in zip64 fields (APPNOTE 4.5.3, 4.3.14, 4.3.15). */
function zip64(name: string, content: Uint8Array): Uint8Array {
  const plain = zipSync({ [name]: [content, { level: 0 }] });
  const view = new DataView(plain.buffer, plain.byteOffset);
  const central = view.getUint32(plain.length - 22 + 16, true);
  const entry = plain.slice(central, plain.length - 22);
  const at = new DataView(entry.buffer);
  const extra = new DataView(new ArrayBuffer(28));
  extra.setUint16(0, 1, true);
  extra.setUint16(2, 24, true);
  extra.setBigUint64(4, BigInt(content.length), true);
  extra.setBigUint64(12, BigInt(content.length), true);
  for (const field of [20, 24, 42]) at.setUint32(field, 0xffffffff, true);
  at.setUint16(30, 28, true);
  const end = new DataView(new ArrayBuffer(56 + 20 + 22));
  const size = entry.length + 28;
  end.setUint32(0, 0x06064b50, true);
  end.setBigUint64(4, 44n, true);
  end.setBigUint64(24, 1n, true);
  end.setBigUint64(32, 1n, true);
  end.setBigUint64(40, BigInt(size), true);
  end.setBigUint64(48, BigInt(central), true);
  end.setUint32(56, 0x07064b50, true);
  end.setBigUint64(64, BigInt(central + size), true);
  end.setUint32(72, 1, true);
  end.setUint32(76, 0x06054b50, true);
  for (const field of [84, 86]) end.setUint16(field, 0xffff, true);
  for (const field of [88, 92]) end.setUint32(field, 0xffffffff, true);
  return Buffer.concat([plain.subarray(0, central), entry, new Uint8Array(extra.buffer), new Uint8Array(end.buffer)]);
}

describe('readNpz', () => {
  it('reads what is asked for as from memory, and names the rest', async () => {
    const { arrays, names } = await read(archive(), 'images', 'labels');
    expect(names).toEqual(['images', 'labels']);
    expect(arrays).toEqual(parseNpz(archive()));
    expect([...(await read(archive(), 'labels')).arrays.keys()]).toEqual(['labels']);
  });

  it('reads zip64', async () => {
    const { arrays } = await read(zip64('images.npy', formatNpy(images)), 'images');
    expect(arrays.get('images')).toEqual(images);
  });

  it('compares what arrays unpack to with what memory may be taken', async () => {
    const bomb = zipSync({ 'images.npy': new Uint8Array(3 * 2 ** 20) }, { level: 9 });
    expect(bomb.length).toBeLessThan(20_000);
    vi.stubEnv('SUTURE_MEMORY_GIB', '0.002');
    await expect(read(bomb, 'images')).rejects.toThrow(/unpacked, and there are .* of free memory.*SUTURE_MEMORY_GIB/);
    expect((await read(bomb)).names).toEqual(['images']);
    vi.stubEnv('SUTURE_MEMORY_GIB', '0.004');
    await expect(read(bomb, 'images')).rejects.toThrow(/not a NumPy array/);
  });

  it('does not unpack more than the archive states', async () => {
    const bytes = zipSync({ 'images.npy': new Uint8Array(2 ** 20) }, { level: 9 });
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const central = view.getUint32(bytes.length - 22 + 16, true);
    view.setUint32(central + 24, 100, true);
    await expect(read(bytes, 'images')).rejects.toThrow(FormatError);
  });

  it('refuses what is no archive, is cut off, or holds a name twice', async () => {
    await expect(read(strToU8('hello'), 'images')).rejects.toThrow(/not a zip archive/);
    await expect(read(new Uint8Array(0), 'images')).rejects.toThrow(/not a zip archive/);
    const twice = zipSync({ 'a.npy': new Uint8Array(3), 'b.npy': new Uint8Array(3) });
    const renamed = Buffer.from(Buffer.from(twice).toString('latin1').replaceAll('b.npy', 'a.npy'), 'latin1');
    await expect(read(renamed, 'a')).rejects.toThrow(/holds "a.npy" twice/);
    const whole = archive();
    for (let length = 0; length < whole.length; length += 7) {
      await expect(read(whole.subarray(0, length), 'images'), `${length} bytes`).rejects.toThrow(FormatError);
    }
  });

  it('survives any damage: the same array, or a FormatError', async () => {
    const whole = archive();
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
        const damaged = whole.slice();
        damaged[at] ^= change;
        const found = await read(damaged, 'images').catch((error: unknown) => error);
        if (found instanceof Error) expect(found).toBeInstanceOf(FormatError);
        else {
          const array = (found as Awaited<ReturnType<typeof read>>).arrays.get('images');
          if (array) expect([...array.data]).toEqual([1, 2, 3]);
        }
      }),
      { numRuns: 300 },
    );
  });
});
