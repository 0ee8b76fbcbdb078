import {
  addDims,
  ceilDivide,
  type Dim,
  divideExactly,
  equalDims,
  floorDivide,
  isStatic,
  multiplyDims,
  productOf,
  subtractDims,
} from '../dim.ts';
import {
  attr,
  elementList,
  elementsOf,
  type Inferred,
  integersOf,
  MOST_AXES,
  normalizeAxis,
  type Operand,
  operator,
  reject,
  requirePossible,
  requireRank,
  requireSameDType,
  scalarOf,
} from '../operator.ts';
import { scalar } from '../tensor.ts';
import { isFloat, type Shape, sizeOf, typeText } from '../type.ts';
import { broadcast } from './elementwise.ts';

/** The length of a shape-like operand, needed for the rank of the result. */
function lengthOf(operand: Operand, what: string): number {
  const [length] = operand.type.shape;
  if (typeof length !== 'number') return reject(`the number of elements of ${what} must be known`);
  if (length > MOST_AXES) return reject(`${what} has ${length} elements; a tensor has ${MOST_AXES} axes at most`);
  return length;
}

/** The shape that a Reshape to `target` gives; 0 copies a dim, -1 takes what is left. */
function reshaped(from: Shape, target: readonly Dim[], allowzero: boolean): Dim[] {
  const shape = target.map((d, i) => (d === 0 && !allowzero ? (from[i] ?? reject(`0 at ${i} copies no dim`)) : d));
  const open = shape.indexOf(-1);
  if (open >= 0) {
    const rest = productOf(shape.filter((_, i) => i !== open));
    shape[open] =
      divideExactly(productOf(from), rest) ?? reject(`[${from.join(', ')}] does not fit [${target.join(', ')}]`);
  } else {
    const [before, after] = [productOf(from), productOf(shape)];
    if (typeof before === 'number' && typeof after === 'number' && before !== after) {
      reject(`[${from.join(', ')}] does not fit [${target.join(', ')}]`);
    }
  }
  return shape;
}

/** Start, end and step per axis of a Slice, clamped as ONNX says; undefined where they depend on data. */
export function sliceRanges(
  shape: Shape,
  starts: readonly Dim[],
  ends: readonly Dim[],
  axes: readonly number[],
  steps: readonly number[],
): readonly { axis: number; start: number; step: number; length: Dim }[] | undefined {
  const ranges: { axis: number; start: number; step: number; length: Dim }[] = [];
  for (const [i, given] of axes.entries()) {
    const axis = normalizeAxis(given, shape.length);
    const [size, start, end, step] = [shape[axis], starts[i], ends[i], steps[i]];
    if (step === 0) reject('a step must not be 0');
    if (typeof size === 'number' && typeof start === 'number' && typeof end === 'number') {
      const clamp = (v: number, low: number, high: number) => Math.min(Math.max(v < 0 ? v + size : v, low), high);
      const [from, to] =
        step > 0 ? [clamp(start, 0, size), clamp(end, 0, size)] : [clamp(start, 0, size - 1), clamp(end, -1, size - 1)];
      ranges.push({ axis, start: from, step, length: Math.max(0, Math.ceil((to - from) / step)) });
      continue;
    }
    // Symbolic extents: what stays provable is a forward slice from a known, non-negative start.
    if (typeof start !== 'number' || start < 0 || step < 0) return undefined;
    const toEnd = typeof end === 'number' && end > 2 ** 30;
    const stop = toEnd ? size : typeof end === 'number' && end < 0 ? addDims(size, end) : end;
    if (typeof end === 'number' && end >= 0 && !toEnd) return undefined;
    if (!toEnd && typeof end !== 'number' && !equalDims(end, size)) {
      const beyond = subtractDims(size, end);
      if (typeof beyond !== 'number' || beyond < 0) return undefined;
    }
    ranges.push({ axis, start, step, length: ceilDivide(subtractDims(stop, start), step) });
  }
  return ranges;
}

const sliced = (list: readonly Dim[], start: number, step: number, length: number): readonly Dim[] | undefined =>
  elementList(length, () => Array.from({ length }, (_, i) => list[start + i * step]));

export const movement = {
  Identity: operator({
    inputs: ['input'],
    view: true,
    attributes: {},
    versions: [1, 13, 14, 16, 19, 21, 23, 24, 25],
    infer: ([x]) => [{ ...x.type, elements: elementsOf(x) }],
  }),
  Reshape: operator({
    inputs: ['data', 'shape'],
    view: true,
    attributes: { allowzero: attr.int.default(0) },
    versions: [1, 5, 13, 14, 19, 21, 23, 24, 25],
    infer([data, shape], { allowzero }, { fresh }): readonly Inferred[] {
      const { dtype } = data.type;
      const target = elementsOf(shape);
      if (!target) return [{ dtype, shape: Array.from({ length: lengthOf(shape, 'the shape') }, fresh) }];
      const to = reshaped(data.type.shape, target, allowzero !== 0);
      return [{ dtype, shape: to, elements: to.length <= 1 ? elementsOf(data) : undefined }];
    },
  }),
  /** To two axes: those before `axis`, and the rest. */
  Flatten: operator({
    inputs: ['input'],
    view: true,
    attributes: { axis: attr.int.default(1) },
    versions: [1, 9, 11, 13, 21, 23, 24, 25],
    infer([x], { axis }): readonly Inferred[] {
      const { dtype, shape } = x.type;
      const at = axis === shape.length ? axis : normalizeAxis(axis, shape.length);
      return [{ dtype, shape: [productOf(shape.slice(0, at)), productOf(shape.slice(at))] }];
    },
  }),
  Transpose: operator({
    inputs: ['data'],
    attributes: { perm: attr.ints.optional },
    versions: [1, 13, 21, 23, 24, 25],
    infer([x], { perm }): readonly Inferred[] {
      const { dtype, shape } = x.type;
      const order = perm ?? shape.map((_, i) => shape.length - 1 - i);
      if (new Set(order).size !== shape.length || order.some(i => shape[i] === undefined)) {
        reject(`perm [${order}] is no permutation of the axes of ${typeText(x.type)}`);
      }
      return [{ dtype, shape: order.map(i => shape[i]) }];
    },
  }),
  Squeeze: operator({
    inputs: ['data', 'axes?'],
    view: true,
    attributes: {},
    versions: [1, 11, 13, 21, 23, 24, 25],
    infer([x, axes], _, { fresh }): readonly Inferred[] {
      const { dtype, shape } = x.type;
      const given = axes ? integersOf(axes) : shape.flatMap((d, i) => (d === 1 ? [i] : []));
      if (!given) return [{ dtype, shape: Array.from({ length: shape.length - lengthOf(axes!, 'the axes') }, fresh) }];
      const gone = given.map(a => normalizeAxis(a, shape.length));
      for (const a of gone)
        if (typeof shape[a] === 'number' && shape[a] !== 1) reject(`axis ${a} has extent ${shape[a]}`);
      return [{ dtype, shape: shape.filter((_, i) => !gone.includes(i)), elements: elementsOf(x) }];
    },
  }),
  Unsqueeze: operator({
    inputs: ['data', 'axes'],
    view: true,
    attributes: {},
    versions: [1, 11, 13, 21, 23, 24, 25],
    infer([x, axes], _, { fresh }): readonly Inferred[] {
      const { dtype, shape } = x.type;
      const given = integersOf(axes);
      if (!given) return [{ dtype, shape: Array.from({ length: shape.length + lengthOf(axes, 'the axes') }, fresh) }];
      const rank = shape.length + given.length;
      const added = given.map(a => normalizeAxis(a, rank));
      if (new Set(added).size !== added.length) reject(`the axes [${given}] hold one twice`);
      const rest = [...shape];
      const to = Array.from({ length: rank }, (_, i) => (added.includes(i) ? 1 : rest.shift()!));
      return [{ dtype, shape: to, elements: to.length <= 1 ? elementsOf(x) : undefined }];
    },
  }),
  Concat: operator({
    inputs: ['...inputs'],
    attributes: { axis: attr.int.required },
    versions: [1, 4, 11, 13],
    infer(inputs, { axis }): readonly Inferred[] {
      if (inputs.length === 0) reject('at least one input is needed');
      const shapes = inputs.map(i => i.type.shape);
      const [first] = shapes;
      const at = normalizeAxis(axis, first.length);
      if (first.length === 0) reject('scalars have no axis to be joined along');
      const other = shapes.find(s => s.length !== first.length);
      if (other) reject(`the inputs are of different ranks, ${first.length} and ${other.length}`);
      const shape = first.map((d, i) => {
        if (i === at) return shapes.map(s => s[i]).reduce(addDims);
        for (const s of shapes) {
          if (typeof s[i] === 'number' && typeof d === 'number' && s[i] !== d) {
            reject(`the inputs differ in axis ${i}: ${d} and ${s[i]}`);
          }
        }
        return shapes.map(s => s[i]).find(e => typeof e === 'number') ?? d;
      });
      const lists = inputs.map(elementsOf);
      const known = shape.length === 1 && lists.every(l => l !== undefined);
      const length = lists.reduce((sum, l) => sum + (l?.length ?? 0), 0);
      const elements = known ? elementList(length, () => lists.flat() as readonly Dim[]) : undefined;
      return [{ dtype: requireSameDType(inputs), shape, elements }];
    },
  }),
  Split: operator({
    inputs: ['input', 'split?'],
    outputs: ['...outputs'],
    attributes: { axis: attr.int.default(0), num_outputs: attr.int.optional },
    versions: [2, 11, 13, 18],
    infer([x, split], { axis, num_outputs }, { outputs, fresh }): readonly Inferred[] {
      const { dtype, shape } = x.type;
      const at = normalizeAxis(axis, shape.length);
      const parts = elementsOf(split) ?? (split ? undefined : evenParts(shape[at], num_outputs ?? outputs, outputs));
      return Array.from({ length: outputs }, (_, k) => ({
        dtype,
        shape: shape.map((d, i) => (i === at ? (parts?.[k] ?? fresh()) : d)),
      }));
    },
  }),
  Slice: operator({
    inputs: ['data', 'starts', 'ends', 'axes?', 'steps?'],
    attributes: {},
    versions: [1, 10, 11, 13],
    infer([x, starts, ends, axes, steps], _, { fresh }): readonly Inferred[] {
      const { dtype, shape } = x.type;
      const from = elementsOf(starts);
      const to = elementsOf(ends);
      const count = lengthOf(starts, 'starts');
      const along = axes ? integersOf(axes) : Array.from({ length: count }, (_v, i) => i);
      const by = steps ? integersOf(steps) : Array<number>(count).fill(1);
      for (const list of [from, to, along, by]) {
        if (list && list.length !== count) reject('starts, ends, axes and steps are of different lengths');
      }
      if (!along) return [{ dtype, shape: shape.map(fresh) }];
      const ranges = from && to && by ? sliceRanges(shape, from, to, along, by) : undefined;
      const cut = new Set(along.map(a => normalizeAxis(a, shape.length)));
      const result = shape.map((d, i) => (cut.has(i) ? (ranges?.find(r => r.axis === i)?.length ?? fresh()) : d));
      const list = elementsOf(x);
      const [range] = ranges ?? [];
      const elements =
        list && range && shape.length === 1 && typeof range.length === 'number'
          ? sliced(list, range.start, range.step, range.length)
          : undefined;
      return [{ dtype, shape: result, elements }];
    },
  }),
  Pad: operator({
    inputs: ['data', 'pads', 'constant_value?', 'axes?'],
    attributes: { mode: attr.string.default('constant') },
    versions: [1, 2, 11, 13, 18, 19, 21, 23, 24, 25],
    infer([x, pads, value, axes], _, { fresh }): readonly Inferred[] {
      const { shape } = x.type;
      const dtype = requireSameDType([x, value]);
      const by = integersOf(pads);
      const along = axes ? integersOf(axes)?.map(a => normalizeAxis(a, shape.length)) : shape.map((_d, i) => i);
      if (!by || !along) return [{ dtype, shape: shape.map(fresh) }];
      if (by.length !== 2 * along.length) reject(`pads has ${by.length} entries for ${along.length} axes`);
      const to = [...shape];
      along.forEach((axis, i) => {
        to[axis] = addDims(to[axis], by[i] + by[along.length + i]);
      });
      return [{ dtype, shape: to }];
    },
  }),
  Expand: operator({
    inputs: ['input', 'shape'],
    attributes: {},
    versions: [8, 13],
    infer([x, shape], _, { fresh }): readonly Inferred[] {
      const { dtype } = x.type;
      const to = elementsOf(shape);
      if (to) return [{ dtype, shape: broadcast([x.type.shape, to]) }];
      const rank = Math.max(x.type.shape.length, lengthOf(shape, 'the shape'));
      return [{ dtype, shape: Array.from({ length: rank }, fresh) }];
    },
  }),
  Tile: operator({
    inputs: ['input', 'repeats'],
    attributes: {},
    versions: [6, 13],
    infer([x, repeats], _, { fresh }): readonly Inferred[] {
      const by = elementsOf(repeats);
      const { dtype, shape } = x.type;
      if (by && by.length !== shape.length) reject(`repeats has ${by.length} entries for ${shape.length} axes`);
      return [{ dtype, shape: shape.map((d, i) => (by ? multiplyDims(d, by[i]) : fresh())) }];
    },
  }),
  Shape: operator({
    inputs: ['data'],
    measures: true,
    attributes: { start: attr.int.default(0), end: attr.int.optional },
    versions: [1, 13, 15, 19, 21, 23, 24, 25],
    infer([x], { start, end }): readonly Inferred[] {
      const elements = x.type.shape.slice(start, end);
      return [{ dtype: 'int64', shape: [elements.length], elements }];
    },
  }),
  Size: operator({
    inputs: ['data'],
    measures: true,
    attributes: {},
    versions: [1, 13, 19, 21, 23, 24, 25],
    infer: ([x]) => [{ dtype: 'int64', shape: [], elements: [sizeOf(x.type.shape)] }],
  }),
  ConstantOfShape: operator({
    inputs: ['input'],
    attributes: { value: attr.tensor.default(scalar(0)) },
    versions: [9, 20, 21, 23, 24, 25],
    infer([shape], { value }, { fresh }): readonly Inferred[] {
      const to = elementsOf(shape) ?? Array.from({ length: lengthOf(shape, 'the shape') }, fresh);
      const [length] = to;
      const integral = value.dtype === 'int64' || value.dtype === 'int32';
      const shapeOfResult = { dtype: value.dtype, shape: to };
      requirePossible(shapeOfResult);
      const elements =
        integral && to.length === 1 && typeof length === 'number'
          ? elementList(length, () => Array<Dim>(length).fill(Number(value.data[0])))
          : undefined;
      return [{ ...shapeOfResult, elements }];
    },
  }),
  Range: operator({
    inputs: ['start', 'limit', 'delta'],
    noHalf: true,
    attributes: {},
    versions: [11, 27],
    infer([start, limit, delta], _, { fresh }): readonly Inferred[] {
      const dtype = requireSameDType([start, limit, delta]);
      const [from, to, by] = [start, limit, delta].map(scalarOf);
      if (typeof from === 'number' && typeof to === 'number' && typeof by === 'number') {
        if (by === 0) reject('the step must not be 0');
        const length = Math.max(0, Math.ceil((to - from) / by));
        const elements = isFloat(dtype)
          ? undefined
          : elementList(length, () => Array.from({ length }, (_v, i) => from + i * by));
        return [{ dtype, shape: [length], elements }];
      }
      if (from === 0 && by === 1 && to !== undefined) return [{ dtype, shape: [to] }];
      return [{ dtype, shape: [fresh()] }];
    },
  }),
  DepthToSpace: operator({
    inputs: ['input'],
    attributes: { blocksize: attr.int.required, mode: attr.string.default('DCR') },
    versions: [1, 11, 13],
    infer([x], { blocksize: b }): readonly Inferred[] {
      const [n, c, h, w] = blocked(x, b);
      const channels = divideExactly(c, b * b) ?? reject(`${c} channels are no multiple of ${b}²`);
      return [{ dtype: x.type.dtype, shape: [n, channels, multiplyDims(h, b), multiplyDims(w, b)] }];
    },
  }),
  SpaceToDepth: operator({
    inputs: ['input'],
    attributes: { blocksize: attr.int.required },
    versions: [1, 13],
    infer([x], { blocksize: b }): readonly Inferred[] {
      const [n, c, h, w] = blocked(x, b);
      for (const extent of [h, w]) if (isStatic(extent) && extent % b !== 0) reject(`${extent} is no multiple of ${b}`);
      return [{ dtype: x.type.dtype, shape: [n, multiplyDims(c, b * b), floorDivide(h, b), floorDivide(w, b)] }];
    },
  }),
  /** The upper (or lower) triangle of the last two axes, the rest zero; `k` shifts the diagonal. */
  Trilu: operator({
    inputs: ['input', 'k?'],
    attributes: { upper: attr.int.default(1) },
    versions: [14],
    infer: ([x]) => [x.type],
  }),
};

/** The shape of an image that is to be rearranged in blocks. */
function blocked(x: Operand, size: number): Shape {
  if (size < 1) reject(`blocksize is ${size}, and must be positive`);
  return requireRank(x, 4, 'the input');
}

/** The first `outputs` of `count` even parts of an extent. */
function evenParts(extent: Dim, count: number, outputs: number): readonly Dim[] {
  if (count < outputs) reject(`${outputs} outputs can't hold ${count} parts`);
  if (typeof extent !== 'number') return Array(outputs).fill(floorDivide(extent, count));
  const size = Math.ceil(extent / count);
  return Array.from({ length: outputs }, (_, i) => Math.max(0, Math.min(size, extent - i * size)));
}
