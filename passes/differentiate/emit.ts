import type { GraphBuilder } from '../../ir/builder.ts';
import { type Dim, productOf } from '../../ir/dim.ts';
import { SutureError } from '../../ir/errors.ts';
import type { Value } from '../../ir/graph.ts';
import { range } from '../../ir/numbers.ts';
import { float32, numbersOf, type Tensor, tensorFromNumbers } from '../../ir/tensor.ts';
import { type Shape, sameShape, staticShape, typeText } from '../../ir/type.ts';

/** A value, or a number that stands for a constant of the other operand's dtype. */
export type Operand = Value | number;

/** Computes once, on the first call. */
export function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

/** The words in which adjoint rules are written. Constants are shared, and multiplying by one emits nothing. */
export class Emit {
  readonly b: GraphBuilder;
  readonly #numbers = new Map<string, Value>();
  readonly #derived = new Map<Value, Map<string, Value>>();

  constructor(b: GraphBuilder) {
    this.b = b;
  }

  /** A scalar of the dtype of `like`. */
  number(value: number, like: Value): Value {
    const key = `${like.type.dtype} ${Object.is(value, -0) ? '-0' : value}`;
    let constant = this.#numbers.get(key);
    if (!constant) {
      constant = this.b.number(value, like.type.dtype, `c${value}`);
      this.#numbers.set(key, constant);
    }
    return constant;
  }

  /** A constant that is computed from another one, once for all who ask with the same key. */
  derived(from: Value, key: string, make: (tensor: Tensor) => Tensor): Value {
    const known = this.#derived.get(from) ?? new Map<string, Value>();
    this.#derived.set(from, known);
    let value = known.get(key);
    if (!value) {
      if (!from.constant) throw new TypeError(`${from} is not a constant`);
      value = this.b.constant(make(from.constant), `${from.name}/${key}`);
      known.set(key, value);
    }
    return value;
  }

  /** A constant in the dtype of `like`. */
  constant(shape: readonly number[], values: ArrayLike<number>, like: Value, name?: string): Value {
    const tensor =
      like.type.dtype === 'float32' ? float32(shape, values) : tensorFromNumbers(like.type.dtype, shape, values);
    return this.b.constant(tensor, name);
  }

  #pair(a: Operand, b: Operand): readonly [Value, Value] {
    if (typeof a === 'number') {
      if (typeof b === 'number') throw new TypeError('one operand must be a value');
      return [this.number(a, b), b];
    }
    return [a, typeof b === 'number' ? this.number(b, a) : b];
  }

  add(a: Operand, b: Operand): Value {
    return this.b.op('Add', this.#pair(a, b));
  }

  sub(a: Operand, b: Operand): Value {
    return this.b.op('Sub', this.#pair(a, b));
  }

  mul(a: Operand, b: Operand): Value {
    const [left, right] = this.#pair(a, b);
    if (isOne(left)) return right;
    if (isOne(right)) return left;
    return this.b.op('Mul', [left, right]);
  }

  div(a: Operand, b: Operand): Value {
    const [left, right] = this.#pair(a, b);
    return isOne(right) ? left : this.b.op('Div', [left, right]);
  }

  /** `a / b` where b is not zero, and zero where it is: what a norm's gradient is by convention at the origin. */
  divOrZero(a: Operand, b: Value): Value {
    return this.where(this.b.op('Equal', [b, this.number(0, b)]), 0, this.div(a, b));
  }

  neg(a: Value): Value {
    return this.b.op('Neg', [a]);
  }

  square(a: Value): Value {
    return this.b.op('Mul', [a, a]);
  }

  greater(a: Operand, b: Operand): Value {
    return this.b.op('Greater', this.#pair(a, b));
  }

  /** `yes` where the condition holds, `no` elsewhere. One of them may be a number. */
  where(condition: Value, yes: Operand, no: Operand): Value {
    const [left, right] = this.#pair(yes, no);
    return this.b.op('Where', [condition, left, right]);
  }

  /** 1 where the condition holds, else 0, in the dtype of `like`. */
  indicator(condition: Value, like: Value): Value {
    return this.b.op('Cast', [condition], { to: like.type.dtype });
  }

  sum(x: Value, axes: readonly number[], keepdims: 0 | 1 = 1): Value {
    return axes.length === 0 ? x : this.b.op('ReduceSum', [x, this.b.ints(axes)], { keepdims });
  }

  mean(x: Value, axes: readonly number[]): Value {
    return axes.length === 0 ? x : this.b.op('ReduceMean', [x, this.b.ints(axes)]);
  }

  /** The extent of some axes together, as a number of the dtype of `x`; computed at run time where it is symbolic. */
  count(x: Value, axes: readonly number[]): Operand {
    const size = productOf(axes.map(i => x.type.shape[i]));
    if (typeof size === 'number') return size;
    const extents = this.b.op('Gather', [this.b.op('Shape', [x]), this.b.ints(axes)]);
    return this.b.op('Cast', [this.b.op('ReduceProd', [extents], { keepdims: 0 })], { to: x.type.dtype });
  }

  /** The shape of `x` as an operand: a constant where it is known. */
  shapeOf(x: Value): Value {
    const known = staticShape(x.type.shape);
    return known ? this.b.ints(known) : this.b.op('Shape', [x]);
  }

  /** Undoes broadcasting: sums `g` over the axes along which a tensor of `shape` was repeated. */
  reduceTo(g: Value, shape: Shape): Value {
    const from = g.type.shape;
    const leading = from.length - shape.length;
    const repeated = range(leading, from.length).filter(i => shape[i - leading] === 1 && from[i] !== 1);
    if (leading <= 0 && repeated.length === 0) return g;
    if (repeated.length === 0) return this.sum(g, range(0, leading), 0);
    const kept = this.sum(g, [...range(0, leading), ...repeated]);
    return leading > 0 ? this.b.op('Squeeze', [kept, this.b.ints(range(0, leading))]) : kept;
  }

  /** `x` with the shape of `like`, by repetition. */
  expandLike(x: Value, like: Value): Value {
    return sameShape(x.type.shape, like.type.shape) ? x : this.b.op('Expand', [x, this.shapeOf(like)]);
  }

  /** The elements of `x` in the shape of `like`. */
  reshapeLike(x: Value, like: Value): Value {
    const { shape } = like.type;
    if (sameShape(x.type.shape, shape)) return x;
    return shape.filter(isOpen).length <= 1 ? this.reshape(x, shape) : this.b.op('Reshape', [x, this.shapeOf(like)]);
  }

  /** The elements of `x` in a shape of which one dim at most is symbolic. */
  reshape(x: Value, shape: Shape): Value {
    if (sameShape(x.type.shape, shape)) return x;
    if (shape.filter(isOpen).length > 1) unknownExtent(x);
    return this.b.op('Reshape', [x, this.b.ints(shape.map(d => (typeof d === 'number' ? d : -1)))]);
  }

  /** A tensor filled with one number. */
  filled(value: number, like: Value): Value {
    return this.expandLike(this.number(value, like), like);
  }

  /** [C] as [C, 1, ...], which broadcasts along axis 1 of a tensor of that rank. */
  perChannel(x: Value, rank: number): Value {
    if (rank === 2) return x;
    const [channels] = x.type.shape;
    if (x.constant && typeof channels === 'number') {
      const shape = [channels, ...Array<number>(rank - 2).fill(1)];
      return this.derived(x, `rank${rank}`, t => ({ ...t, shape }));
    }
    return this.b.op('Unsqueeze', [x, this.b.ints(range(1, rank - 1))]);
  }

  /** The matrices in the last two axes, transposed; of a constant once and for all. */
  transposed(x: Value): Value {
    const rank = x.type.shape.length;
    if (x.constant && rank === 2) return this.derived(x, 'transposed', transposeMatrix);
    const perm = [...range(0, rank - 2), rank - 1, rank - 2];
    return this.b.op('Transpose', [x], { perm });
  }

  /**
   * Multiplies along one axis: `y[.., i, ..] = Σ_j matrix[i][j] · x[.., j, ..]`. What comes after the axis must be of known size.
   */
  along(x: Value, axis: number, matrix: readonly Float64Array[]): Value {
    const { shape } = x.type;
    const columns = matrix[0]?.length ?? 0;
    const to = shape.map((d, i): Dim => (i === axis ? matrix.length : d));
    if (axis === shape.length - 1) {
      const flat = new Float64Array(matrix.length * columns);
      for (const [i, row] of matrix.entries()) for (const [j, v] of row.entries()) flat[j * matrix.length + i] = v;
      return this.b.op('MatMul', [x, this.constant([columns, matrix.length], flat, x, 'along')]);
    }
    const flat = new Float64Array(matrix.length * columns);
    for (const [i, row] of matrix.entries()) flat.set(row, i * columns);
    const left = this.constant([matrix.length, columns], flat, x, 'along');
    const inner = productOf(shape.slice(axis + 1));
    const outer = productOf(shape.slice(0, axis));
    const product = this.b.op('MatMul', [left, this.reshape(x, [outer, shape[axis], inner])]);
    return this.reshape(product, to);
  }

  /** The adjoint of picking `indices` along an axis of extent `extent`. A run of them is padded, others are summed by a matrix. */
  scatter(dy: Value, axis: number, indices: readonly number[], extent: number): Value {
    if (indices.every((v, i) => v === i) && indices.length === extent) return dy;
    if (indices.length > 0 && indices.every((v, i) => v === indices[0] + i)) {
      const rank = dy.type.shape.length;
      const pads = Array<number>(2 * rank).fill(0);
      pads[axis] = indices[0];
      pads[rank + axis] = extent - indices[0] - indices.length;
      return this.b.op('Pad', [dy, this.b.ints(pads)]);
    }
    const matrix = range(0, extent).map(() => new Float64Array(indices.length));
    for (const [j, i] of indices.entries()) matrix[i][j] += 1;
    return this.along(dy, axis, matrix);
  }
}

const isOpen = (dim: Dim): boolean => typeof dim !== 'number';

const isOne = (x: Value): boolean =>
  x.constant !== undefined && x.constant.shape.length === 0 && numbersOf(x.constant)[0] === 1;

/** Ends a rule that needs extents which are symbolic. */
export function unknownExtent(x: Value): never {
  throw new SutureError(
    'adjoint-missing',
    `The gradient at '${x.name}' of ${typeText(x.type)} needs known extents; bind the symbols to numbers first.`,
  );
}

/** A dim that a rule must know. */
export function known(dim: Dim, of: Value): number {
  return typeof dim === 'number' ? dim : unknownExtent(of);
}

function transposeMatrix(t: Tensor): Tensor {
  const [rows, columns] = t.shape;
  const data = t.data.slice() as typeof t.data;
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) data[j * rows + i] = t.data[i * columns + j];
  return { dtype: t.dtype, shape: [columns, rows], data };
}
