/** ONNX Resize: nearest, linear and cubic interpolation in every coordinate mode, separable over the axes that change. */
import { SutureError } from '../../ir/errors.ts';
import type { Node } from '../../ir/graph.ts';
import { normalizeAxis } from '../../ir/operator.ts';
import { numbersOf } from '../../ir/tensor.ts';
import type { KernelContext, KernelPlan } from './kernel.ts';
import { input, mappedPlan, output } from './mapped.ts';
import { sizesOf, stridesOf } from './shape.ts';
import { add, times, u32 } from './wgsl.ts';

/** What an output position along one axis draws from: input positions with weights. */
interface Tap {
  readonly position: number;
  readonly weight: number;
}

interface AxisMap {
  readonly axis: number;
  /** For each output position, the same number of taps; undefined where it lies outside (`tf_crop_and_resize`). */
  readonly taps: readonly (readonly Tap[] | undefined)[];
}

type Attributes = Node<'Resize'>['attributes'];

/** The input coordinate of an output position. */
function coordinate(
  mode: string,
  at: number,
  size: number,
  out: number,
  scale: number,
  roi: readonly [number, number],
): number {
  switch (mode) {
    case 'half_pixel':
      return (at + 0.5) / scale - 0.5;
    case 'half_pixel_symmetric': {
      const adjusted = out / (scale * size);
      return (size / 2) * (1 - adjusted) + (at + 0.5) / scale - 0.5;
    }
    case 'pytorch_half_pixel':
      return out > 1 ? (at + 0.5) / scale - 0.5 : 0;
    case 'align_corners':
      return out === 1 ? 0 : (at * (size - 1)) / (out - 1);
    case 'asymmetric':
      return at / scale;
    case 'tf_crop_and_resize': {
      const [start, end] = roi;
      return out > 1
        ? start * (size - 1) + (at * (end - start) * (size - 1)) / (out - 1)
        : 0.5 * (start + end) * (size - 1);
    }
    default:
      throw new SutureError('kernel-missing', `the coordinate mode '${mode}' is unknown`);
  }
}

function nearest(mode: string, x: number): number {
  switch (mode) {
    case 'round_prefer_floor':
      return Math.ceil(x - 0.5);
    case 'round_prefer_ceil':
      return Math.floor(x + 0.5);
    case 'floor':
      return Math.floor(x);
    case 'ceil':
      return Math.ceil(x);
    default:
      throw new SutureError('kernel-missing', `the nearest mode '${mode}' is unknown`);
  }
}

function cubicWeights(fraction: number, a: number): number[] {
  const near = (t: number) => ((a + 2) * t - (a + 3)) * t * t + 1;
  const far = (t: number) => ((a * t - 5 * a) * t + 8 * a) * t - 4 * a;
  return [far(1 + fraction), near(fraction), near(1 - fraction), far(2 - fraction)];
}

/** The taps of one output position, before positions outside are dealt with. */
function tapsAt(attributes: Attributes, x: number, scale: number): Tap[] {
  const { mode, nearest_mode, cubic_coeff_a: a, antialias } = attributes;
  if (mode === 'nearest') return [{ position: nearest(nearest_mode, x), weight: 1 }];
  const base = Math.floor(x);
  const support = mode === 'linear' ? 1 : 2;
  if (antialias && scale < 1) {
    // The kernel is stretched by the inverse scale, and its weights are made to add up to 1.
    const reach = support / scale;
    const taps: Tap[] = [];
    for (let position = Math.ceil(x - reach); position <= Math.floor(x + reach); position++) {
      const t = Math.abs(position - x) * scale;
      const weight = mode === 'linear' ? Math.max(0, 1 - t) : cubicAt(t, a);
      taps.push({ position, weight });
    }
    const sum = taps.reduce((s, tap) => s + tap.weight, 0);
    return taps.map(tap => ({ ...tap, weight: tap.weight / sum }));
  }
  if (mode === 'linear') {
    return [
      { position: base, weight: 1 - (x - base) },
      { position: base + 1, weight: x - base },
    ];
  }
  return cubicWeights(x - base, a).map((weight, i) => ({ position: base - 1 + i, weight }));
}

function cubicAt(t: number, a: number): number {
  if (t >= 2) return 0;
  return t <= 1 ? ((a + 2) * t - (a + 3)) * t * t + 1 : ((a * t - 5 * a) * t + 8 * a) * t - 4 * a;
}

function axisMap(
  attributes: Attributes,
  axis: number,
  size: number,
  out: number,
  scale: number,
  roi: readonly [number, number],
): AxisMap {
  const crop = attributes.coordinate_transformation_mode === 'tf_crop_and_resize';
  const maps = Array.from({ length: out }, (_, at): readonly Tap[] | undefined => {
    const x = coordinate(attributes.coordinate_transformation_mode, at, size, out, scale, roi);
    if (crop && (x < 0 || x > size - 1)) return undefined;
    const inside = (p: number) => p >= 0 && p < size;
    let taps = tapsAt(attributes, x, scale);
    if (attributes.exclude_outside) {
      taps = taps.map(tap => (inside(tap.position) ? tap : { ...tap, weight: 0 }));
      const sum = taps.reduce((s, tap) => s + tap.weight, 0);
      taps = taps.map(tap => ({ ...tap, weight: tap.weight / sum }));
    }
    return taps.map(({ position, weight }) => ({ position: Math.min(Math.max(position, 0), size - 1), weight }));
  });
  const most = Math.max(1, ...maps.map(taps => taps?.length ?? 0));
  const taps = maps.map(
    list => list && [...list, ...Array<Tap>(most - list.length).fill({ position: list[0]?.position ?? 0, weight: 0 })],
  );
  return { axis, taps };
}

/** The axes that change, with their taps. */
function mapsOf(node: Node<'Resize'>): AxisMap[] {
  const [x, roi, scales, sizes] = node.inputs;
  const { attributes } = node;
  const shape = sizesOf(x!);
  const to = sizesOf(node.outputs[0]);
  const axes = attributes.axes?.map(a => normalizeAxis(a, shape.length)) ?? shape.map((_, i) => i);
  const given = scales?.constant && scales.constant.data.length > 0 ? numbersOf(scales.constant) : undefined;
  const regions = roi?.constant && roi.constant.data.length > 0 ? numbersOf(roi.constant) : undefined;
  if ((scales && scales.type.shape[0] !== 0 && !given) || (!given && !sizes)) {
    throw new SutureError('kernel-missing', 'its scales or sizes must be known before the run');
  }
  const crop = attributes.coordinate_transformation_mode === 'tf_crop_and_resize';
  if (crop && roi && !regions) throw new SutureError('kernel-missing', 'its region must be known before the run');
  return axes.flatMap((axis, i) => {
    const scale = given ? given[i] : to[axis] / shape[axis];
    const region: readonly [number, number] = regions ? [regions[i], regions[axes.length + i]] : [0, 1];
    if (shape[axis] === to[axis] && scale === 1 && !(crop && regions)) return [];
    return [axisMap(attributes, axis, shape[axis], to[axis], scale, region)];
  });
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
    const fixed = add(...at.map((c, axis) => (maps.some(m => m.axis === axis) ? '0u' : times(c, strides[axis]))));
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
      bindings: [
        { name: 'x', operand: input(0), type: 'f32' },
        { name: 'y', operand: output(0), type: 'f32', access: 'read_write' },
      ],
      declarations: declarations.join('\n'),
      element,
    },
    context,
  );
}
