/**
 * NumPy's archives read from a file, entry by entry: of any size that memory holds, zip64 too, which Python writes from 2 GiB on. What is
 * not asked for is not unpacked, and sizes are compared with the memory that is free before anything is.
 */
import { constants } from 'node:buffer';
import type { FileHandle } from 'node:fs/promises';
import { promisify } from 'node:util';
import { type Entry, fromFd, type Options, type ZipFile } from 'yauzl';
import { sum } from '../../ir/numbers.ts';
import { gibibytes } from '../execution/room.ts';
import { crc32 } from './crc32.ts';
import { FormatError, type NpyArray } from './npy.ts';
import { archiveFault, arrayName, arrayOf, type Npz, noArchive, requireRoom } from './npz.ts';

const open = promisify<number, Options, ZipFile>(fromFd);

/** Everything an archive holds, in its order. */
const entriesOf = (zip: ZipFile): Promise<readonly Entry[]> =>
  new Promise((resolve, reject) => {
    const entries: Entry[] = [];
    zip.on('entry', (entry: Entry) => {
      entries.push(entry);
      zip.readEntry();
    });
    zip.on('end', () => resolve(entries));
    zip.on('error', reject);
    zip.readEntry();
  });

/** The array of an entry. @throws FormatError where it is not what the archive states, or cannot be read. */
async function unpacked(zip: ZipFile, entry: Entry, name: string): Promise<NpyArray> {
  const stream = await promisify<Entry, NodeJS.ReadableStream>(zip.openReadStream.bind(zip))(entry);
  const bytes = new Uint8Array(entry.uncompressedSize);
  let [at, checksum] = [0, 0];
  for await (const chunk of stream as AsyncIterable<Uint8Array>) {
    bytes.set(chunk, at);
    at += chunk.length;
    checksum = crc32(chunk, checksum);
  }
  return arrayOf(name, bytes, checksum === entry.crc32, true);
}

/** @throws FormatError for an array that is longer than one may be here. */
function requireLength(bytes: number): void {
  if (bytes <= constants.MAX_LENGTH) return;
  throw new FormatError(
    `an array of it takes ${gibibytes(bytes)} unpacked, and one may take ${gibibytes(constants.MAX_LENGTH)} here; split it into several files`,
  );
}

/**
 * Reads an archive from a file that is open.
 *
 * @param only the arrays to read; others are not even unpacked.
 * @returns the arrays, and the names of all that there are.
 * @throws FormatError saying what is wrong with it: no zip, cut off, damaged, an unreadable array, more than fits into memory.
 */
export async function readNpz(
  file: FileHandle,
  only: ReadonlySet<string>,
): Promise<{ readonly arrays: Npz; readonly names: readonly string[] }> {
  const { buffer } = await file.read(Buffer.alloc(2), 0, 2, 0);
  if (buffer.toString('latin1') !== 'PK') throw noArchive();
  try {
    const zip = await open(file.fd, { lazyEntries: true, autoClose: false });
    const found = new Map<string, Entry>();
    for (const entry of await entriesOf(zip)) {
      const name = arrayName(entry.fileName);
      if (name === undefined) continue;
      if (found.has(name)) throw new FormatError(`it holds "${entry.fileName}" twice`);
      found.set(name, entry);
    }
    const wanted = [...found].filter(([name]) => only.has(name));
    const sizes = wanted.map(([, entry]) => entry.uncompressedSize);
    requireLength(Math.max(0, ...sizes));
    requireRoom(sum(sizes));
    const arrays = new Map<string, NpyArray>();
    for (const [name, entry] of wanted) arrays.set(name, await unpacked(zip, entry, name));
    return { arrays, names: [...found.keys()] };
  } catch (cause) {
    throw archiveFault(cause);
  }
}
