/**
 * NumPy's array format (`.npy`, versions 1.0 to 3.0; the specification is NEP 1 and `numpy.lib.format`): one array, as a
 * Python dictionary literal in a header and the raw numbers after it.
 *
 * Every byte order and both memory orders are read; what comes out is always in C order. A file that holds fewer or more
 * numbers than its shape says is an error, never a shorter array.
 */
import { product, stridesOf } from '../../ir/numbers.ts';
import { float16ToNumber } from '../../ir/tensor.ts';

/** An array in C order. `float16` is widened to a Float32Array (exactly), `bool` is a Uint8Array of 0 and 1. */
export interface NpyArray {
  readonly dtype: NpyDtype;
  readonly shape: readonly number[];
  readonly data: NpyData;
}

/** What is wrong with the bytes of an array or archive, in words that fit after "FILE: ". */
export class FormatError extends Error {
  override readonly name = 'FormatError';
}

type View<T> = (buffer: ArrayBuffer, from: number, count: number) => T;

/** NumPy's type code, without the byte order; the bytes of a number; and the numbers from a byte on, as many as asked for. */
const codec = <T>(code: string, bytes: number, view: View<T>) => ({ code, bytes, view });

const CODECS = {
  bool: codec('b1', 1, (b, at, n) => new Uint8Array(b, at, n)),
  int8: codec('i1', 1, (b, at, n) => new Int8Array(b, at, n)),
  uint8: codec('u1', 1, (b, at, n) => new Uint8Array(b, at, n)),
  int16: codec('i2', 2, (b, at, n) => new Int16Array(b, at, n)),
  uint16: codec('u2', 2, (b, at, n) => new Uint16Array(b, at, n)),
  int32: codec('i4', 4, (b, at, n) => new Int32Array(b, at, n)),
  uint32: codec('u4', 4, (b, at, n) => new Uint32Array(b, at, n)),
  int64: codec('i8', 8, (b, at, n) => new BigInt64Array(b, at, n)),
  uint64: codec('u8', 8, (b, at, n) => new BigUint64Array(b, at, n)),
  float16: codec('f2', 2, (b, at, n) => Float32Array.from(new Uint16Array(b, at, n), float16ToNumber)),
  float32: codec('f4', 4, (b, at, n) => new Float32Array(b, at, n)),
  float64: codec('f8', 8, (b, at, n) => new Float64Array(b, at, n)),
};

/** Element types, by NumPy's names. */
type NpyDtype = keyof typeof CODECS;

export type NpyData = ReturnType<(typeof CODECS)[NpyDtype]['view']>;

const DTYPES = Object.keys(CODECS) as NpyDtype[];
const BY_CODE = new Map(DTYPES.map(dtype => [CODECS[dtype].code, dtype]));

interface Header {
  readonly dtype: NpyDtype;
  readonly bigEndian: boolean;
  readonly fortranOrder: boolean;
  readonly shape: readonly number[];
  readonly dataOffset: number;
}

function readHeader(bytes: Uint8Array): Header {
  if (bytes.length < 10 || bytes[0] !== 0x93 || String.fromCharCode(...bytes.subarray(1, 6)) !== 'NUMPY') {
    throw new FormatError('it is not a NumPy array (the bytes "\\x93NUMPY" at its start are missing)');
  }
  const major = bytes[6];
  if (major < 1 || major > 3)
    throw new FormatError(`it is in version ${major} of the .npy format; 1 to 3 are readable`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (major > 1 && bytes.length < 12) throw new FormatError('it is cut off within its header');
  const start = major === 1 ? 10 : 12;
  const dataOffset = start + (major === 1 ? view.getUint16(8, true) : view.getUint32(8, true));
  if (bytes.length < dataOffset) throw new FormatError('it is cut off within its header');

  const text = new TextDecoder(major === 3 ? 'utf-8' : 'latin1').decode(bytes.subarray(start, dataOffset));
  const descr = /'descr'\s*:\s*(?:'([^']*)'|([[({]))/.exec(text);
  const fortran = /'fortran_order'\s*:\s*(True|False)/.exec(text)?.[1];
  const dims = /'shape'\s*:\s*\(([\d\sL,]*)\)/.exec(text)?.[1];
  if (!descr || fortran === undefined || dims === undefined) throw new FormatError('its header cannot be read');
  if (descr[1] === undefined) throw new FormatError('it holds records (a structured dtype), not numbers');
  const code = /^([<>|=])?(.*)$/.exec(descr[1])!;
  const dtype = BY_CODE.get(code[2]);
  if (/^[US]\d/.test(code[2])) {
    throw new FormatError(
      'it holds text, and numbers are read: number its values, as numpy.unique(array, return_inverse=True)[1] does',
    );
  }
  if (dtype === undefined) {
    throw new FormatError(`its dtype "${descr[1]}" cannot be read; the readable ones are ${DTYPES.join(', ')}`);
  }
  const shape = dims.split(',').flatMap(dim => (dim.trim() === '' ? [] : [Number.parseInt(dim, 10)]));
  return { dtype, bigEndian: code[1] === '>', fortranOrder: fortran === 'True', shape, dataOffset };
}

function reverseBytes(data: Uint8Array, width: number): void {
  for (let at = 0; at < data.length; at += width) data.subarray(at, at + width).reverse();
}

/** Copies an array from Fortran order (first index fastest) to C order (last index fastest). */
function toRowMajor<T extends NpyData>(source: T, shape: readonly number[]): T {
  const target = source.slice() as T;
  const strides = stridesOf(shape.toReversed()).reverse();
  const index = shape.map(() => 0);
  let from = 0;
  // In step, as a table of all places would take more memory than most arrays.
  for (let to = 0; to < target.length; to++) {
    target[to] = source[from];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis];
      if (++index[axis] < shape[axis]) break;
      from -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return target;
}

/**
 * Reads one `.npy` file.
 *
 * @param owned whether the bytes may become the array's own, which spares a copy.
 * @throws FormatError when it is not one, is cut off, or holds no plain numbers.
 */
export function parseNpy(bytes: Uint8Array, { owned = false } = {}): NpyArray {
  const { dtype, bigEndian, fortranOrder, shape, dataOffset } = readHeader(bytes);
  const codec = CODECS[dtype];
  const expected = product(shape) * codec.bytes;
  const present = bytes.length - dataOffset;
  if (present !== expected) {
    const fault = present < expected ? 'it is cut off' : 'it has bytes left over';
    throw new FormatError(`${fault}: ${dtype} [${shape.join(', ')}] takes ${expected} bytes, and there are ${present}`);
  }
  // Else a copy: typed arrays need alignment, and the source's buffer may be shared.
  const fits = owned && bytes.buffer instanceof ArrayBuffer && (bytes.byteOffset + dataOffset) % codec.bytes === 0;
  const raw = fits ? bytes.subarray(dataOffset) : new Uint8Array(bytes.subarray(dataOffset));
  if (bigEndian && codec.bytes > 1) reverseBytes(raw, codec.bytes);
  const data = codec.view(raw.buffer as ArrayBuffer, raw.byteOffset, product(shape));
  return { dtype, shape, data: fortranOrder && shape.length > 1 ? toRowMajor(data, shape) : data };
}

function dtypeOf(data: NpyData): NpyDtype {
  if (data instanceof Float32Array) return 'float32';
  if (data instanceof Float64Array) return 'float64';
  if (data instanceof Uint8Array) return 'uint8';
  if (data instanceof Int8Array) return 'int8';
  if (data instanceof Uint16Array) return 'uint16';
  if (data instanceof Int16Array) return 'int16';
  if (data instanceof Uint32Array) return 'uint32';
  if (data instanceof Int32Array) return 'int32';
  return data instanceof BigInt64Array ? 'int64' : 'uint64';
}

/** Wraps numbers in C order as an array; the dtype follows from the typed array. */
export function npyArray(data: NpyData, shape: readonly number[]): NpyArray {
  if (product(shape) !== data.length) {
    throw new RangeError(`${data.length} numbers do not fill the shape [${shape.join(', ')}].`);
  }
  return { dtype: dtypeOf(data), shape: [...shape], data };
}

/** Writes one `.npy` file, version 1.0, little-endian, C order, as NumPy itself would. */
export function formatNpy(array: NpyArray): Uint8Array<ArrayBuffer> {
  // A float16 array was widened when it was read: it is written as the float32 that it is in memory.
  const dtype = array.dtype === 'float16' ? 'float32' : array.dtype;
  const { code, bytes: width } = CODECS[dtype];
  const order = width === 1 ? '|' : '<';
  const shape = array.shape.length === 1 ? `${array.shape[0]},` : array.shape.join(', ');
  const dict = `{'descr': '${order}${code}', 'fortran_order': False, 'shape': (${shape}), }`;
  const length = Math.ceil((10 + dict.length + 1) / 64) * 64;
  const header = `${dict.padEnd(length - 11)}\n`;
  const bytes = new Uint8Array(length + array.data.byteLength);
  bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0]);
  new DataView(bytes.buffer).setUint16(8, header.length, true);
  bytes.set(new TextEncoder().encode(header), 10);
  bytes.set(new Uint8Array(array.data.buffer, array.data.byteOffset, array.data.byteLength), length);
  return bytes;
}
