/**
 * Matrix products: ONNX `MatMul` and `Gemm`, batched, with broadcasting, transposition, scale and bias.
 *
 * Plan inputs: 0 A, 1 B, 2 C if there is one. Plan output: 0 the product `[...batch, m, n]`.
 */
import { product } from '../../ir/numbers.ts';
import { choiceKey, chosenPlan } from './choice.ts';
import type { KernelContext, KernelPlan } from './kernel.ts';
import { tiledProducts } from './matmul-gpu.ts';
import { registerProducts } from './matmul-software.ts';
import type { MatMulSpec } from './matmul-spec.ts';

/** Plans a matrix product for the adapter at hand. */
export function planMatMul(spec: MatMulSpec, context: KernelContext): KernelPlan {
  if (product(spec.batch) * spec.m * spec.n === 0) return { dispatches: [], scratch: [] };
  const candidates = context.adapterClass === 'gpu' ? tiledProducts(spec, context) : registerProducts(spec, context);
  return chosenPlan(context, choiceKey('matmul', spec, context.epilogue !== undefined), candidates);
}
