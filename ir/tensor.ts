import { sameBytes } from './bytes.ts';
import { SutureError } from './errors.ts';
import { product } from './numbers.ts';
import { type DType, sameShape, type TensorType } from './type.ts';

interface ArrayOf {
  float32: Float32Array;
  /** IEEE binary16 bits. */
  float16: Uint16Array;
  /** The upper half of a float32's bits. */
  bfloat16: Uint16Array;
  float64: Float64Array;
  int8: Int8Array;
  int16: Int16Array;
  int32: Int32Array;
  int64: BigInt64Array;
  uint8: Uint8Array;
  uint16: Uint16Array;
  uint32: Uint32Array;
  uint64: BigUint64Array;
  /** One byte an element, 0 or 1. */
  bool: Uint8Array;
}

export type TensorData<D extends DType = DType> = ArrayOf[D];

/** A dense row-major tensor in host memory. Never changed after it was made. */
export interface Tensor<D extends DType = DType> {
  readonly dtype: D;
  readonly shape: readonly number[];
  readonly data: TensorData<D>;
}

const constructors: { readonly [D in DType]: new (length: number) => TensorData<D> } = {
  float32: Float32Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  float64: Float64Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
};

/** A zero-filled array that holds elements of `dtype`. */
export const arrayFor = <D extends DType>(dtype: D, length: number): TensorData<D> => new constructors[dtype](length);

/** A tensor over existing data, which is not copied. Throws when the length is not the shape's. */
export function tensor<D extends DType>(dtype: D, shape: readonly number[], data: TensorData<D>): Tensor<D> {
  if (data.length !== product(shape)) {
    throw new SutureError(
      'graph-invalid',
      `A ${dtype} tensor of shape [${shape.join(', ')}] needs ${product(shape)} elements, but ${data.length} were given.`,
    );
  }
  return { dtype, shape, data };
}

export const float32 = (shape: readonly number[], values: ArrayLike<number>): Tensor<'float32'> =>
  tensor('float32', shape, values instanceof Float32Array ? values : Float32Array.from(values));

/** A rank-0 float32 tensor. */
export const scalar = (value: number): Tensor<'float32'> => float32([], [value]);

/** A rank-1 int64 tensor, the form of ONNX's axes, pads and shapes. */
export const int64s = (values: readonly number[]): Tensor<'int64'> =>
  tensor(
    'int64',
    [values.length],
    BigInt64Array.from(values, v => BigInt(v)),
  );

/** `values` as numbers into a tensor of any dtype; floats of 16 bits are rounded to nearest even. */
export function tensorFromNumbers(dtype: DType, shape: readonly number[], values: ArrayLike<number>): Tensor {
  if (dtype === 'float32') return float32(shape, new Float32Array(values));
  const data = arrayFor(dtype, values.length);
  const write = numberWriter(dtype);
  for (let i = 0; i < values.length; i++) data[i] = write(values[i]);
  return tensor(dtype, shape, data);
}

/** The elements as numbers. An int64 beyond 2^53 is refused rather than rounded. */
export function numbersOf(t: Tensor): ArrayLike<number> & Iterable<number> {
  switch (t.dtype) {
    case 'int64':
    case 'uint64':
      return Array.from(t.data as BigInt64Array, exactNumber);
    case 'float16':
      return Float32Array.from(t.data as Uint16Array, float16ToNumber);
    case 'bfloat16':
      return Float32Array.from(t.data as Uint16Array, bits => bitsToFloat(bits << 16));
    default:
      return t.data as Float32Array;
  }
}

function exactNumber(value: bigint): number {
  const n = Number(value);
  // ONNX's "to the end" is INT64_MAX or INT64_MIN; any number past every size serves as well.
  if (!Number.isSafeInteger(n)) return n > 0 ? Number.MAX_SAFE_INTEGER : Number.MIN_SAFE_INTEGER;
  return n;
}

function numberWriter(dtype: DType): (value: number) => never {
  const writers: Partial<Record<DType, (value: number) => number | bigint>> = {
    int64: v => BigInt(Math.trunc(v)),
    uint64: v => BigInt(Math.trunc(v)),
    float16: numberToFloat16,
    bfloat16: numberToBfloat16,
    bool: v => (v === 0 ? 0 : 1),
  };
  return (writers[dtype] ?? (v => v)) as (value: number) => never;
}

const floatView = new Float32Array(1);
const bitView = new Uint32Array(floatView.buffer);

function bitsToFloat(bits: number): number {
  bitView[0] = bits;
  return floatView[0];
}

function floatToBits(value: number): number {
  floatView[0] = value;
  return bitView[0];
}

/** The value of IEEE binary16 bits. */
export function float16ToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** IEEE binary16 bits of the nearest value, ties to even. */
export function numberToFloat16(value: number): number {
  const bits = floatToBits(value);
  const sign = (bits >>> 16) & 0x8000;
  if (Number.isNaN(value)) return sign | 0x7e00;
  const magnitude = Math.abs(value);
  if (magnitude >= 65520) return sign | 0x7c00;
  if (magnitude < 2 ** -14) return sign | roundHalfEven(magnitude * 2 ** 24);
  const exponent = Math.floor(Math.log2(magnitude));
  const scaled = roundHalfEven((magnitude / 2 ** exponent) * 1024);
  return sign | (((exponent + 15) << 10) + (scaled - 1024));
}

function numberToBfloat16(value: number): number {
  const bits = floatToBits(value);
  if (Number.isNaN(value)) return 0x7fc0;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

/** Nearest integer, halves to the even one: IEEE's and ONNX's Round. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  const up = rest > 0.5 || (rest === 0.5 && floor % 2 !== 0);
  // -0.5 rounds to -0, as IEEE has it.
  return up ? (floor === -1 ? -0 : floor + 1) : floor;
}

export const tensorType = (t: Tensor): TensorType => ({ dtype: t.dtype, shape: t.shape });

/** The bytes of a tensor's elements, without a copy. */
export const bytesOf = (t: Tensor): Uint8Array => new Uint8Array(t.data.buffer, t.data.byteOffset, t.data.byteLength);

/** Equal dtype, shape and bits (so that NaN equals itself and -0 differs from 0). */
export function sameTensor(a: Tensor, b: Tensor): boolean {
  if (a === b) return true;
  if (a.dtype !== b.dtype || !sameShape(a.shape, b.shape)) return false;
  return sameBytes(bytesOf(a), bytesOf(b));
}
