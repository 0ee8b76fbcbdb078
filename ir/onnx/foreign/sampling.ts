/** Sampling at points: grids of an affine map, and images read there. Images of rank 4 only. */
import type { GraphBuilder } from '../../builder.ts';
import type { Value } from '../../graph.ts';
import { int64s, tensorFromNumbers } from '../../tensor.ts';
import type { DType } from '../../type.ts';
import { type ForeignRule, type FormContext, requireInputs } from '../form.ts';

const number = (b: GraphBuilder, dtype: DType, value: number): Value =>
  b.constant(tensorFromNumbers(dtype, [], [value]));

/** Arithmetic on values of one dtype, so that formulas can be read. */
function arithmetic(b: GraphBuilder, dtype: DType) {
  const of = (x: Value | number): Value => (typeof x === 'number' ? number(b, dtype, x) : x);
  return {
    add: (x: Value | number, y: Value | number): Value => b.op('Add', [of(x), of(y)]),
    sub: (x: Value | number, y: Value | number): Value => b.op('Sub', [of(x), of(y)]),
    mul: (x: Value | number, y: Value | number): Value => b.op('Mul', [of(x), of(y)]),
    div: (x: Value | number, y: Value | number): Value => b.op('Div', [of(x), of(y)]),
    clamp: (x: Value, least: number, most: Value): Value => b.op('Min', [b.op('Max', [x, of(least)]), most]),
  };
}
type Arithmetic = ReturnType<typeof arithmetic>;

/** The extent along an axis as a scalar of a dtype. */
function extent(b: GraphBuilder, x: Value, axis: number, dtype: DType): Value {
  const size = x.type.shape[axis];
  if (typeof size === 'number') return number(b, dtype, size);
  const shape = b.op('Shape', [x], { start: axis, end: axis + 1 });
  return b.op('Cast', [b.op('Squeeze', [shape, b.ints([0])])], { to: dtype });
}

/** A coordinate in [-1, 1] as a position between the centres of the first and the last pixel. */
const unnormalized = (m: Arithmetic, x: Value, size: Value, corners: boolean): Value =>
  corners ? m.mul(m.mul(m.add(x, 1), 0.5), m.sub(size, 1)) : m.mul(m.sub(m.mul(m.add(x, 1), size), 1), 0.5);

/** A position folded back into the image as often as needed. */
function reflected(b: GraphBuilder, m: Arithmetic, x: Value, size: Value, corners: boolean): Value {
  const least = corners ? 0 : -0.5;
  const span = corners ? m.sub(size, 1) : size;
  const away = b.op('Abs', [m.sub(x, least)]);
  const period = m.mul(span, 2);
  const inside = m.sub(away, m.mul(b.op('Floor', [m.div(away, period)]), period));
  return m.add(b.op('Min', [inside, m.sub(period, inside)]), least);
}

/** Pixels of [N, C, H, W] at whole positions [N, P], outside of the image as the padding says: [N, C, P]. */
function pixels(
  b: GraphBuilder,
  m: Arithmetic,
  image: Value,
  x: Value,
  y: Value,
  sizes: Sizes,
  padding: string,
): Value {
  const [w, h] = [sizes.width, sizes.height];
  let [px, py] = [x, y];
  if (padding === 'reflection') {
    px = reflected(b, m, px, w, sizes.corners);
    py = reflected(b, m, py, h, sizes.corners);
  }
  const [cx, cy] = [m.clamp(px, 0, m.sub(w, 1)), m.clamp(py, 0, m.sub(h, 1))];
  const flat = b.op('Cast', [b.op('Round', [m.add(m.mul(cy, w), cx)])], { to: 'int64' });
  const channels = b.op('Shape', [image], { start: 1, end: 2 });
  const one = b.ints([1]);
  const wide = b.op('Expand', [b.op('Unsqueeze', [flat, one]), b.op('Concat', [one, channels, one], { axis: 0 })]);
  const picked = b.op('GatherElements', [b.op('Reshape', [image, b.ints([0, 0, -1])]), wide], { axis: 2 });
  if (padding !== 'zeros') return picked;
  const inside = b.op('And', [b.op('Equal', [cx, px]), b.op('Equal', [cy, py])]);
  return b.op('Where', [b.op('Unsqueeze', [inside, one]), picked, number(b, image.type.dtype, 0)]);
}

interface Sizes {
  readonly width: Value;
  readonly height: Value;
  readonly corners: boolean;
}

/** Weights of the four neighbours at distances 1 + t, t, 1 - t, 2 - t: Keys' cubic with a = -0.75. */
function cubicWeights(m: Arithmetic, t: Value): readonly Value[] {
  const a = -0.75;
  const near = (d: Value): Value => m.add(m.mul(m.mul(m.sub(m.mul(d, a + 2), a + 3), d), d), 1);
  const far = (d: Value): Value => m.sub(m.mul(m.add(m.mul(m.sub(m.mul(d, a), 5 * a), d), 8 * a), d), 4 * a);
  return [far(m.add(t, 1)), near(t), near(m.sub(1, t)), far(m.sub(2, t))];
}

function sampled(b: GraphBuilder, image: Value, grid: Value, mode: string, padding: string, corners: boolean): Value {
  const { dtype } = image.type;
  const m = arithmetic(b, dtype);
  const points = b.op('Reshape', [grid, b.ints([0, -1, 2])]);
  const coordinate = (i: number): Value =>
    b.op('Squeeze', [b.op('Slice', [points, b.ints([i]), b.ints([i + 1]), b.ints([2])]), b.ints([2])]);
  const sizes: Sizes = { width: extent(b, image, 3, dtype), height: extent(b, image, 2, dtype), corners };
  let x = unnormalized(m, coordinate(0), sizes.width, corners);
  let y = unnormalized(m, coordinate(1), sizes.height, corners);
  const at = (px: Value, py: Value): Value => pixels(b, m, image, px, py, sizes, padding);
  if (mode === 'nearest') return at(b.op('Round', [x]), b.op('Round', [y]));
  if (mode !== 'cubic' && padding === 'border') {
    x = m.clamp(x, 0, m.sub(sizes.width, 1));
    y = m.clamp(y, 0, m.sub(sizes.height, 1));
  }
  if (mode !== 'cubic' && padding === 'reflection') {
    x = m.clamp(reflected(b, m, x, sizes.width, corners), 0, m.sub(sizes.width, 1));
    y = m.clamp(reflected(b, m, y, sizes.height, corners), 0, m.sub(sizes.height, 1));
  }
  const [left, top] = [b.op('Floor', [x]), b.op('Floor', [y])];
  const [tx, ty] = [m.sub(x, left), m.sub(y, top)];
  const weights = (t: Value): readonly Value[] => (mode === 'cubic' ? cubicWeights(m, t) : [m.sub(1, t), t]);
  const first = mode === 'cubic' ? -1 : 0;
  const terms = weights(ty).flatMap((wy, j) =>
    weights(tx).map((wx, i) => {
      const pixel = at(m.add(left, first + i), m.add(top, first + j));
      return m.mul(pixel, b.op('Unsqueeze', [m.mul(wx, wy), b.ints([1])]));
    }),
  );
  return terms.reduce((sum, term) => b.op('Add', [sum, term]));
}

/** `-1 ... 1` in as many steps: between the corners, or between the centres of pixels. */
function steps(b: GraphBuilder, m: Arithmetic, length: Value, dtype: DType, corners: boolean): Value {
  const whole = (value: number) => b.constant({ ...int64s([value]), shape: [] });
  const i = b.op('Cast', [b.op('Range', [whole(0), length, whole(1)])], { to: dtype });
  const count = b.op('Cast', [length], { to: dtype });
  return corners ? m.sub(m.div(m.mul(i, 2), m.sub(count, 1)), 1) : m.sub(m.div(m.add(m.mul(i, 2), 1), count), 1);
}

/** theta [N, d, d + 1], size [N, C, (D,) H, W] → grid [N, (D,) H, W, d], the last axis x, y(, z). */
function affineGrid(b: GraphBuilder, theta: Value, size: Value, corners: boolean, context: FormContext): Value {
  const { dtype, shape } = theta.type;
  const rank = shape[1];
  if (rank !== 2 && rank !== 3) return context.refuse('its theta must be [N, 2, 3] or [N, 3, 4]');
  const m = arithmetic(b, dtype);
  const index = (i: number) => b.constant({ ...int64s([i]), shape: [] });
  const spatial = Array.from({ length: rank }, (_, i) => b.op('Gather', [size, index(2 + i)]));
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
  const ones = b.op('Expand', [number(b, dtype, 1), all]);
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
      if (image!.type.shape.length !== 4) return context.refuse('images of other ranks than 4 are not supported');
      // Before version 20 the modes were called bilinear and bicubic.
      const mode = (form.string('mode') ?? 'linear').replace(/^bi/, '');
      const padding = form.string('padding_mode') ?? 'zeros';
      const corners = form.int('align_corners') === 1;
      const [flat, shape] = context.within(b => {
        const of = (x: Value, start: number, end: number) => b.op('Shape', [x], { start, end });
        const shape = b.op('Concat', [of(image!, 0, 2), of(grid!, 1, 3)], { axis: 0 });
        return [sampled(b, image!, grid!, mode, padding, corners), shape];
      });
      return [context.builder.op('Reshape', [flat, shape], {}, context.result())];
    },
  },
} satisfies Readonly<Record<string, ForeignRule>>;
