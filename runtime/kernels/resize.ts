/** ONNX Resize: nearest, linear and cubic interpolation in every coordinate mode, separable over the axes that change. */
import { SutureError } from '../../ir/errors.ts';
import type { Node } from '../../ir/graph.ts';
import { stridesOf } from '../../ir/numbers.ts';
import { integersOf } from '../../ir/operator.ts';
import { type ResizedAxis, resizedAxes, type Tap } from '../../ir/ops/interpolation.ts';
import { numbersOf } from '../../ir/tensor.ts';
import type { KernelContext, KernelPlan } from './kernel.ts';
import { input, mappedPlan, output, reads, writes } from './mapped.ts';
import { sizesOf } from './shape.ts';
import { add, times, u32, zero } from './wgsl.ts';

/** The axes that change, each with the same number of taps for every output position. */
function mapsOf(node: Node<'Resize'>): readonly ResizedAxis[] {
  const [x, roi, scales, sizes] = node.inputs;
  const { attributes } = node;
  const [regions, given] = [roi, scales].map(v => v?.constant && numbersOf(v.constant));
  const extents = sizes && integersOf(sizes);
  const stretched = sizes !== undefined && attributes.keep_aspect_ratio_policy === 'stretch';
  if ((scales && scales.type.shape[0] !== 0 && !given) || !(given?.length || stretched || extents)) {
    throw new SutureError('kernel-missing', 'its scales or sizes must be known before the run');
  }
  const crop = attributes.coordinate_transformation_mode === 'tf_crop_and_resize';
  if (crop && roi && !regions) throw new SutureError('kernel-missing', 'its region must be known before the run');
  const operands = { roi: regions, scales: given, sizes: extents };
  return resizedAxes(attributes, sizesOf(x!), sizesOf(node.outputs[0]), operands).map(evened);
}

/** As many taps everywhere: what is missing is added with weight 0. */
function evened({ axis, size, taps }: ResizedAxis): ResizedAxis {
  const most = Math.max(1, ...taps.map(list => list?.length ?? 0));
  const fill = (list: readonly Tap[]): readonly Tap[] => [
    ...list,
    ...Array<Tap>(most - list.length).fill({ position: list[0]?.position ?? 0, weight: 0 }),
  ];
  return { axis, size, taps: taps.map(list => list && fill(list)) };
}

/** A WGSL constant array. */
const table = (name: string, type: 'u32' | 'f32', values: readonly number[]): string =>
  `const ${name} = array<${type}, ${values.length}>(${values.map(v => (type === 'u32' ? u32(v) : `${Math.fround(v)}f`)).join(', ')});`;

export function resize(node: Node<'Resize'>, context: KernelContext): KernelPlan {
  const [x] = node.inputs;
  if (x!.type.dtype !== 'float32' && node.attributes.mode !== 'nearest') {
    throw new SutureError('kernel-missing', `its interpolation takes float32, not ${x!.type.dtype}`);
  }
  const shape = sizesOf(x!);
  const to = sizesOf(node.outputs[0]);
  const maps = mapsOf(node);
  const strides = stridesOf(shape);
  const declarations = maps.flatMap(({ axis, taps }) => {
    const count = taps.find(t => t)?.length ?? 1;
    const outside: readonly Tap[] = Array(count).fill({ position: 0, weight: 0 });
    const all = taps.flatMap(list => list ?? outside);
    return [
      table(
        `p${axis}`,
        'u32',
        all.map(t => t.position),
      ),
      table(
        `w${axis}`,
        'f32',
        all.map(t => t.weight),
      ),
      ...(taps.some(t => !t)
        ? [
            table(
              `in${axis}`,
              'u32',
              taps.map(t => (t ? 1 : 0)),
            ),
          ]
        : []),
    ];
  });
  const element = (flat: string, at: readonly string[]): string => {
    const fixed = add(...at.map((c, axis) => (maps.some(m => m.axis === axis) ? zero : times(c, strides[axis]))));
    const inside = maps.filter(m => m.taps.some(t => !t)).map(m => `in${m.axis}[${at[m.axis]}] == 1u`);
    const terms = maps.map(m => times(`q${m.axis}`, strides[m.axis]));
    const weights = maps.map(m => `k${m.axis}`);
    const innermost = `total += ${[...weights, `x[${add(fixed, ...terms)}]`].join(' * ')};`;
    const loops = maps.reduceRight((body, { axis, taps }) => {
      const count = taps.find(t => t)?.length ?? 1;
      const index = `${times(at[axis], count)} + t${axis}`;
      return `for (var t${axis} = 0u; t${axis} < ${u32(count)}; t${axis}++) { let q${axis} = p${axis}[${index}]; let k${axis} = w${axis}[${index}]; ${body} }`;
    }, innermost);
    const value = `var total = 0.0; ${loops} y[${flat}] = total;`;
    if (inside.length === 0) return value;
    return `if (${inside.join(' && ')}) { ${value} } else { y[${flat}] = ${Math.fround(node.attributes.extrapolation_value)}f; }`;
  };
  return mappedPlan(
    {
      label: `resize ${node.attributes.mode} ${shape.join('x')} -> ${to.join('x')}`,
      shape: to,
      bindings: { x: reads(input(0)), y: writes(output(0)) },
      declarations: declarations.join('\n'),
      element,
    },
    context,
  );
}
