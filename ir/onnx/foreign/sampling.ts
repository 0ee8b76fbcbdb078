/** Sampling at points: grids of an affine map, and images and volumes read there. */
import type { GraphBuilder } from '../../builder.ts';
import type { Value } from '../../graph.ts';
import type { DType } from '../../type.ts';
import { type ForeignRule, type FormContext, requireInputs } from '../form.ts';
import { type Arithmetic, arithmetic, type Beyond, elementsAt, extent, reflected, weighted } from './interpolation.ts';

/** A coordinate in [-1, 1] as a position between the centres of the first and the last pixel. */
const unnormalized = (m: Arithmetic, x: Value, size: Value, corners: boolean): Value =>
  corners ? m.mul(m.mul(m.add(x, 1), 0.5), m.sub(size, 1)) : m.mul(m.sub(m.mul(m.add(x, 1), size), 1), 0.5);

/** image [N, C, ...], grid [N, ..., d] with the last axis of space first: [N, C, P] for the P places of the grid. */
function sampled(b: GraphBuilder, image: Value, grid: Value, mode: string, { padding, corners }: Beyond): Value {
  const { dtype, shape } = image.type;
  const m = arithmetic(b, dtype);
  const rank = shape.length - 2;
  const points = b.op('Reshape', [grid, b.ints([0, -1, rank])]);
  const positions = Array.from({ length: rank }, (_, i) => {
    const from = rank - 1 - i;
    const slice = b.op('Slice', [points, b.ints([from]), b.ints([from + 1]), b.ints([2])]);
    const size = extent(b, image, 2 + i, dtype);
    const position = unnormalized(m, b.op('Squeeze', [slice, b.ints([2])]), size, corners);
    if (mode !== 'linear' || padding === 'zeros') return position;
    const turned = padding === 'reflection' ? reflected(b, m, position, size, corners) : position;
    return m.clamp(turned, 0, m.sub(size, 1));
  });
  if (mode === 'nearest') {
    const nearest = positions.map(p => b.op('Round', [p]));
    return elementsAt(b, image, nearest, { padding, corners });
  }
  const terms = weighted(b, image, positions, mode === 'cubic' ? 'cubic' : 'linear', { padding, corners });
  return terms.reduce((sum, term) => b.op('Add', [sum, term]));
}

/** `-1 ... 1` in as many steps: between the corners, or between the centres of pixels. */
function steps(b: GraphBuilder, m: Arithmetic, length: Value, dtype: DType, corners: boolean): Value {
  const i = b.op('Cast', [b.op('Range', [b.number(0, 'int64'), length, b.number(1, 'int64')])], { to: dtype });
  const count = b.op('Cast', [length], { to: dtype });
  return corners ? m.sub(m.div(m.mul(i, 2), m.sub(count, 1)), 1) : m.sub(m.div(m.add(m.mul(i, 2), 1), count), 1);
}

/** theta [N, d, d + 1], size [N, C, (D,) H, W] → grid [N, (D,) H, W, d], the last axis x, y(, z). */
function affineGrid(b: GraphBuilder, theta: Value, size: Value, corners: boolean, context: FormContext): Value {
  const { dtype, shape } = theta.type;
  const rank = shape[1];
  if (rank !== 2 && rank !== 3) return context.refuse('its theta must be [N, 2, 3] or [N, 3, 4]');
  const m = arithmetic(b, dtype);
  const spatial = Array.from({ length: rank }, (_, i) => b.op('Gather', [size, b.number(2 + i, 'int64')]));
  const lines = spatial.map(length => steps(b, m, length, dtype, corners));
  const all = b.op(
    'Concat',
    spatial.map(s => b.op('Unsqueeze', [s, b.ints([0])])),
    { axis: 0 },
  );
  const planes = lines.map((line, i) => {
    const axes = Array.from({ length: rank }, (_, k) => k).filter(k => k !== i);
    return b.op('Expand', [b.op('Unsqueeze', [line, b.ints(axes)]), all]);
  });
  const ones = b.op('Expand', [b.number(1, dtype), all]);
  const columns = [...planes.toReversed(), ones].map(p => b.op('Reshape', [p, b.ints([1, -1])]));
  const points = b.op('Concat', columns, { axis: 0 });
  const mapped = b.op('Transpose', [b.op('MatMul', [theta, points])], { perm: [0, 2, 1] });
  const target = b.op('Concat', [b.ints([0]), all, b.ints([rank])], { axis: 0 });
  return b.op('Reshape', [mapped, target]);
}

export const sampling = {
  AffineGrid: {
    since: 20,
    build(form, context) {
      const [theta, size] = requireInputs(form, 2, context);
      const grid = context.within(b => affineGrid(b, theta!, size!, form.int('align_corners') === 1, context));
      return [context.builder.op('Identity', [grid], {}, context.result())];
    },
  },

  GridSample: {
    since: 16,
    build(form, context) {
      const [image, grid] = requireInputs(form, 2, context);
      const rank = image!.type.shape.length;
      // Before version 20 the modes were called bilinear and bicubic.
      const mode = (form.string('mode') ?? 'linear').replace(/^bi/, '');
      const padding = form.string('padding_mode') ?? 'zeros';
      const corners = form.int('align_corners') === 1;
      if (mode === 'cubic' && rank !== 4) return context.refuse('its cubic mode is for images of rank 4 only');
      const [flat, shape] = context.within(b => {
        const of = (x: Value, start: number, end: number) => b.op('Shape', [x], { start, end });
        const shape = b.op('Concat', [of(image!, 0, 2), of(grid!, 1, rank - 1)], { axis: 0 });
        return [sampled(b, image!, grid!, mode, { padding, corners }), shape];
      });
      return [context.builder.op('Reshape', [flat, shape], {}, context.result())];
    },
  },
} satisfies Readonly<Record<string, ForeignRule>>;
