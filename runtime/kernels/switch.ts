/** Switches, and their adjoint with respect to the weights. */
import { SutureError } from '../../ir/errors.ts';
import type { Node, Value } from '../../ir/graph.ts';
import { product, stridesOf } from '../../ir/numbers.ts';
import type { Dispatch, KernelContext, KernelPlan } from './kernel.ts';
import { input, mappedPlan, output, reads, scratch, writes } from './mapped.ts';
import { ModuleBuilder } from './module.ts';
import { Rows } from './rows.ts';
import { sizesOf } from './shape.ts';
import { add, times, u32, zero } from './wgsl.ts';

/** The index of the weight of source `s` for an element; weights line up with features from the left. */
function weightIndex(weights: Value, s: number, at: readonly string[]): string {
  const shape = sizesOf(weights);
  const strides = stridesOf(shape);
  return add(u32(s * strides[0]), ...shape.slice(1).map((n, i) => times(n === 1 ? zero : at[i], strides[i + 1])));
}

export function switchPlan(node: Node<'Switch'>, context: KernelContext): KernelPlan {
  const [weights, ...features] = node.inputs as readonly Value[];
  const shape = sizesOf(node.outputs[0]);
  return mappedPlan(
    {
      label: `switch ${shape.join('x')}`,
      shape,
      bindings: {
        w: reads(input(0)),
        ...Object.fromEntries(features.map((_, s) => [`x${s}`, reads(input(s + 1))])),
        y: writes(output(0)),
      },
      // A source of weight 0 is left out rather than multiplied, so that what is in it cannot matter.
      element: (i, at) =>
        `var total = 0.0; ${features
          .map(
            (_, s) =>
              `{ let w = w[${weightIndex(weights, s, at)}]; if (w == 1.0) { total += x${s}[${i}]; } else if (w != 0.0) { total += w * x${s}[${i}]; } }`,
          )
          .join(' ')} y[${i}] = total;`,
    },
    context,
  );
}

/** `Σ dY · feature` over all axes that a weight is spread over, for each source. */
export function switchGrad(node: Node<'SwitchGrad'>, context: KernelContext): KernelPlan {
  const [dy, weights, ...features] = node.inputs as readonly Value[];
  const shape = sizesOf(dy);
  const rest = sizesOf(weights).slice(1);
  // The weights' own axes come first; the sums run over all that follow, and over those of extent 1.
  const kept = rest.filter(n => n > 1).length;
  if (kept > 1) throw new SutureError('kernel-missing', 'its weights vary along more than one axis');
  const axis = rest.findIndex(n => n > 1);
  const outer = axis < 0 ? 1 : product(shape.slice(0, axis));
  const count = axis < 0 ? 1 : rest[axis];
  const inner = product(shape) / outer / count;
  const dispatches: Dispatch[] = [];
  for (const [s] of features.entries()) {
    // Two passes: along the inner axes for each (outer, kept), then over the outer ones.
    const module = new ModuleBuilder();
    module.bind('dy', input(0));
    module.bind('x', input(s + 2));
    module.bind('y', scratch(0), 'f32', 'read_write');
    const rows = new Rows({ outer: outer * count, length: inner, inner: 1 }, context);
    const label = `switchGrad ${shape.join('x')}`;
    dispatches.push(
      rows.dispatch(label, module, [
        rows.sums(['total'], (_k, at) => ({ terms: [`dy[${at}] * x[${at}]`] })),
        rows.once('y[row] = total;'),
      ]),
    );
    dispatches.push(
      ...mappedPlan(
        {
          label: `${label} sum`,
          shape: [count],
          bindings: { parts: reads(scratch(0)), dw: writes(output(0)) },
          element: i =>
            `var total = 0.0; for (var o = 0u; o < ${u32(outer)}; o++) { total += parts[o * ${u32(count)} + ${i}]; } dw[${add(u32(s * count), i)}] = total;`,
        },
        context,
      ).dispatches,
    );
  }
  return { dispatches, scratch: [{ bytes: 4 * outer * count, lifetime: 'run' }] };
}
