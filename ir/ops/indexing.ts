import { type Dim, isStatic } from '../dim.ts';
import {
  attr,
  elementList,
  elementsOf,
  type Inferred,
  integersOf,
  normalizeAxis,
  type Operand,
  operator,
  reject,
  requireRank,
  requireSameDType,
  scalarOf,
} from '../operator.ts';
import { numbersOf } from '../tensor.ts';
import { type Shape, typeText } from '../type.ts';

function gatherElements(data: Operand, indices: Operand): readonly Dim[] | undefined {
  const [from, at] = [elementsOf(data), integersOf(indices)];
  if (!from || !at || data.type.shape.length !== 1) return undefined;
  return elementList(at.length, () =>
    at.map(i => from[i < 0 ? i + from.length : i] ?? reject(`index ${i} is outside of ${from.length} elements`)),
  );
}

/** Indices along one axis: of the data's rank, and no longer than the data along any other axis. */
function requireAlong(data: Operand, indices: Operand, axis: number): void {
  const { shape } = data.type;
  const along = normalizeAxis(axis, shape.length);
  requireRank(indices, shape.length, 'the indices');
  for (const [i, extent] of indices.type.shape.entries()) {
    const limit = shape[i];
    if (i !== along && isStatic(extent) && isStatic(limit) && extent > limit) {
      reject(`the indices ${typeText(indices.type)} reach beyond ${typeText(data.type)} along axis ${i}`);
    }
  }
}

function requireUpdates(updates: Operand, shape: Shape): void {
  requireRank(updates, shape.length, 'the updates');
  const off = updates.type.shape.findIndex((d, i) => isStatic(d) && isStatic(shape[i]) && d !== shape[i]);
  if (off >= 0) reject(`the updates must be [${shape.join(', ')}], not ${typeText(updates.type)}`);
}

/** Operators whose operands or results are indices. */
export const indexing = {
  Gather: operator({
    inputs: ['data', 'indices'],
    attributes: { axis: attr.int.default(0) },
    versions: [1, 11, 13],
    infer([data, indices], { axis }): readonly Inferred[] {
      const { dtype, shape } = data.type;
      const at = normalizeAxis(axis, shape.length);
      const to = [...shape.slice(0, at), ...indices.type.shape, ...shape.slice(at + 1)];
      return [{ dtype, shape: to, elements: gatherElements(data, indices) }];
    },
  }),
  GatherElements: operator({
    inputs: ['data', 'indices'],
    attributes: { axis: attr.int.default(0) },
    versions: [11, 13],
    infer([data, indices], { axis }): readonly Inferred[] {
      requireAlong(data, indices, axis);
      return [{ dtype: data.type.dtype, shape: indices.type.shape }];
    },
  }),
  GatherND: operator({
    inputs: ['data', 'indices'],
    attributes: { batch_dims: attr.int.default(0) },
    versions: [11, 12, 13],
    infer([data, indices], { batch_dims }): readonly Inferred[] {
      const last = indices.type.shape.at(-1);
      if (typeof last !== 'number') return reject('the last extent of the indices must be known');
      const { shape: from } = data.type;
      if (batch_dims + last > from.length) reject(`tuples of ${last} indices point into ${typeText(data.type)}`);
      const shape = [...indices.type.shape.slice(0, -1), ...from.slice(batch_dims + last)];
      return [{ dtype: data.type.dtype, shape }];
    },
  }),
  ScatterElements: operator({
    inputs: ['data', 'indices', 'updates'],
    attributes: { axis: attr.int.default(0), reduction: attr.string.default('none') },
    versions: [11, 13, 16, 18],
    infer([data, indices, updates], { axis }): readonly Inferred[] {
      requireAlong(data, indices, axis);
      requireUpdates(updates, indices.type.shape);
      return [{ dtype: requireSameDType([data, updates]), shape: data.type.shape }];
    },
  }),
  ScatterND: operator({
    inputs: ['data', 'indices', 'updates'],
    attributes: { reduction: attr.string.default('none') },
    versions: [11, 13, 16, 18],
    infer([data, indices, updates]): readonly Inferred[] {
      const { shape } = data.type;
      const places = indices.type.shape.slice(0, -1);
      const length = indices.type.shape.at(-1);
      if (length === undefined) reject('the indices must be tuples, not a scalar');
      if (isStatic(length)) {
        if (length > shape.length) reject(`tuples of ${length} indices point into ${typeText(data.type)}`);
        requireUpdates(updates, [...places, ...shape.slice(length)]);
      }
      return [{ dtype: requireSameDType([data, updates]), shape }];
    },
  }),
  /** The indices of what is not zero, [rank, count] in row-major order. How many there are depends on data. */
  NonZero: operator({
    inputs: ['X'],
    attributes: {},
    versions: [9, 13],
    infer([x], _, { fresh }): readonly Inferred[] {
      const known = x.constant ? Array.from(numbersOf(x.constant)) : elementsOf(x);
      const count = known?.every(e => typeof e === 'number') ? known.filter(e => e !== 0).length : fresh();
      return [{ dtype: 'int64', shape: [x.type.shape.length, count] }];
    },
  }),
  OneHot: operator({
    inputs: ['indices', 'depth', 'values'],
    attributes: { axis: attr.int.default(-1) },
    versions: [9, 11],
    infer([indices, depth, values], { axis }, { fresh }): readonly Inferred[] {
      const shape = [...indices.type.shape];
      const at = normalizeAxis(axis, shape.length + 1);
      const [pair] = requireRank(values, 1, 'values, off and on,');
      if (isStatic(pair) && pair !== 2) reject(`values must be two, off and on, not ${pair}`);
      const count = scalarOf(depth);
      // A depth may be a float: ONNX truncates it.
      shape.splice(at, 0, typeof count === 'number' ? Math.trunc(count) : (count ?? fresh()));
      return [{ dtype: values.type.dtype, shape }];
    },
  }),
};
