import { type Dim, equalDims, isStatic, productOf } from './dim.ts';

/** The dtypes of ONNX that a graph may hold, under numpy's names. */
export const dtypes = [
  'float32',
  'float16',
  'bfloat16',
  'float64',
  'int8',
  'int16',
  'int32',
  'int64',
  'uint8',
  'uint16',
  'uint32',
  'uint64',
  'bool',
] as const;

export type DType = (typeof dtypes)[number];

export type Shape = readonly Dim[];

/** What is known of a value before it is computed. The rank is always known; dims may be symbolic. */
export interface TensorType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** Bytes of one element in a file and in host memory. */
export const bytesPerElement: Readonly<Record<DType, number>> = {
  float32: 4,
  float16: 2,
  bfloat16: 2,
  float64: 8,
  int8: 1,
  int16: 2,
  int32: 4,
  int64: 8,
  uint8: 1,
  uint16: 2,
  uint32: 4,
  uint64: 8,
  bool: 1,
};

export const isFloat = (dtype: DType): boolean => dtype.startsWith('float') || dtype === 'bfloat16';

export const sameShape = (a: Shape, b: Shape): boolean =>
  a.length === b.length && a.every((dim, i) => equalDims(dim, b[i]));

export const sameType = (a: TensorType, b: TensorType): boolean => a.dtype === b.dtype && sameShape(a.shape, b.shape);

/** Element count; symbolic when a dim is. */
export const sizeOf = (shape: Shape): Dim => productOf(shape);

/** The shape as numbers, or undefined when a dim is symbolic. */
export function staticShape(shape: Shape): readonly number[] | undefined {
  return shape.every(isStatic) ? (shape as readonly number[]) : undefined;
}

/** `float32[N, 8, 96, 96]` */
export const typeText = (type: TensorType): string => `${type.dtype}[${type.shape.join(', ')}]`;
