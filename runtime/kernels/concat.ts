/** Joining and cutting along an axis: copies of whole stretches, several elements at a time where they allow it. */
import type { Node } from '../../ir/graph.ts';
import { product } from '../../ir/numbers.ts';
import type { Dispatch, KernelContext, KernelPlan } from './kernel.ts';
import { input, mappedPlan, output, reads, writes } from './mapped.ts';
import { around, sizesOf } from './shape.ts';
import { storageOf } from './storage.ts';
import { add, times, u32 } from './wgsl.ts';

/** One dispatch for each input: a stretch of the input goes to its place in each stretch of the output. */
export function concat(node: Node<'Concat'>, context: KernelContext): KernelPlan {
  const [y] = node.outputs;
  const shape = sizesOf(y);
  const { axis, inner } = around(shape, node.attributes.axis);
  const type = storageOf(y.type.dtype);
  const dispatches: Dispatch[] = [];
  let offset = 0;
  for (const [k, value] of node.inputs.entries()) {
    const own = around(sizesOf(value!), node.attributes.axis);
    const stretch = own.axis * inner;
    dispatches.push(
      ...stretches(
        {
          outer: own.outer,
          length: stretch,
          from: { offset: 0, stride: stretch },
          to: { offset, stride: axis * inner },
        },
        `concat ${sizesOf(value!).join('x')}`,
        { from: k, to: 0, type },
        context,
      ),
    );
    offset += stretch;
  }
  return { dispatches, scratch: [] };
}

export function split(node: Node<'Split'>, context: KernelContext): KernelPlan {
  const [x] = node.inputs;
  const { axis, inner } = around(sizesOf(x!), node.attributes.axis);
  const type = storageOf(x!.type.dtype);
  const dispatches: Dispatch[] = [];
  let offset = 0;
  for (const [k, value] of node.outputs.entries()) {
    const own = around(sizesOf(value), node.attributes.axis);
    const stretch = own.axis * inner;
    dispatches.push(
      ...stretches(
        {
          outer: own.outer,
          length: stretch,
          from: { offset, stride: axis * inner },
          to: { offset: 0, stride: stretch },
        },
        `split ${sizesOf(value).join('x')}`,
        { from: 0, to: k, type },
        context,
      ),
    );
    offset += stretch;
  }
  return { dispatches, scratch: [] };
}

interface Stretches {
  readonly outer: number;
  readonly length: number;
  readonly from: { readonly offset: number; readonly stride: number };
  readonly to: { readonly offset: number; readonly stride: number };
}

/** Copies `outer` stretches of `length` elements. */
function stretches(
  { outer, length, from, to }: Stretches,
  label: string,
  slots: { readonly from: number; readonly to: number; readonly type: string },
  context: KernelContext,
): readonly Dispatch[] {
  if (product([outer, length]) === 0) return [];
  const numbers = [length, from.offset, from.stride, to.offset, to.stride];
  const width = numbers.every(n => n % 4 === 0) ? 4 : 1;
  const [n, fromOffset, fromStride, toOffset, toStride] = numbers.map(v => v / width);
  const type = width === 4 ? `vec4<${slots.type}>` : slots.type;
  const place = (o: string, k: string, offset: number, stride: number) => add(u32(offset), times(o, stride), k);
  return mappedPlan(
    {
      label,
      shape: [outer, n],
      bindings: { x: reads(input(slots.from), type), y: writes(output(slots.to), type) },
      element: (_flat, [o, k]) => `y[${place(o, k, toOffset, toStride)}] = x[${place(o, k, fromOffset, fromStride)}];`,
    },
    context,
  ).dispatches;
}
