/**
 * NumPy's archives (`.npz`): a zip file with one `.npy` per array, as `numpy.savez` and `savez_compressed` write them.
 */
import { unzipSync, type ZippableFile, zipSync } from 'fflate';
import { freeBytes, gibibytes } from '../execution/room.ts';
import { crc32 } from './crc32.ts';
import { FormatError, formatNpy, type NpyArray, parseNpy } from './npy.ts';

/** Arrays by name, in the order of the archive. */
export type Npz = ReadonlyMap<string, NpyArray>;

/** Size and signature of the zip format's records (APPNOTE 4.3.12 and 4.3.16). */
const CENTRAL = { signature: 0x02014b50, size: 46 };
const END = { signature: 0x06054b50, size: 22 };

/** An array must take less than this. An entry that is larger than its 32-bit size says states exactly this. */
const maxBytes = 2 ** 32 - 1;

const suffix = '.npy';

/** The name of the array that an entry of an archive holds; undefined where it holds none. */
export const arrayName = (path: string): string | undefined =>
  path.endsWith(suffix) ? path.slice(0, -suffix.length) : undefined;

/** Compares the bytes that arrays take unpacked, as their archive states it, with what there is before any is. @throws FormatError */
export function requireRoom(total: number, free = freeBytes()): void {
  if (total <= free) return;
  throw new FormatError(
    `its arrays take ${gibibytes(total)} unpacked, and there are ${gibibytes(free)} of free memory; split it, or say with ` +
      'SUTURE_MEMORY_GIB how many GiB may be taken',
  );
}

/**
 * The checksum that the archive states for each of its files. The zip library does not compare them, and a flipped bit in
 * stored data would go unnoticed.
 */
function checksums(bytes: Uint8Array): Map<string, number> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let end = bytes.length - END.size;
  while (end >= 0 && view.getUint32(end, true) !== END.signature) end--;
  const stated = new Map<string, number>();
  if (end < 0) return stated;
  let at = view.getUint32(end + 16, true);
  while (at + CENTRAL.size <= end && view.getUint32(at, true) === CENTRAL.signature) {
    const nameLength = view.getUint16(at + 28, true);
    const name = new TextDecoder().decode(bytes.subarray(at + CENTRAL.size, at + CENTRAL.size + nameLength));
    if (stated.has(name)) throw new FormatError(`it holds "${name}" twice`);
    stated.set(name, view.getUint32(at + 16, true));
    at += CENTRAL.size + nameLength + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
  return stated;
}

/** The names of the arrays in an archive, read or not. @throws FormatError */
export const npzNames = (bytes: Uint8Array): readonly string[] =>
  [...checksums(bytes).keys()].flatMap(path => arrayName(path) ?? []);

/** The error for a file that is no archive at all. */
export const noArchive = (): FormatError => new FormatError('it is not a zip archive, which every .npz file is');

/** What went wrong with an archive, in its words or as it is said here. */
export const archiveFault = (cause: unknown): FormatError =>
  cause instanceof FormatError ? cause : new FormatError('the zip archive is cut off or damaged', { cause });

/** An unpacked array. @param isAsStated whether its bytes have the checksum that the archive states. @throws FormatError naming it. */
export function arrayOf(name: string, bytes: Uint8Array, isAsStated: boolean, owned = false): NpyArray {
  if (!isAsStated) {
    throw new FormatError(`the array "${name}" is damaged (its checksum is not the one that the archive states)`);
  }
  try {
    return parseNpy(bytes, { owned });
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw new FormatError(`the array "${name}" cannot be read: ${cause.message}`, { cause });
  }
}

/**
 * Reads an archive.
 *
 * @param only the arrays to read; others are not even unpacked. Default: all.
 * @throws FormatError saying what is wrong with it: no zip, cut off, damaged, an unreadable array, more than fits into memory.
 */
export function parseNpz(bytes: Uint8Array, only?: ReadonlySet<string>): Npz {
  if (bytes.length < 4 || bytes[0] !== 0x50 || bytes[1] !== 0x4b) throw noArchive();
  let files: Record<string, Uint8Array>;
  const free = freeBytes();
  let total = 0;
  try {
    files = unzipSync(bytes, {
      filter({ name, originalSize }) {
        const array = arrayName(name);
        if (array === undefined || only?.has(array) === false) return false;
        if (originalSize >= maxBytes)
          throw new FormatError('an array of it takes more than 4 GiB; split it into several files');
        total += originalSize;
        requireRoom(total, free);
        return true;
      },
    });
  } catch (cause) {
    throw archiveFault(cause);
  }
  const stated = checksums(bytes);
  const arrays = new Map<string, NpyArray>();
  for (const [path, content] of Object.entries(files)) {
    const name = arrayName(path)!;
    const expected = stated.get(path);
    arrays.set(name, arrayOf(name, content, expected === undefined || crc32(content) === expected));
  }
  return arrays;
}

/** Larger arrays are stored as they are: of weights a tenth would be saved, at a second for 3 MB in which nothing else is heard. */
const mostCompressed = 2 ** 20;

/** Writes an archive, compressed but for large arrays. The same arrays give the same bytes: entries carry no time of writing. */
export function formatNpz(arrays: Npz | Record<string, NpyArray>): Uint8Array<ArrayBuffer> {
  const entries = arrays instanceof Map ? [...arrays] : Object.entries(arrays);
  const files = entries.map(([name, array]): [string, ZippableFile] => {
    const bytes = formatNpy(array);
    return [name + suffix, [bytes, { level: bytes.length > mostCompressed ? 0 : 9 }]];
  });
  return zipSync(Object.fromEntries(files), { mtime: new Date(1980, 0, 1) });
}
