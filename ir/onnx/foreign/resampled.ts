/** Convolution and pooling that read between the elements, at places that data say. */
import type { GraphBuilder } from '../../builder.ts';
import type { Value } from '../../graph.ts';
import { product } from '../../numbers.ts';
import { float32, tensorFromNumbers } from '../../tensor.ts';
import { type ForeignRule, type FormContext, type NodeForm, requireInputs } from '../form.ts';
import { arithmetic, extent, weighted } from './interpolation.ts';

/** The extents from axis `from` on, which must be numbers. */
const known = (x: Value, from: number, what: string, context: FormContext): readonly number[] =>
  x.type.shape
    .slice(from)
    .map(d => (typeof d === 'number' ? d : context.refuse(`the extents of ${what} must be known`)));

/**
 * A convolution whose taps are moved: x [N, C, ...], weight [M, C / group, kernel...], offset [N, groups · taps · d, out...] with
 * the d axes of space of each tap in turn, bias [M], mask [N, groups · taps, out...]. Outside of x is zero.
 */
function deformedConvolution(form: NodeForm, context: FormContext): Value {
  const [x, weight, offset, bias, mask] = requireInputs(form, 3, context) as readonly Value[];
  const { dtype } = x.type;
  const [channels, ...space] = known(x, 1, 'its data but the batch', context);
  const [maps, perGroup, ...kernel] = known(weight, 0, 'its weight', context);
  const rank = space.length;
  const out = known(offset, 2, 'its offsets', context);
  const [taps, places] = [product(kernel), product(out)];
  const group = form.int('group') ?? 1;
  const groups = form.int('offset_group') ?? 1;
  if (perGroup * group !== channels || channels % groups !== 0 || maps % group !== 0 || out.length !== rank)
    return context.refuse('its groups and the ranks of its weight and offsets do not fit its data');
  const fill = (name: string, length: number, value: number) => form.ints(name) ?? Array<number>(length).fill(value);
  const [strides, dilations] = [fill('strides', rank, 1), fill('dilations', rank, 1)];
  const pads = fill('pads', 2 * rank, 0);
  const room = space.map((size, i) => size + pads[i] + pads[rank + i] - dilations[i] * (kernel[i] - 1) - 1);
  if (room.some((r, i) => out[i] !== Math.floor(r / strides[i]) + 1))
    return context.refuse('its offsets have other extents than what it gives');
  context.computes(8 * rank * taps * places);
  /** Where tap k reads for place p if nothing is moved, along one axis: [1, 1, taps, places]. */
  const resting = (axis: number): Float32Array => {
    const after = (sizes: readonly number[]) => product(sizes.slice(axis + 1));
    return Float32Array.from({ length: taps * places }, (_, i) => {
      const [k, p] = [Math.floor(i / places), i % places];
      const tap = Math.floor(k / after(kernel)) % kernel[axis];
      const place = Math.floor(p / after(out)) % out[axis];
      return place * strides[axis] - pads[axis] + tap * dilations[axis];
    });
  };
  const flat = context.within(b => {
    const m = arithmetic(b, dtype);
    const moves = b.op('Reshape', [offset, b.ints([-1, taps, rank, places])]);
    const positions = space.map((_, i) => {
      const move = b.op('Squeeze', [b.op('Slice', [moves, b.ints([i]), b.ints([i + 1]), b.ints([2])]), b.ints([2])]);
      const moved = m.add(move, b.constant(tensorFromNumbers(dtype, [taps, places], resting(i)), `axis_${i}`));
      return b.op('Reshape', [moved, b.ints([-1, taps * places])]);
    });
    const parts = b.op('Reshape', [x, b.ints([-1, channels / groups, ...space])]);
    const beyond = { padding: 'zeros', corners: false };
    const read = weighted(b, parts, positions, 'linear', beyond).reduce((sum, term) => m.add(sum, term));
    const shares = mask && b.op('Reshape', [mask, b.ints([-1, 1, taps * places])]);
    const columns = b.op('Reshape', [
      shares ? m.mul(read, shares) : read,
      b.ints([-1, group, perGroup * taps, places]),
    ]);
    const rows = b.op('Reshape', [weight, b.ints([group, maps / group, perGroup * taps])]);
    const sums = b.op('Reshape', [b.op('MatMul', [rows, columns]), b.ints([-1, maps, places])]);
    return bias ? m.add(sums, b.op('Unsqueeze', [bias, b.ints([1])])) : sums;
  });
  return context.builder.op('Reshape', [flat, context.ints([-1, maps, ...out], 'shape')], {}, context.result());
}

/** Positions along one side of regions [R]: the middles of `samples` parts of each of `bins`, [R, bins · samples]. */
function middles(b: GraphBuilder, start: Value, end: Value, bins: number, samples: number): Value {
  const m = arithmetic(b, start.type.dtype);
  const count = bins * samples;
  const shares = b.constant(
    float32(
      [count],
      Array.from({ length: count }, (_, i) => (i + 0.5) / count),
    ),
  );
  const of = (v: Value): Value => b.op('Unsqueeze', [v, b.ints([1])]);
  const share = b.op('Cast', [shares], { to: start.type.dtype });
  return m.add(of(start), m.mul(of(m.sub(end, start)), share));
}

/** Regions [R, 4] (x1, y1, x2, y2) of the images [N, C, H, W] that `batch_indices` [R] name, each as [C, height, width]. */
function regions(form: NodeForm, context: FormContext): Value {
  const [x, rois, indices] = requireInputs(form, 3, context) as readonly Value[];
  const { dtype } = x.type;
  const [height, width] = [form.int('output_height') ?? 1, form.int('output_width') ?? 1];
  const samples = form.int('sampling_ratio') ?? 0;
  // Each region would have as many samples as it is large.
  if (samples < 1)
    return context.refuse('its sampling_ratio must be given: without it regions are read as finely as they are large');
  const mode = form.string('mode') ?? 'avg';
  const moved =
    (form.string('coordinate_transformation_mode') ?? (context.opset < 16 ? 'output_half_pixel' : 'half_pixel')) ===
    'half_pixel';
  const scale = form.float('spatial_scale') ?? 1;
  const sides = [height * samples, width * samples] as const;
  context.computes(8 * (sides[0] + sides[1]));
  const read = context.within(b => {
    const m = arithmetic(b, dtype);
    const images = b.op('Gather', [x, indices], { axis: 0 });
    const corner = (i: number): Value => {
      const slice = b.op('Squeeze', [b.op('Slice', [rois, b.ints([i]), b.ints([i + 1]), b.ints([1])]), b.ints([1])]);
      return moved ? m.sub(m.mul(slice, scale), 0.5) : m.mul(slice, scale);
    };
    const lines = [
      [corner(1), corner(3), height],
      [corner(0), corner(2), width],
    ] as const;
    const target = b.op('Concat', [b.op('Shape', [rois], { start: 0, end: 1 }), b.ints(sides)], { axis: 0 });
    const planes = lines.map(([start, end, bins], i) => {
      // Before regions were moved by half a pixel they were one pixel large at least.
      const far = moved ? end : m.add(start, b.op('Max', [m.sub(end, start), b.number(1, dtype)]));
      const line = b.op('Unsqueeze', [middles(b, start, far, bins, samples), b.ints([i === 0 ? 2 : 1])]);
      return b.op('Reshape', [b.op('Expand', [line, target]), b.ints([0, -1])]);
    });
    const sizes = planes.map((_, i) => extent(b, images, 2 + i, dtype));
    const near = planes.map((p, i) =>
      b.op('And', [b.op('GreaterOrEqual', [p, b.number(-1, dtype)]), b.op('LessOrEqual', [p, sizes[i]])]),
    );
    const held = planes.map((p, i) => m.clamp(p, 0, m.sub(sizes[i], 1)));
    const terms = weighted(b, images, held, 'linear', { padding: 'border', corners: false });
    // ONNX takes the largest of the weighted neighbours, not of their sums.
    const value = terms.reduce((p, q) => (mode === 'max' ? b.op('Max', [p, q]) : m.add(p, q)));
    const inside = b.op('Unsqueeze', [b.op('And', [near[0], near[1]]), b.ints([1])]);
    const shown = b.op('Where', [inside, value, b.number(0, dtype)]);
    return b.op('Reshape', [shown, b.ints([0, 0, height, samples, width, samples])]);
  });
  const axes = context.ints([3, 5], 'samples');
  const op = mode === 'max' ? 'ReduceMax' : 'ReduceMean';
  return context.builder.op(op, [read, axes], { keepdims: 0 }, context.result());
}

export const resampled = {
  DeformConv: { since: 19, build: (form, context) => [deformedConvolution(form, context)] },
  RoiAlign: { since: 10, build: (form, context) => [regions(form, context)] },
} satisfies Readonly<Record<string, ForeignRule>>;
