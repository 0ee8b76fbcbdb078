import { inputAt, type Node } from '../../ir/graph.ts';
import { product } from '../../ir/numbers.ts';
import type { KernelContext, KernelPlan } from './kernel.ts';
import { input, mappedPlan, output, reads, writes } from './mapped.ts';
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
      bindings: {
        gradient: reads(input(1)),
        rate: reads(input(4)),
        bias1: reads(input(5)),
        bias2: reads(input(6)),
        parameter: writes(output(0)),
        m: writes(output(1)),
        v: writes(output(2)),
      },
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
