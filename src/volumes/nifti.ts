/** NIfTI-1 and NIfTI-2 in one file, compressed or not (`.nii`, `.nii.gz`): volumes of two or three axes. */
import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { createGunzip, gzip } from 'node:zlib';
import { NIFTI1, NIFTI2 } from 'nifti-reader-js';
import { type Geometry, invalid, requireHeld, unreadable, type Volume } from './volume.ts';

type Header = NIFTI1 | NIFTI2;

/** Where a version has the fields that labels change: byte offsets, and how wide numbers of either kind are there. */
const layouts = {
  1: {
    size: 348,
    magic: 344,
    type: 70,
    bits: 72,
    offset: 108,
    slope: 112,
    inter: 116,
    range: 124,
    intent: 68,
    wide: false,
  },
  2: {
    size: 540,
    magic: 4,
    type: 12,
    bits: 14,
    offset: 168,
    slope: 176,
    inter: 184,
    range: 192,
    intent: 504,
    wide: true,
  },
} as const;
type Version = keyof typeof layouts;

/** After the header four bytes say whether extensions follow; labels have none. */
const extensionFlag = 4;

const pieceBytes = 2 ** 18;

/** Bytes of a voxel and how it is read, by NIfTI's datatype codes. */
const types: ReadonlyMap<
  number,
  readonly [bytes: number, read: (view: DataView, at: number, little: boolean) => number]
> = new Map([
  [2, [1, (view, at) => view.getUint8(at)]],
  [256, [1, (view, at) => view.getInt8(at)]],
  [4, [2, (view, at, little) => view.getInt16(at, little)]],
  [512, [2, (view, at, little) => view.getUint16(at, little)]],
  [8, [4, (view, at, little) => view.getInt32(at, little)]],
  [768, [4, (view, at, little) => view.getUint32(at, little)]],
  [1024, [8, (view, at, little) => Number(view.getBigInt64(at, little))]],
  [1280, [8, (view, at, little) => Number(view.getBigUint64(at, little))]],
  [16, [4, (view, at, little) => view.getFloat32(at, little)]],
  [64, [8, (view, at, little) => view.getFloat64(at, little)]],
]);

/** Names of the types that are no numbers of their own, for messages. */
const unusable: { readonly [code: number]: string } = {
  1: 'single bits',
  32: 'complex numbers',
  128: 'colours (RGB24)',
  1536: '128-bit floats',
  1792: 'complex numbers',
  2048: 'complex numbers',
  2304: 'colours (RGBA32)',
};

function versionOf(path: string, bytes: Uint8Array): Version {
  if (bytes.length < layouts[1].size) {
    throw unreadable(
      path,
      `it has ${bytes.length} bytes, and the header of a NIfTI file alone has ${layouts[1].size}; copy the file anew`,
    );
  }
  const text = (at: number): string => Buffer.from(bytes.subarray(at, at + 3)).toString('latin1');
  if (text(layouts[1].magic) === 'n+1') return 1;
  if (text(layouts[2].magic) === 'n+2') return 2;
  if (text(layouts[1].magic) === 'ni1' || text(layouts[2].magic) === 'ni2') {
    throw unreadable(path, 'it is the header of a pair (.hdr and .img); convert the pair to one .nii.gz');
  }
  throw unreadable(path, 'it is no NIfTI file: there is no "n+1" or "n+2" where the header has it');
}

function parsed(path: string, bytes: Uint8Array<ArrayBuffer>, version: Version): Header {
  const header = version === 1 ? new NIFTI1() : new NIFTI2();
  try {
    // Of exactly the header: the reader looks for extensions in what follows.
    header.readHeader(bytes.slice(0, layouts[version].size).buffer);
  } catch {
    throw unreadable(path, `its NIfTI header does not begin with its size, ${layouts[version].size}`);
  }
  return header;
}

/** Extents in the file's order (x, y, z), trailing ones past the third left out. */
function extentsOf(path: string, { dims }: Header): readonly number[] {
  const rank = dims[0];
  if (!(rank >= 1 && rank <= 7)) throw unreadable(path, `its NIfTI header says that it has ${rank} axes`);
  const extents = dims.slice(1, rank + 1);
  while (extents.length > 3 && extents.at(-1)! === 1) extents.pop();
  if (extents.some(extent => !(extent >= 1))) {
    throw invalid(path, `its axes are of ${extents.join(' x ')} voxels, and each must have one at least`);
  }
  if (extents.length === 2 || extents.length === 3) return extents;
  const what = `it has ${extents.length} axes (${extents.join(' x ')} voxels)`;
  throw invalid(
    path,
    extents.length > 3 ? `${what}; write each of its volumes to a file of its own` : `${what}, and must have 2 or 3`,
  );
}

/** mm in the unit that a header states; unknown ones are taken as mm. */
const millimetres = ({ xyzt_units: units }: Header): number => ({ 1: 1000, 3: 0.001 })[units & 7] ?? 1;

function spacingOf(header: Header, axes: number): readonly number[] {
  const scale = millimetres(header);
  const spacing = Array.from({ length: axes }, (_, axis) => {
    const size = header.pixDims[axis + 1];
    return scale * (Number.isFinite(size) && size !== 0 ? Math.abs(size) : 1);
  }).reverse();
  // So much is a third axis of nothing to nnU-Net: never one to resample along.
  return axes === 2 ? [999 * Math.max(...spacing), ...spacing] : spacing;
}

/** What numbers are multiplied by and what is added then; a slope of 0 or of no number means neither. */
function scalingOf({ scl_slope: slope, scl_inter: inter }: Header): readonly [slope: number, inter: number] {
  if (slope === 0 || !Number.isFinite(slope)) return [1, 0];
  return [slope, Number.isFinite(inter) ? inter : 0];
}

/** The quaternion where it is what counts, else the matrix. The reader's own matrix of a quaternion is NaN for many half turns. */
const affineOf = (header: Header): number[][] =>
  header.qform_code > 0 && header.sform_code < header.qform_code ? header.getQformMat() : header.affine;

/** The file's bytes piece by piece. A stream of Node's would close the file that it is given. */
async function* piecesOf(file: FileHandle): AsyncGenerator<Uint8Array> {
  for (let at = 0; ; ) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(pieceBytes), 0, pieceBytes, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

/** What gzip's pieces hold, piece by piece. */
async function* unzipped(path: string, pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const source = Readable.from(pieces, { objectMode: false });
  const gunzip = createGunzip({ chunkSize: pieceBytes });
  source.on('error', cause => gunzip.destroy(cause));
  try {
    yield* source.pipe(gunzip) as AsyncIterable<Uint8Array>;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'Z_BUF_ERROR') throw unreadable(path, 'its gzip data are cut off; copy the file anew', cause);
    if (code?.startsWith('Z_')) throw unreadable(path, 'its gzip data are damaged; copy the file anew', cause);
    throw cause;
  } finally {
    source.destroy();
  }
}

/** The bytes of `of` from `first` on, fewer where the file has no more. */
async function part(
  pieces: AsyncIterable<Uint8Array>,
  { first, of, whole }: { first: number; of: number; whole: boolean },
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(of);
  let [seen, filled] = [0, 0];
  for await (const piece of pieces) {
    const wanted = piece.subarray(Math.max(0, first + filled - seen), Math.max(0, first + of - seen));
    bytes.set(wanted, filled);
    filled += wanted.length;
    seen += piece.length;
    // The end of a compressed file holds its checksum.
    if (filled === of && !whole) break;
  }
  return bytes.subarray(0, filled);
}

/**
 * Reads a file that is open.
 *
 * @throws SutureError `data-unreadable` (wrong magic, cut off, damaged), `data-invalid` (axes or types that are no volume).
 */
export async function readNifti(path: string, file: FileHandle): Promise<Volume> {
  const { size: length } = await file.stat();
  const { buffer: start } = await file.read(new Uint8Array(2), 0, 2, 0);
  const compressed = start[0] === 0x1f && start[1] === 0x8b;
  const pieces = (): AsyncIterable<Uint8Array> => (compressed ? unzipped(path, piecesOf(file)) : piecesOf(file));

  const head = await part(pieces(), { first: 0, of: layouts[2].size, whole: false });
  const version = versionOf(path, head);
  const header = parsed(path, head, version);
  const type = types.get(header.datatypeCode);
  if (!type) {
    const name = unusable[header.datatypeCode] ?? `of the type ${header.datatypeCode}`;
    throw invalid(path, `its voxels are ${name}, and must be integers or real numbers`);
  }
  const [bytes, read] = type;
  const extents = extentsOf(path, header);
  const count = extents.reduce((product, extent) => product * extent, 1);
  const stored = count * bytes;
  requireHeld(path, { stored, taken: stored + 4 * count, length, compressed });
  const { vox_offset: first, littleEndian } = header;
  if (!(first >= layouts[version].size)) {
    throw unreadable(path, `its NIfTI header says that the voxels begin within it, at byte ${first}`);
  }

  const body = await part(pieces(), { first, of: stored, whole: true });
  if (body.length < stored) {
    throw unreadable(
      path,
      `it is cut off: its header declares ${stored} bytes of voxels, and ${body.length} are there`,
    );
  }
  const view = new DataView(body.buffer);
  const [slope, inter] = scalingOf(header);
  const data = new Float32Array(count);
  for (let i = 0; i < count; i++) data[i] = slope * read(view, i * bytes, littleEndian) + inter;
  return {
    data,
    shape: [1, ...(extents.length === 2 ? [1] : []), ...extents.toReversed()],
    spacing: spacingOf(header, extents.length),
    geometry: { kind: 'nifti', header: head.slice(0, layouts[version].size), littleEndian, affine: affineOf(header) },
  };
}

/** Labels of at most 16 bits in the file of a geometry: its header with the type and the scaling of labels. */
export async function formatNifti(
  path: string,
  labels: Uint8Array | Uint16Array,
  geometry: Extract<Geometry, { kind: 'nifti' }>,
): Promise<Uint8Array> {
  const { littleEndian: little } = geometry;
  const layout = layouts[geometry.header.length === layouts[1].size ? 1 : 2];
  const first = layout.size + extensionFlag;
  const bytes = new Uint8Array(first + labels.byteLength);
  bytes.set(geometry.header);
  const view = new DataView(bytes.buffer);
  const real = (at: number, value: number): void =>
    layout.wide ? view.setFloat64(at, value, little) : view.setFloat32(at, value, little);
  view.setInt16(layout.type, labels instanceof Uint8Array ? 2 : 512, little);
  view.setInt16(layout.bits, 8 * labels.BYTES_PER_ELEMENT, little);
  if (layout.wide) view.setBigInt64(layout.offset, BigInt(first), little);
  else view.setFloat32(layout.offset, first, little);
  real(layout.slope, 1);
  real(layout.inter, 0);
  // The range of intensities to display, largest first, is not that of labels; neither is what the numbers were meant as.
  real(layout.range, 0);
  real(layout.range + (layout.wide ? 8 : 4), 0);
  if (layout.wide) view.setInt32(layout.intent, 0, little);
  else view.setInt16(layout.intent, 0, little);
  for (let i = 0, at = first; i < labels.length; i++, at += labels.BYTES_PER_ELEMENT) {
    if (labels instanceof Uint8Array) bytes[at] = labels[i];
    else view.setUint16(at, labels[i], little);
  }
  return path.toLowerCase().endsWith('.gz') ? promisify(gzip)(bytes) : bytes;
}
