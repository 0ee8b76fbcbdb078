/**
 * Matrix products: ONNX `MatMul` and `Gemm`, batched, with broadcasting, transposition, scale and bias.
 *
 * Plan inputs: 0 A, 1 B, 2 C if there is one. Plan output: 0 the product `[...batch, m, n]`.
 */
import type { Epilogue, KernelContext, KernelPlan } from './kernel.ts';
import { tiledProduct } from './matmul-gpu.ts';
import { registerProduct } from './matmul-software.ts';
import { product } from './wgsl.ts';

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

/**
 * How many pieces a long sum is cut into, so that a product with few elements still keeps the adapter busy.
 *
 * @param threads invocations that compute the product unsplit.
 * @param wanted invocations that keep the adapter busy.
 */
export function splitsOf(k: number, threads: number, wanted: number, shortest: number): number {
  return Math.max(1, Math.min(Math.floor(wanted / threads), Math.floor(k / shortest)));
}

/** Plans a matrix product for the adapter at hand. */
export function planMatMul(spec: MatMulSpec, context: KernelContext, epilogue?: Epilogue): KernelPlan {
  if (product(spec.batch) * spec.m * spec.n === 0) return { dispatches: [], scratch: [] };
  return context.adapterClass === 'gpu'
    ? tiledProduct(spec, context, epilogue)
    : registerProduct(spec, context, epilogue);
}
