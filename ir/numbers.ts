/** Arithmetic on short lists of numbers, extents mostly. */

/** The product; 1 of none. Of a shape it is the number of its elements. */
export const product = (numbers: readonly number[]): number => numbers.reduce((a, b) => a * b, 1);

/** The sum; 0 of none. */
export const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

/** NaN of none. */
export const mean = (numbers: readonly number[]): number => sum(numbers) / numbers.length;

/** The integers `first .. end - 1`, or `0 .. end - 1`. */
export function range(end: number): number[];
export function range(first: number, end: number): number[];
export function range(first: number, end?: number): number[] {
  const [from, to] = end === undefined ? [0, first] : [first, end];
  return Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);
}

/** Row-major strides of a shape, in elements. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = Array<number>(shape.length).fill(1);
  for (let i = shape.length - 2; i >= 0; i--) strides[i] = strides[i + 1] * shape[i + 1];
  return strides;
}

export const sameNumbers = (a: ArrayLike<number>, b: ArrayLike<number>): boolean => {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
};
