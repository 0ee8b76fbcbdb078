import {
  addDims,
  type Dim,
  equalAtMultiples,
  equalDims,
  floorDivide,
  maxDims,
  multiplyDims,
  subtractDims,
} from '../dim.ts';
import {
  type Actuals,
  type AttributeSpecs,
  attr,
  elementsOf,
  type Formal,
  type Inferred,
  type Operand,
  type OperatorSpec,
  operator,
  reject,
  requireFloat,
  requireSameDType,
  wide,
} from '../operator.ts';
import { type DType, isFloat, type Shape, typeText } from '../type.ts';

/** numpy's broadcasting of any number of shapes. A symbol meets a number other than 1: the number wins. */
export function broadcast(shapes: readonly Shape[]): Shape {
  const rank = shapes.reduce((most, s) => Math.max(most, s.length), 0);
  return Array.from({ length: rank }, (_, i) =>
    shapes.map(s => s[s.length - rank + i] ?? 1).reduce((a, b) => broadcastDim(a, b, shapes)),
  );
}

function broadcastDim(a: Dim, b: Dim, shapes: readonly Shape[]): Dim {
  if (equalDims(a, b) || b === 1) return a;
  if (a === 1) return b;
  if (typeof a === 'number' && typeof b === 'number') {
    reject(`the shapes ${shapes.map(s => `[${s.join(', ')}]`).join(' and ')} can't be broadcast together`);
  }
  if (typeof a === 'number') return a;
  if (typeof b === 'number') return b;
  // Features that were rounded differently on their way: where both are of one size, either formula says it.
  if (equalAtMultiples(a, b)) return b.key.length < a.key.length ? b : a;
  return maxDims(a, b);
}

/** Shape arithmetic: applies `f` to known elements, broadcasting a single element over many. */
function mapElements(
  inputs: readonly Operand[],
  f: ((...dims: Dim[]) => Dim | undefined) | undefined,
): readonly Dim[] | undefined {
  if (!f || isFloat(inputs[0].type.dtype)) return undefined;
  const lists = inputs.map(elementsOf);
  if (lists.some(l => l === undefined)) return undefined;
  const length = lists.reduce((most, l) => Math.max(most, l!.length), 0);
  const result = Array.from({ length }, (_, i) => f(...lists.map(l => (l!.length === 1 ? l![0] : l![i]))));
  return result.some(d => d === undefined) ? undefined : (result as Dim[]);
}

/** What an operator takes of all dtypes. `number`: all but booleans. */
type Kind = 'any' | 'float' | 'integer' | 'unsigned' | 'signed' | 'number' | 'bool';

const kinds: { readonly [K in Kind]: (dtype: DType) => boolean } = {
  any: () => true,
  float: isFloat,
  integer: dtype => !isFloat(dtype) && dtype !== 'bool',
  unsigned: dtype => dtype.startsWith('uint'),
  signed: dtype => isFloat(dtype) || dtype.startsWith('int'),
  number: dtype => dtype !== 'bool',
  bool: dtype => dtype === 'bool',
};

function requireKind(x: Operand, kind: Kind): void {
  if (kind === 'float') requireFloat(x);
  else if (!kinds[kind](x.type.dtype)) {
    reject(`the input must be of a dtype that is ${kind}, not ${typeText(x.type)}`);
  }
}

/** Written out for the declarations of the package, which know no type parameter of an inner function. */
type Elementwise = { readonly elementwise: true };

/** What one takes is stated in its type too, for tables of what is done to integers. */
type Takes<K extends Kind> = { readonly takes: K };

const unary = <const A extends AttributeSpecs, const K extends Kind>(
  versions: readonly number[],
  attributes: A,
  takes: K,
  elements?: (d: Dim) => Dim | undefined,
): OperatorSpec<readonly ['X'], A> & Elementwise & Takes<K> => {
  const spec = operator({
    inputs: ['X'],
    attributes,
    versions,
    elementwise: true,
    infer([x]): readonly Inferred[] {
      requireKind(x, takes);
      return [{ ...x.type, elements: mapElements([x], elements) }];
    },
  });
  return { ...spec, takes };
};

const nary = <const I extends readonly Formal[], const K extends Kind = 'any'>(
  inputs: I,
  versions: readonly number[],
  result?: DType,
  elements?: (...dims: Dim[]) => Dim | undefined,
  takes: K = 'any' as K,
): OperatorSpec<I, Record<never, never>> & Elementwise & Takes<K> => {
  const spec = operator({
    inputs,
    attributes: {},
    versions,
    elementwise: true,
    // Annotated, for the declarations: the compiler leaves the inferred type's parameter open in them.
    infer(actuals: Actuals<I, Operand>): readonly Inferred[] {
      const given = actuals as readonly Operand[];
      if (given.length === 0) reject('at least one input is needed');
      requireKind(given[0], takes);
      const dtype = requireSameDType(given);
      const shape = broadcast(given.map(g => g.type.shape));
      return [
        { dtype: result ?? dtype, shape, elements: shape.length <= 1 ? mapElements(given, elements) : undefined },
      ];
    },
  });
  return { ...spec, takes };
};

const none = {};
const numbers =
  (f: (a: number, b: number) => number) =>
  (a: Dim, b: Dim): Dim | undefined =>
    typeof a === 'number' && typeof b === 'number' ? f(a, b) : undefined;

function divideElements(a: Dim, b: Dim): Dim | undefined {
  if (typeof b !== 'number' || b === 0) return equalDims(a, b) ? 1 : undefined;
  // Integer division truncates; on the non-negative sizes that shape arithmetic is about it is the floor.
  return typeof a === 'number' ? Math.trunc(a / b) : b > 0 ? floorDivide(a, b) : undefined;
}

function equalElements(a: Dim, b: Dim): Dim | undefined {
  if (equalDims(a, b)) return 1;
  if (typeof a === 'number' && typeof b === 'number') return 0;
  // A dim is never the -1 that stands for "as it is" in Expand, nor, if it is a product of symbols, 0.
  const [dim, value] = typeof a === 'number' ? [b, a] : [a, b];
  if (typeof dim === 'number' || typeof value !== 'number' || value > 0) return undefined;
  if (dim.terms.some(t => t.coefficient < 0)) return undefined;
  return value < 0 || dim.terms.some(t => t.atoms.every(atom => atom.kind === 'symbol')) ? 0 : undefined;
}

const AB = ['A', 'B'] as const;
const variadic = ['...inputs'] as const;

export const elementwise = {
  Abs: unary([1, 6, 13], none, 'number'),
  Acos: unary([7, 22], none, 'float'),
  Acosh: unary([9, 22], none, 'float'),
  Asin: unary([7, 22], none, 'float'),
  Asinh: unary([9, 22], none, 'float'),
  Atan: unary([7, 22], none, 'float'),
  Atanh: unary([9, 22], none, 'float'),
  BitwiseNot: unary([18], none, 'integer'),
  Ceil: unary([1, 6, 13], none, 'float'),
  Celu: unary([12], { alpha: attr.float.default(1) }, 'float'),
  Cos: unary([7, 22], none, 'float'),
  Cosh: unary([9, 22], none, 'float'),
  Elu: unary([1, 6, 22], { alpha: attr.float.default(1) }, 'float'),
  Erf: unary([9, 13], none, 'number'),
  Exp: wide(unary([1, 6, 13], none, 'float')),
  Floor: unary([1, 6, 13], none, 'float'),
  Gelu: unary([20], { approximate: attr.string.default('none') }, 'float'),
  HardSigmoid: unary([1, 6, 22], { alpha: attr.float.default(0.2), beta: attr.float.default(0.5) }, 'float'),
  HardSwish: unary([14, 22], none, 'float'),
  LeakyRelu: unary([1, 6, 16], { alpha: attr.float.default(0.01) }, 'float'),
  Log: wide(unary([1, 6, 13], none, 'float')),
  Mish: unary([18, 22], none, 'float'),
  Neg: unary([1, 6, 13], none, 'signed', d => multiplyDims(-1, d)),
  Not: unary([1], none, 'bool'),
  Reciprocal: wide(unary([1, 6, 13], none, 'float')),
  Relu: unary([1, 6, 13, 14], none, 'number'),
  Round: unary([11, 22], none, 'float'),
  Selu: unary(
    [1, 6, 22],
    { alpha: attr.float.default(1.6732632423543772), gamma: attr.float.default(1.0507009873554805) },
    'float',
  ),
  Shrink: unary([9], { bias: attr.float.default(0), lambd: attr.float.default(0.5) }, 'number'),
  Sigmoid: unary([1, 6, 13], none, 'float'),
  Sign: unary([9, 13], none, 'number'),
  Sin: unary([7, 22], none, 'float'),
  Sinh: unary([9, 22], none, 'float'),
  Softplus: wide(unary([1, 22], none, 'float')),
  Softsign: unary([1, 22], none, 'float'),
  Sqrt: wide(unary([1, 6, 13], none, 'float')),
  Swish: unary([24], { alpha: attr.float.default(1) }, 'float'),
  Tan: unary([7, 22], none, 'float'),
  Tanh: unary([1, 6, 13], none, 'float'),
  ThresholdedRelu: unary([10, 22], { alpha: attr.float.default(1) }, 'float'),

  Add: nary(AB, [1, 6, 7, 13, 14], undefined, addDims, 'number'),
  Sub: nary(AB, [1, 6, 7, 13, 14], undefined, subtractDims, 'number'),
  Mul: nary(AB, [1, 6, 7, 13, 14], undefined, multiplyDims, 'number'),
  Div: nary(AB, [1, 6, 7, 13, 14], undefined, divideElements, 'number'),
  BitwiseAnd: nary(AB, [18], undefined, undefined, 'integer'),
  BitwiseOr: nary(AB, [18], undefined, undefined, 'integer'),
  BitwiseXor: nary(AB, [18], undefined, undefined, 'integer'),
  And: nary(AB, [1, 7], 'bool', undefined, 'bool'),
  Or: nary(AB, [1, 7], 'bool', undefined, 'bool'),
  Xor: nary(AB, [1, 7], 'bool', undefined, 'bool'),
  Equal: nary(AB, [1, 7, 11, 13, 19], 'bool', equalElements),
  Greater: nary(
    AB,
    [7, 9, 13],
    'bool',
    numbers((a, b) => +(a > b)),
    'number',
  ),
  GreaterOrEqual: nary(
    AB,
    [12, 16],
    'bool',
    numbers((a, b) => +(a >= b)),
    'number',
  ),
  Less: nary(
    AB,
    [7, 9, 13],
    'bool',
    numbers((a, b) => +(a < b)),
    'number',
  ),
  LessOrEqual: nary(
    AB,
    [12, 16],
    'bool',
    numbers((a, b) => +(a <= b)),
    'number',
  ),
  PRelu: nary(['X', 'slope'] as const, [1, 6, 7, 9, 16], undefined, undefined, 'number'),
  Max: nary(variadic, [1, 6, 8, 12, 13], undefined, (...d) => d.reduce(maxDims), 'number'),
  Min: nary(
    variadic,
    [1, 6, 8, 12, 13],
    undefined,
    (...d) => (d.every(x => typeof x === 'number') ? Math.min(...(d as number[])) : undefined),
    'number',
  ),
  Sum: nary(variadic, [1, 6, 8, 13], undefined, undefined, 'number'),
  Mean: nary(variadic, [1, 6, 8, 13], undefined, undefined, 'number'),

  Pow: operator({
    inputs: ['X', 'Y'],
    attributes: {},
    versions: [1, 7, 12, 13, 15],
    elementwise: true,
    wide: true,
    infer([x, y]) {
      requireKind(x, 'number');
      return [{ dtype: x.type.dtype, shape: broadcast([x.type.shape, y.type.shape]) }];
    },
  }),
  Mod: operator({
    inputs: AB,
    attributes: { fmod: attr.int.default(0) },
    versions: [10, 13],
    elementwise: true,
    infer([a, b]) {
      requireKind(a, 'number');
      return [{ dtype: requireSameDType([a, b]), shape: broadcast([a.type.shape, b.type.shape]) }];
    },
  }),
  BitShift: operator({
    inputs: ['X', 'Y'],
    attributes: { direction: attr.string.required },
    versions: [11],
    elementwise: true,
    infer([x, y]) {
      requireKind(x, 'unsigned');
      return [{ dtype: requireSameDType([x, y]), shape: broadcast([x.type.shape, y.type.shape]) }];
    },
  }),
  IsNaN: operator({
    inputs: ['X'],
    attributes: {},
    versions: [9, 13, 20],
    elementwise: true,
    infer([x]) {
      requireKind(x, 'float');
      return [{ dtype: 'bool', shape: x.type.shape }];
    },
  }),
  IsInf: operator({
    inputs: ['X'],
    attributes: { detect_negative: attr.int.default(1), detect_positive: attr.int.default(1) },
    versions: [10, 20],
    elementwise: true,
    infer([x]) {
      requireKind(x, 'float');
      return [{ dtype: 'bool', shape: x.type.shape }];
    },
  }),
  Where: operator({
    inputs: ['condition', 'X', 'Y'],
    attributes: {},
    versions: [9, 16],
    elementwise: true,
    infer([condition, x, y]) {
      if (condition.type.dtype !== 'bool') reject(`the condition must be bool, not ${condition.type.dtype}`);
      const shape = broadcast([condition.type.shape, x.type.shape, y.type.shape]);
      const elements = mapElements([x, y], (a, b) => (equalDims(a, b) ? a : undefined)) ?? select(condition, x, y);
      return [{ dtype: requireSameDType([x, y]), shape, elements: shape.length <= 1 ? elements : undefined }];
    },
  }),
  /** The bounds are scalars. */
  Clip: operator({
    inputs: ['input', 'min?', 'max?'],
    attributes: {},
    versions: [1, 6, 11, 12, 13],
    elementwise: true,
    infer([x, min, max]) {
      requireKind(x, 'number');
      requireSameDType([x, min, max]);
      for (const bound of [min, max]) {
        if (bound && bound.type.shape.length > 0 && bound.type.shape.some(d => d !== 1))
          reject('a bound must be a scalar');
      }
      return [x.type];
    },
  }),
  /** `to`: the dtype of the result. Saturation concerns float8 only, which the vocabulary does not hold. */
  Cast: operator({
    inputs: ['input'],
    attributes: { to: attr.dtype.required },
    versions: [1, 6, 9, 13, 19, 21, 23, 24, 25],
    elementwise: true,
    infer([x], { to }) {
      const elements = isFloat(to) || to === 'bool' ? undefined : elementsOf(x);
      return [{ dtype: to, shape: x.type.shape, elements }];
    },
  }),
};

function select(condition: Operand, x: Operand, y: Operand): readonly Dim[] | undefined {
  const [c, a, b] = [elementsOf(condition), elementsOf(x), elementsOf(y)];
  if (!c || !a || !b || !c.every(e => typeof e === 'number')) return undefined;
  const length = Math.max(c.length, a.length, b.length);
  const at = (list: readonly Dim[], i: number) => (list.length === 1 ? list[0] : list[i]);
  return Array.from({ length }, (_, i) => (at(c, i) ? at(a, i) : at(b, i)));
}
