/** Values of tensors between their elements, at positions that data say; for tensors [N, C, ...] with any number of axes of space. */
import type { GraphBuilder } from '../../builder.ts';
import type { Value } from '../../graph.ts';
import type { DType } from '../../type.ts';

/** Arithmetic on values of one dtype, so that formulas can be read. */
export function arithmetic(b: GraphBuilder, dtype: DType) {
  const of = (x: Value | number): Value => (typeof x === 'number' ? b.number(x, dtype) : x);
  return {
    add: (x: Value | number, y: Value | number): Value => b.op('Add', [of(x), of(y)]),
    sub: (x: Value | number, y: Value | number): Value => b.op('Sub', [of(x), of(y)]),
    mul: (x: Value | number, y: Value | number): Value => b.op('Mul', [of(x), of(y)]),
    div: (x: Value | number, y: Value | number): Value => b.op('Div', [of(x), of(y)]),
    clamp: (x: Value, least: number, most: Value): Value => b.op('Min', [b.op('Max', [x, of(least)]), most]),
  };
}
export type Arithmetic = ReturnType<typeof arithmetic>;

/** The extent along an axis as a scalar of a dtype. */
export function extent(b: GraphBuilder, x: Value, axis: number, dtype: DType): Value {
  const size = x.type.shape[axis];
  if (typeof size === 'number') return b.number(size, dtype);
  const shape = b.op('Shape', [x], { start: axis, end: axis + 1 });
  return b.op('Cast', [b.op('Squeeze', [shape, b.ints([0])])], { to: dtype });
}

/** A position folded back into the image as often as needed: about its outermost centres with `corners`, else about its edges. */
export function reflected(b: GraphBuilder, m: Arithmetic, x: Value, size: Value, corners: boolean): Value {
  const least = corners ? 0 : -0.5;
  const span = corners ? m.sub(size, 1) : size;
  const away = b.op('Abs', [m.sub(x, least)]);
  const period = m.mul(span, 2);
  const inside = m.sub(away, m.mul(b.op('Floor', [m.div(away, period)]), period));
  return m.add(b.op('Min', [inside, m.sub(period, inside)]), least);
}

/** What is read beyond the outermost elements, and for reflection where it turns. */
export interface Beyond {
  readonly padding: string;
  readonly corners: boolean;
}

/** Elements of [N, C, ...] at whole positions, [N, P] along each axis of space: [N, C, P]. */
export function elementsAt(
  b: GraphBuilder,
  image: Value,
  positions: readonly Value[],
  { padding, corners }: Beyond,
): Value {
  const { dtype } = image.type;
  const m = arithmetic(b, dtype);
  const size = (i: number): Value => extent(b, image, 2 + i, dtype);
  const turned = padding === 'reflection' ? positions.map((p, i) => reflected(b, m, p, size(i), corners)) : positions;
  const held = turned.map((p, i) => m.clamp(p, 0, m.sub(size(i), 1)));
  // Positions are counted in whole numbers: floats can't tell all elements of a large tensor apart.
  const whole = held.map(p => b.op('Cast', [b.op('Round', [p])], { to: 'int64' }));
  const flat = whole.reduce((at, p, i) => b.op('Add', [b.op('Mul', [at, extent(b, image, 2 + i, 'int64')]), p]));
  const channels = b.op('Shape', [image], { start: 1, end: 2 });
  const one = b.ints([1]);
  const wide = b.op('Expand', [b.op('Unsqueeze', [flat, one]), b.op('Concat', [one, channels, one], { axis: 0 })]);
  const picked = b.op('GatherElements', [b.op('Reshape', [image, b.ints([0, 0, -1])]), wide], { axis: 2 });
  if (padding !== 'zeros') return picked;
  const inside = held.map((h, i) => b.op('Equal', [h, turned[i]])).reduce((p, q) => b.op('And', [p, q]));
  return b.op('Where', [b.op('Unsqueeze', [inside, one]), picked, b.number(0, dtype)]);
}

/** Weights of neighbours at distances 1 + t, t, 1 - t, 2 - t: Keys' cubic with a = -0.75. */
function cubicWeights(m: Arithmetic, t: Value): readonly Value[] {
  const a = -0.75;
  const near = (d: Value): Value => m.add(m.mul(m.mul(m.sub(m.mul(d, a + 2), a + 3), d), d), 1);
  const far = (d: Value): Value => m.sub(m.mul(m.add(m.mul(m.sub(m.mul(d, a), 5 * a), d), 8 * a), d), 4 * a);
  return [far(m.add(t, 1)), near(t), near(m.sub(1, t)), far(m.sub(2, t))];
}

/**
 * The neighbours of positions, [N, P] along each axis of space, each with its weight: [N, C, P]. Their sum is the value there,
 * linear between two neighbours along each axis, or cubic between four.
 */
export function weighted(
  b: GraphBuilder,
  image: Value,
  positions: readonly Value[],
  mode: 'linear' | 'cubic',
  beyond: Beyond,
): readonly Value[] {
  const m = arithmetic(b, image.type.dtype);
  const first = mode === 'cubic' ? -1 : 0;
  const lines = positions.map(p => {
    const below = b.op('Floor', [p]);
    const t = m.sub(p, below);
    const weights = mode === 'cubic' ? cubicWeights(m, t) : [m.sub(1, t), t];
    return weights.map((weight, i) => ({ weight, at: m.add(below, first + i) }));
  });
  type Neighbour = { readonly weight: Value | undefined; readonly at: readonly Value[] };
  const neighbours = lines.reduce<readonly Neighbour[]>(
    (all, line) =>
      all.flatMap(n =>
        line.map(({ weight, at }) => ({
          weight: n.weight === undefined ? weight : m.mul(n.weight, weight),
          at: [...n.at, at],
        })),
      ),
    [{ weight: undefined, at: [] }],
  );
  return neighbours.map(({ weight, at }) =>
    m.mul(elementsAt(b, image, at, beyond), b.op('Unsqueeze', [weight!, b.ints([1])])),
  );
}
