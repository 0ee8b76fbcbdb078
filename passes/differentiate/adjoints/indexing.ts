import { productOf } from '../../../ir/dim.ts';
import type { Value } from '../../../ir/graph.ts';
import { range } from '../../../ir/numbers.ts';
import { integersOf } from '../../../ir/operator.ts';
import type { indexing as operators } from '../../../ir/ops/indexing.ts';
import { int64s } from '../../../ir/tensor.ts';
import { type Emit, known } from '../emit.ts';
import type { AdjointArguments, AdjointTable, Gradient } from '../rule.ts';
import { axisOf } from './movement.ts';

function gather({ e, node, x: [data, indices], dy }: AdjointArguments<'Gather'>): Gradient[] {
  const axis = axisOf(node.attributes.axis, data);
  const picked = indices.constant ? integersOfAny(indices) : undefined;
  const { shape } = data.type;
  if (!picked) return [() => gatherByIndex(e, data, indices, axis, dy)];
  return [
    () => {
      const extent = known(shape[axis], data);
      const flat = e.reshape(
        dy,
        shape.map((d, i) => (i === axis ? picked.length : d)),
      );
      return e.scatter(
        flat,
        axis,
        picked.map(i => (i < 0 ? i + extent : i)),
        extent,
      );
    },
  ];
}

function integersOfAny(x: Value): readonly number[] | undefined {
  if (!x.constant) return undefined;
  return integersOf({ type: x.type, constant: { ...x.constant, shape: [x.constant.data.length] } });
}

/** Indices that are data: scattered along the axis, which must be the first for that ONNX operator to take whole rows. */
function gatherByIndex(e: Emit, data: Value, indices: Value, axis: number, dy: Value): Value {
  const { shape } = data.type;
  const rank = shape.length;
  const count = productOf(indices.type.shape);
  const flat = e.reshape(
    dy,
    shape.map((d, i) => (i === axis ? count : d)),
  );
  const line = e.b.op('Reshape', [indices, e.b.ints(range(0, rank).map(i => (i === axis ? -1 : 1)))]);
  const wide = e.b.op('Expand', [line, e.shapeOf(flat)]);
  return e.b.op('ScatterElements', [e.filled(0, data), wide, flat], { axis, reduction: 'add' });
}

/** Indices of a GatherND that point into each element of a batch, with the place in the batch put before them. */
function wholeTuples(e: Emit, data: Value, indices: Value, batchDims: number): Value {
  if (batchDims === 0) return indices;
  const shape = indices.type.shape.slice(0, -1);
  const extents = shape.map(d => known(d, indices));
  const places = range(0, batchDims).map(axis => {
    const line = extents.map((_, i) => (i === axis ? extents[axis] : 1));
    const counted = e.b.constant(
      { ...int64s(range(0, known(data.type.shape[axis], data))), shape: [...line, 1] },
      'place',
    );
    const wide = e.b.op('Expand', [counted, e.b.ints([...extents, 1])]);
    return indices.type.dtype === 'int64' ? wide : e.b.op('Cast', [wide], { to: indices.type.dtype });
  });
  return e.b.op('Concat', [...places, indices], { axis: extents.length });
}

export const indexing: AdjointTable<keyof typeof operators> = {
  Gather: gather,
  GatherElements: ({ e, node, x: [data, indices], dy }) => [
    () =>
      e.b.op('ScatterElements', [e.filled(0, data), indices, dy], {
        axis: node.attributes.axis,
        reduction: 'add',
      }),
  ],
  GatherND: ({ e, node, x: [data, indices], dy }) => [
    () => {
      const whole = wholeTuples(e, data, indices, node.attributes.batch_dims);
      return e.b.op('ScatterND', [e.filled(0, data), whole, dy], { reduction: 'add' });
    },
  ],
  ScatterElements: ({ e, node, x: [, indices, updates], dy }) => {
    const { axis, reduction } = node.attributes;
    if (reduction !== 'none' && reduction !== 'add') return [];
    return [
      () => (reduction === 'add' ? dy : e.b.op('ScatterElements', [dy, indices, e.filled(0, updates)], { axis })),
      undefined,
      () => e.b.op('GatherElements', [dy, indices], { axis }),
    ];
  },
  ScatterND: ({ e, node, x: [, indices, updates], dy }) => {
    const { reduction } = node.attributes;
    if (reduction !== 'none' && reduction !== 'add') return [];
    return [
      () => (reduction === 'add' ? dy : e.b.op('ScatterND', [dy, indices, e.filled(0, updates)])),
      undefined,
      () => e.b.op('GatherND', [dy, indices]),
    ];
  },
  NonZero: 'zero',
  OneHot: null,
};
