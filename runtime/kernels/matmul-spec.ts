/** What a matrix product is, before it has a kernel. */
import { product } from '../../ir/numbers.ts';

/** Strides of one operand in elements; 0 along axes that it is broadcast over. */
export interface MatrixStrides {
  readonly batch: readonly number[];
  readonly row: number;
  readonly column: number;
}

/** `alpha · A · B + beta · C` for each element of the batch, float32. */
export interface MatMulSpec {
  /** The extents of the batch axes of the output. */
  readonly batch: readonly number[];
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** A as `[batch, m, k]`; transposition is a matter of strides. */
  readonly a: MatrixStrides;
  /** B as `[batch, k, n]`. */
  readonly b: MatrixStrides;
  readonly alpha: number;
  /** C as `[batch, m, n]`. */
  readonly c?: MatrixStrides & { readonly beta: number };
}

export function matmulMacs(spec: MatMulSpec): number {
  return product(spec.batch) * spec.m * spec.n * spec.k;
}

/** A short name for profiles. */
export function matmulLabel(spec: MatMulSpec): string {
  const batch = product(spec.batch);
  return `matmul ${batch === 1 ? '' : `${batch}x `}${spec.m}x${spec.k} · ${spec.k}x${spec.n}`;
}
