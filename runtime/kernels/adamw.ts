import { inputAt, type Node } from '../../ir/graph.ts';
import { product } from '../../ir/numbers.ts';
import type { KernelContext, KernelPlan } from './kernel.ts';
import { input, mappedPlan, output } from './mapped.ts';
import { sizesOf } from './shape.ts';
import { f32 } from './wgsl.ts';

/** The parameter and both moments are updated where they lie. */
export function adamW(node: Node<'AdamW'>, context: KernelContext): KernelPlan {
  const shape = sizesOf(inputAt(node, 0));
  const { beta1, beta2, epsilon, weight_decay } = node.attributes;
  const plan = mappedPlan(
    {
      label: `adamW ${product(shape)}`,
      shape: [product(shape)],
      bindings: [
        { name: 'gradient', operand: input(1), type: 'f32' },
        { name: 'rate', operand: input(4), type: 'f32' },
        { name: 'bias1', operand: input(5), type: 'f32' },
        { name: 'bias2', operand: input(6), type: 'f32' },
        { name: 'parameter', operand: output(0), type: 'f32', access: 'read_write' },
        { name: 'm', operand: output(1), type: 'f32', access: 'read_write' },
        { name: 'v', operand: output(2), type: 'f32', access: 'read_write' },
      ],
      element: i => `let g = gradient[${i}];
  let first = m[${i}] * ${f32(beta1)} + g * ${f32(1 - beta1)};
  let second = v[${i}] * ${f32(beta2)} + g * g * ${f32(1 - beta2)};
  m[${i}] = first;
  v[${i}] = second;
  let step = first / bias1[0] / (sqrt(second / bias2[0]) + ${f32(epsilon)});
  let p = parameter[${i}];
  parameter[${i}] = p - p * (rate[0] * ${f32(weight_decay)}) - step * rate[0];`,
    },
    context,
  );
  return {
    ...plan,
    inPlace: [
      { input: 0, output: 0 },
      { input: 2, output: 1 },
      { input: 3, output: 2 },
    ],
  };
}
