/** Normalisations other than over rows: with given statistics, across channels, by norms. */
import { inputAt, type Node } from '../../ir/graph.ts';
import { product } from '../../ir/numbers.ts';
import type { KernelContext, KernelPlan } from './kernel.ts';
import { input, mappedPlan, output, reads, writes } from './mapped.ts';
import { ModuleBuilder, single } from './module.ts';
import { Rows } from './rows.ts';
import { around, sizesOf } from './shape.ts';
import { f32, i32, u32 } from './wgsl.ts';

export function batchNormalization(node: Node<'BatchNormalization'>, context: KernelContext): KernelPlan {
  const shape = sizesOf(inputAt(node, 0));
  const [n, c = 1, ...spatial] = shape;
  return mappedPlan(
    {
      label: `batchNorm ${shape.join('x')}`,
      shape: [n, c, product(spatial)],
      bindings: {
        x: reads(input(0)),
        scale: reads(input(1)),
        bias: reads(input(2)),
        mean: reads(input(3)),
        spread: reads(input(4)),
        y: writes(output(0)),
      },
      element: (i, [, k]) =>
        `y[${i}] = (x[${i}] - mean[${k}]) * (scale[${k}] / sqrt(spread[${k}] + ${f32(node.attributes.epsilon)})) + bias[${k}];`,
    },
    context,
  );
}

export function localResponse(node: Node<'LRN'>, context: KernelContext): KernelPlan {
  const shape = sizesOf(inputAt(node, 0));
  const [n, c = 1, ...spatial] = shape;
  const plane = product(spatial);
  const { alpha, beta, bias, size } = node.attributes;
  const before = Math.floor((size - 1) / 2);
  const after = Math.ceil((size - 1) / 2);
  return mappedPlan(
    {
      label: `lrn ${shape.join('x')}`,
      shape: [n, c, plane],
      bindings: { x: reads(input(0)), y: writes(output(0)) },
      element: (i, [b, k, p]) => `var total = 0.0;
  let first = u32(max(i32(${k}) - ${i32(before)}, 0));
  let last = min(${k} + ${u32(after)}, ${u32(c - 1)});
  for (var j = first; j <= last; j++) { let v = x[(${b} * ${u32(c)} + j) * ${u32(plane)} + ${p}]; total += v * v; }
  y[${i}] = x[${i}] / pow(${f32(bias)} + ${f32(alpha / size)} * total, ${f32(beta)});`,
    },
    context,
  );
}

export function lpNormalization(node: Node<'LpNormalization'>, context: KernelContext): KernelPlan {
  const shape = sizesOf(inputAt(node, 0));
  const { p, axis } = node.attributes;
  const { outer, axis: length, inner } = around(shape, axis);
  const module = new ModuleBuilder();
  module.bind('x', input(0));
  module.bind('y', output(0), 'f32', 'read_write');
  const rows = new Rows({ outer, length, inner }, context);
  const term = (at: string) => (p === 1 ? `abs(x[${at}])` : `x[${at}] * x[${at}]`);
  const body = [
    rows.sums(['total'], (_k, at) => ({ terms: [term(at)] })),
    `let norm = ${p === 1 ? 'total' : 'sqrt(total)'};`,
    // A row of zeros stays one.
    rows.loop((_k, at) => `y[${at}] = select(x[${at}] / norm, 0.0, norm == 0.0);`),
  ];
  const label = `lpNorm ${shape.join('x')}`;
  return single(rows.dispatch(label, module, body));
}

/** Mean and variance over any axes: those kept are walked over, those reduced are looped over. */
export function meanVariance(node: Node<'MeanVarianceNormalization'>, context: KernelContext): KernelPlan {
  const shape = sizesOf(inputAt(node, 0));
  const axes = node.attributes.axes.map(a => (a < 0 ? a + shape.length : a));
  const kept = shape.map((size, i) => (axes.includes(i) ? 1 : size));
  const count = product(axes.map(a => shape[a]));
  const strides = shape.map((_, i) => product(shape.slice(i + 1)));
  const over = (at: readonly string[], body: string) =>
    axes.reduceRight(
      (inner, axis) => `for (var r${axis} = 0u; r${axis} < ${u32(shape[axis])}; r${axis}++) { ${inner} }`,
      `let at = ${shape.map((_, i) => `${axes.includes(i) ? `r${i}` : at[i]} * ${u32(strides[i])}`).join(' + ')}; ${body}`,
    );
  return mappedPlan(
    {
      label: `meanVarianceNorm ${shape.join('x')}`,
      shape: kept,
      bindings: { x: reads(input(0)), y: writes(output(0)) },
      // ONNX defines it with 1e-9 added to the deviation.
      element: (_flat, at) => `var total = 0.0; ${over(at, 'total += x[at];')}
  let mean = total / ${f32(count)};
  var squares = 0.0; ${over(at, 'let d = x[at] - mean; squares += d * d;')}
  let spread = sqrt(squares / ${f32(count)}) + 1.0e-9;
  ${over(at, 'y[at] = (x[at] - mean) / spread;')}`,
    },
    context,
  );
}
