/**
 * How tensors lie in device memory: dense, row-major, four bytes an element. WGSL knows three storable types of that size, and
 * every dtype is held in one of them:
 *
 * | dtype | on the device |
 * |---|---|
 * | float32, float16, bfloat16 | `f32`; 16-bit floats are widened, computed with in single precision, and rounded when read back |
 * | int32, int16, int8, int64 | `i32`; narrow results wrap to their width; an int64 beyond 32 bits is refused on upload |
 * | uint32, uint16, uint8, uint64 | `u32`, likewise |
 * | bool | `u32`, 0 or 1 |
 * | float64 | none: refused |
 */
import { SutureError } from '../../ir/errors.ts';
import { numbersOf, type Tensor, type TensorData, tensor, tensorFromNumbers } from '../../ir/tensor.ts';
import type { DType } from '../../ir/type.ts';

/** A WGSL type that a storage buffer holds. */
export type Stored = 'f32' | 'i32' | 'u32';

/** A WGSL scalar type that an expression has. */
export type Scalar = Stored | 'bool';

const stored: Readonly<Record<DType, Stored | undefined>> = {
  float32: 'f32',
  float16: 'f32',
  bfloat16: 'f32',
  float64: undefined,
  int8: 'i32',
  int16: 'i32',
  int32: 'i32',
  int64: 'i32',
  uint8: 'u32',
  uint16: 'u32',
  uint32: 'u32',
  uint64: 'u32',
  bool: 'u32',
};

/** Bytes of one element on the device. */
export const elementBytes = 4;

/** The WGSL type that holds a dtype, or undefined where there is none. */
export const storedAs = (dtype: DType): Stored | undefined => stored[dtype];

/** As `storedAs`, where the session has refused other dtypes already. */
export function storageOf(dtype: DType): Stored {
  const type = stored[dtype];
  if (type === undefined)
    throw new SutureError('kernel-missing', `WebGPU has no ${dtype}; convert the model to float32.`);
  return type;
}

/** The type of an element in expressions: booleans are `bool` there. */
export const scalarOf = (dtype: DType): Scalar => (dtype === 'bool' ? 'bool' : storageOf(dtype));

/** The elements of a tensor as the device holds them. The result may share the tensor's memory. */
export function toDevice(t: Tensor, what: string): Float32Array | Int32Array | Uint32Array {
  switch (t.dtype) {
    case 'float32':
      return t.data as Float32Array;
    case 'int32':
      return t.data as Int32Array;
    case 'uint32':
      return t.data as Uint32Array;
    case 'int64':
    case 'uint64':
      return narrow(t.data as BigInt64Array | BigUint64Array, t.dtype, what);
    case 'float64':
      throw new SutureError('kernel-missing', `${what} is float64, which WebGPU does not have; convert it to float32.`);
    case 'float16':
    case 'bfloat16':
      return Float32Array.from(numbersOf(t));
    case 'int8':
    case 'int16':
      return Int32Array.from(t.data as Int8Array);
    case 'uint8':
    case 'uint16':
    case 'bool':
      return Uint32Array.from(t.data as Uint8Array);
    default:
      return t.dtype satisfies never;
  }
}

/** Infinite ends in slices and the like are written as the extremes of int64; they are the only wide values that clamp. */
function narrow(
  data: BigInt64Array | BigUint64Array,
  dtype: 'int64' | 'uint64',
  what: string,
): Int32Array | Uint32Array {
  const result = dtype === 'int64' ? new Int32Array(data.length) : new Uint32Array(data.length);
  const low = dtype === 'int64' ? -2147483648 : 0;
  const high = dtype === 'int64' ? 2147483647 : 4294967295;
  for (let i = 0; i < data.length; i++) {
    const value = Number(data[i]);
    if (value > high || value < low) {
      if (value >= 2 ** 62 || value <= -(2 ** 62)) result[i] = value > 0 ? high : low;
      else
        throw new SutureError(
          'data-invalid',
          `${what} holds ${data[i]}, but the GPU computes integers of 32 bits only.`,
        );
    } else result[i] = value;
  }
  return result;
}

/** A tensor of `dtype` from the bytes that the device held. The bytes are taken over, not copied, where they fit. */
export function fromDevice(dtype: DType, shape: readonly number[], bytes: ArrayBuffer): Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  switch (dtype) {
    case 'float32':
      return tensor('float32', shape, new Float32Array(bytes, 0, size));
    case 'int32':
      return tensor('int32', shape, new Int32Array(bytes, 0, size));
    case 'uint32':
      return tensor('uint32', shape, new Uint32Array(bytes, 0, size));
    case 'int64':
      return tensor('int64', shape, BigInt64Array.from(new Int32Array(bytes, 0, size), BigInt) as TensorData<'int64'>);
    case 'float16':
    case 'bfloat16':
      return tensorFromNumbers(dtype, shape, new Float32Array(bytes, 0, size));
    case 'int8':
    case 'int16':
      return tensorFromNumbers(dtype, shape, new Int32Array(bytes, 0, size));
    case 'uint8':
    case 'uint16':
    case 'uint64':
    case 'bool':
      return tensorFromNumbers(dtype, shape, new Uint32Array(bytes, 0, size));
    case 'float64':
      throw new SutureError('kernel-missing', 'The device holds no float64.');
    default:
      return dtype satisfies never;
  }
}
