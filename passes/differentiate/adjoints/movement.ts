import type { Value } from '../../../ir/graph.ts';
import { range } from '../../../ir/numbers.ts';
import { elementsOf, integersOf } from '../../../ir/operator.ts';
import { type movement as operators, sliceRanges } from '../../../ir/ops/movement.ts';
import { type Emit, known } from '../emit.ts';
import type { Adjoint, AdjointArguments, AdjointTable, Gradient } from '../rule.ts';

type Relabelling = 'Reshape' | 'Flatten' | 'Squeeze' | 'Unsqueeze' | 'Identity';

/** Operators that keep the elements in order: so does the adjoint. */
const relabelled: Adjoint<Relabelling> = given => {
  const { e, x, dy } = given as unknown as AdjointArguments<'Identity'>;
  return [() => e.reshapeLike(dy, x[0])];
};

export const axisOf = (axis: number, x: Value): number => (axis < 0 ? axis + x.type.shape.length : axis);

/** The part of `dy` from `start` on, `length` long, along one axis. */
const part = (e: Emit, dy: Value, axis: number, start: number, length: number): Value =>
  e.b.op('Slice', [dy, e.b.ints([start]), e.b.ints([start + length]), e.b.ints([axis])]);

function concat({ e, node, x, dy }: AdjointArguments<'Concat'>): Gradient[] {
  const axis = axisOf(node.attributes.axis, dy);
  let start = 0;
  return x.map(input => {
    const extent = input.type.shape[axis];
    const from = start;
    // An unknown extent makes every later start unknown too; it is only an error for those whose gradient is wanted.
    start = typeof extent === 'number' ? start + extent : Number.NaN;
    return () => part(e, dy, axis, Number.isNaN(from) ? known(Number.NaN, input) : from, known(extent, input));
  });
}

function split({ e, node, x: [x], dys }: AdjointArguments<'Split'>): Gradient[] {
  const parts = () => node.outputs.map((output, i) => dys[i] ?? e.filled(0, output));
  return [() => e.b.op('Concat', parts(), { axis: axisOf(node.attributes.axis, x) })];
}

function slice({ e, x: [x, starts, ends, axes, steps], dy }: AdjointArguments<'Slice'>): Gradient[] {
  const { shape } = x.type;
  const [from, to] = [elementsOf(starts), elementsOf(ends)];
  const count = from?.length ?? 0;
  const along = axes ? integersOf(axes) : range(0, count);
  const by = steps ? integersOf(steps) : Array<number>(count).fill(1);
  const ranges = from && to && along && by ? sliceRanges(shape, from, to, along, by) : undefined;
  if (!ranges) return [];
  return [
    () => {
      // Runs of consecutive elements are put back by one Pad, whatever the number of axes.
      const pads = Array<number>(2 * shape.length).fill(0);
      let g = dy;
      for (const { axis, start, step, length } of ranges) {
        if (typeof shape[axis] !== 'number' && start === 0 && step === 1 && length === shape[axis]) continue;
        const [extent, taken] = [known(shape[axis], x), known(length, x)];
        if (step === 1) {
          pads[axis] = start;
          pads[shape.length + axis] = extent - start - taken;
        } else
          g = e.scatter(
            g,
            axis,
            range(0, taken).map(i => start + i * step),
            extent,
          );
      }
      return pads.some(p => p > 0) ? e.b.op('Pad', [g, e.b.ints(pads)]) : g;
    },
  ];
}

/** The element of the input that each element of a padded axis shows. */
function paddedIndices(mode: string, extent: number, before: number, after: number): number[] {
  return range(-before, extent + after).map(i => {
    if (mode === 'edge') return Math.min(Math.max(i, 0), extent - 1);
    if (mode === 'wrap') return ((i % extent) + extent) % extent;
    const period = Math.max(1, 2 * (extent - 1));
    const at = ((i % period) + period) % period;
    return at < extent ? at : period - at;
  });
}

function pad({ e, node, x: [x, pads, , axes], dy }: AdjointArguments<'Pad'>): Gradient[] {
  const { shape } = x.type;
  const by = integersOf(pads);
  const along = axes ? integersOf(axes)?.map(a => axisOf(a, x)) : range(0, shape.length);
  if (!by || !along) return [];
  const touched = along
    .map((axis, i) => ({ axis, before: by[i], after: by[along.length + i] }))
    .filter(p => p.before !== 0 || p.after !== 0);
  if (node.attributes.mode !== 'constant') {
    return [
      () =>
        touched.reduce((g, { axis, before, after }) => {
          const extent = known(shape[axis], x);
          return e.scatter(g, axis, paddedIndices(node.attributes.mode, extent, before, after), extent);
        }, dy),
    ];
  }
  return [
    () => {
      if (touched.length === 0) return dy;
      if (touched.some(p => p.before < 0 || p.after < 0)) {
        const back = Array<number>(2 * shape.length).fill(0);
        for (const { axis, before, after } of touched) {
          back[axis] = -before;
          back[shape.length + axis] = -after;
        }
        return e.b.op('Pad', [dy, e.b.ints(back)]);
      }
      const starts = touched.map(p => p.before);
      const ends = touched.map(p => p.before + known(shape[p.axis], x));
      return e.b.op('Slice', [dy, e.b.ints(starts), e.b.ints(ends), e.b.ints(touched.map(p => p.axis))]);
    },
  ];
}

function tile({ e, x: [x, repeats], dy }: AdjointArguments<'Tile'>): Gradient[] {
  const by = integersOf(repeats);
  if (!by) return [];
  return [
    () => {
      const apart = e.reshape(
        dy,
        x.type.shape.flatMap((d, i) => [by[i], d]),
      );
      return e.sum(
        apart,
        range(0, by.length).map(i => 2 * i),
        0,
      );
    },
  ];
}

/** [N, C·b², H, W] → [N, C, b, b, ...] and back, for the mode that SpaceToDepth does not undo. */
function columnRowDepth(e: Emit, dy: Value, x: Value, block: number): Value {
  const [n, c, h, w] = x.type.shape;
  const channels = known(c, x) / (block * block);
  const apart = e.reshape(dy, [n, channels, h, block, w, block]);
  return e.reshapeLike(e.b.op('Transpose', [apart], { perm: [0, 1, 3, 5, 2, 4] }), x);
}

export const movement: AdjointTable<keyof typeof operators> = {
  Identity: relabelled,
  Reshape: relabelled,
  Flatten: relabelled,
  Squeeze: relabelled,
  Unsqueeze: relabelled,
  Transpose: ({ e, node, x: [x], dy }) => {
    const perm = node.attributes.perm ?? range(0, x.type.shape.length).reverse();
    return [() => e.b.op('Transpose', [dy], { perm: perm.map((_, i) => perm.indexOf(i)) })];
  },
  Concat: concat,
  Split: split,
  Slice: slice,
  Pad: pad,
  /** The pass sums over what was repeated. */
  Expand: ({ dy }) => [() => dy],
  Tile: tile,
  DepthToSpace: ({ e, node, x: [x], dy }) => {
    const { blocksize, mode } = node.attributes;
    return [() => (mode === 'DCR' ? e.b.op('SpaceToDepth', [dy], { blocksize }) : columnRowDepth(e, dy, x, blocksize))];
  },
  SpaceToDepth: ({ e, node, dy }) => [
    () => e.b.op('DepthToSpace', [dy], { blocksize: node.attributes.blocksize, mode: 'DCR' }),
  ],
  Trilu: ({ e, node, x: [, k], dy }) => [() => e.b.op('Trilu', [dy, k], { upper: node.attributes.upper })],
  Shape: 'zero',
  Size: 'zero',
  ConstantOfShape: 'zero',
  Range: 'zero',
};
