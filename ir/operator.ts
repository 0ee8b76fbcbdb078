import type { Dim } from './dim.ts';
import { SutureError } from './errors.ts';
import type { Graph } from './graph.ts';
import { activeBudget } from './limits.ts';
import { numbersOf, type Tensor } from './tensor.ts';
import { type DType, isFloat, type Shape, type TensorType, typeText } from './type.ts';

// ---------------------------------------------------------------------------------------------- attributes

interface AttributeTypes {
  int: number;
  float: number;
  string: string;
  ints: readonly number[];
  floats: readonly number[];
  strings: readonly string[];
  tensor: Tensor;
  /** A dtype, written as an int with ONNX's code in files. */
  dtype: DType;
  graph: Graph;
}

export type AttributeKind = keyof AttributeTypes;

/** How an attribute is written, whether it may be absent, and what absence means. */
export interface AttributeSpec<K extends AttributeKind = AttributeKind, P extends Presence = Presence> {
  readonly kind: K;
  readonly presence: P;
  readonly default?: AttributeTypes[K];
}

/** `default`: may be left out when a node is made, is there when it is read. `optional`: may be absent for good. */
type Presence = 'required' | 'default' | 'optional';

type SpecMaker<K extends AttributeKind> = {
  required: AttributeSpec<K, 'required'>;
  optional: AttributeSpec<K, 'optional'>;
  default(value: AttributeTypes[K]): AttributeSpec<K, 'default'>;
};

const maker = <K extends AttributeKind>(kind: K): SpecMaker<K> => ({
  required: { kind, presence: 'required' },
  optional: { kind, presence: 'optional' },
  default: value => ({ kind, presence: 'default', default: value }),
});

/** `attr.int.default(1)`, `attr.ints.optional`, ... */
export const attr = {
  int: maker('int'),
  float: maker('float'),
  string: maker('string'),
  ints: maker('ints'),
  floats: maker('floats'),
  strings: maker('strings'),
  tensor: maker('tensor'),
  dtype: maker('dtype'),
  graph: maker('graph'),
};

export type AttributeSpecs = Readonly<Record<string, AttributeSpec>>;

type KeysWith<A extends AttributeSpecs, P extends Presence> = {
  [K in keyof A]: A[K] extends AttributeSpec<AttributeKind, P> ? K : never;
}[keyof A];

type TypeOf<S> = S extends AttributeSpec<infer K, Presence> ? AttributeTypes[K] : never;

/** Attributes as a node holds them: defaults filled in. */
export type Attributes<A extends AttributeSpecs> = {
  readonly [K in KeysWith<A, 'required' | 'default'>]: TypeOf<A[K]>;
} & { readonly [K in KeysWith<A, 'optional'>]?: TypeOf<A[K]> | undefined };

/** Attributes as they are given when a node is made: those with a default may be left out. */
export type GivenAttributes<A extends AttributeSpecs> = {
  readonly [K in KeysWith<A, 'required'>]: TypeOf<A[K]>;
} & { readonly [K in KeysWith<A, 'default' | 'optional'>]?: TypeOf<A[K]> | undefined };

// ---------------------------------------------------------------------------------------------- operands

/** `'X'` is required, `'B?'` optional, `'...inputs'` variadic (last only). */
export type Formal = string;

/** The actual operands of an operator's formals, as a tuple of `T`. */
export type Actuals<I extends readonly Formal[], T> = I extends readonly [
  infer H extends Formal,
  ...infer R extends readonly Formal[],
]
  ? H extends `...${string}`
    ? readonly T[]
    : H extends `${string}?`
      ? readonly [operand?: T | undefined, ...rest: Actuals<R, T>]
      : readonly [operand: T, ...rest: Actuals<R, T>]
  : readonly [];

/** What type inference may know of an operand. */
export interface Operand {
  readonly type: TensorType;
  readonly constant?: Tensor | undefined;
  /** The elements of an integer tensor of rank 0 or 1, when they are known: shape arithmetic with `N` kept symbolic. */
  readonly elements?: readonly Dim[] | undefined;
}

/** What type inference says of an output. */
export interface Inferred extends TensorType {
  readonly elements?: readonly Dim[] | undefined;
}

export interface InferContext {
  /** How many outputs the node has; at least the number of required ones. */
  readonly outputs: number;
  /** A dim of which nothing is known, because it depends on data. */
  fresh(): Dim;
}

/** What passes and kernels want to know of an operator beside its types. Each fact stands with the operator, and nowhere else. */
export interface Traits {
  /** One output element depends on one element of each input, broadcast as numpy does. */
  readonly elementwise?: true;
  /** The output is the memory of the first operand under another shape. */
  readonly view?: true;
  /** Its kernel computes elementwise consumers as well, on each element before it is stored. */
  readonly epilogue?: true;
  /** The result changes from run to run, or depends on more than the inputs: never folded, never shared. */
  readonly impure?: true;
  /** The result says what shape the operand has, and nothing of its elements. */
  readonly measures?: true;
  /**
   * The range or the digits of a float16 are too few inside: sums and products over many places, statistics, exponentials, logarithms, powers
   * and roots. Convolutions and matrix products are not of these: their sums are kept in float32 wherever float16 is computed.
   */
  readonly wide?: true;
  /** ONNX has no float16 form of it, or none of these operands. */
  readonly noHalf?: true | readonly number[];
}

export interface OperatorSpec<I extends readonly Formal[], A extends AttributeSpecs> extends Traits {
  readonly inputs: I;
  readonly outputs: readonly Formal[];
  readonly attributes: A;
  /**
   * The since-versions of ONNX whose forms the importer reads, ascending. The IR holds the last one's form; older ones are
   * upgraded on import.
   */
  readonly versions: readonly number[];
  /** How many multiplications with addition it makes, where it is made of those: a convolution, a matrix product. */
  macs?(inputs: Actuals<I, Operand>, attributes: Attributes<A>, output: Operand): Dim;
  /** The type rule. Throws `type-mismatch` (through `reject`) on operands that the operator does not take. */
  infer(inputs: Actuals<I, Operand>, attributes: Attributes<A>, context: InferContext): readonly Inferred[];
}

/** Declares an operator. The name is given where the table is put together. */
export function operator<
  const I extends readonly Formal[],
  const A extends AttributeSpecs,
  const T extends Traits = Traits,
>(
  spec: Omit<OperatorSpec<I, A>, 'outputs' | keyof Traits> & T & { readonly outputs?: readonly Formal[] },
): OperatorSpec<I, A> & T {
  return { outputs: ['Y'], ...spec };
}

/** The same operator with {@link Traits.wide}. */
export const wide = <S extends object>(spec: S): S & { readonly wide: true } => ({ ...spec, wide: true });

// ---------------------------------------------------------------------------------------------- helpers for type rules

/** Ends type inference; the caller adds the operator's and the node's name. */
export function reject(message: string): never {
  throw new SutureError('type-mismatch', message);
}

/** Elements beyond so many are not kept in a list, and beyond a few only as long as the model's budget lasts. */
const MOST_ELEMENTS = 2 ** 16;
const FEW_ELEMENTS = 64;

/** A list of known elements, or undefined where it would be too long to keep: then they count as not known. */
export function elementList(length: number, list: () => readonly Dim[]): readonly Dim[] | undefined {
  if (length > MOST_ELEMENTS) return undefined;
  if (length > FEW_ELEMENTS && activeBudget()?.hasBytes(8 * length) === false) return undefined;
  return list();
}

/** The elements of a shape-like operand, or undefined when they are not known before the run. */
export function elementsOf(operand: Operand | undefined): readonly Dim[] | undefined {
  if (operand === undefined) return undefined;
  if (operand.elements) return operand.elements;
  const { constant } = operand;
  if (!constant || constant.shape.length > 1 || isFloat(constant.dtype)) return undefined;
  return elementList(constant.data.length, () => Array.from(numbersOf(constant)));
}

/** As `elementsOf`, where every element must be a plain number. */
export function integersOf(operand: Operand | undefined): readonly number[] | undefined {
  const elements = elementsOf(operand);
  return elements?.every(e => typeof e === 'number') ? (elements as readonly number[]) : undefined;
}

/** The number that a constant of one element holds; undefined for every other operand. */
export function constantNumber(operand: Operand | undefined): number | undefined {
  const constant = operand?.constant;
  return constant?.data.length === 1 ? numbersOf(constant)[0] : undefined;
}

/** The only element of an operand of any dtype, when it is known before the run. */
export const scalarOf = (operand: Operand): Dim | undefined =>
  constantNumber(operand) ?? (operand.elements?.length === 1 ? operand.elements[0] : undefined);

/** An axis in [-rank, rank) as one in [0, rank). */
export function normalizeAxis(axis: number, rank: number): number {
  if (!Number.isInteger(axis) || axis < -rank || axis >= Math.max(rank, 1)) {
    reject(`axis ${axis} does not exist in a tensor of rank ${rank}`);
  }
  return axis < 0 ? axis + rank : axis;
}

export function requireFloat({ type }: Operand): void {
  if (!isFloat(type.dtype)) reject(`the input must be of a float dtype, not ${typeText(type)}`);
}

export function requireSameDType(operands: readonly (Operand | undefined)[]): DType {
  const given = operands.filter(o => o !== undefined);
  const [first] = given;
  const other = given.find(o => o.type.dtype !== first.type.dtype);
  if (other) reject(`the operands are of different dtypes, ${typeText(first.type)} and ${typeText(other.type)}`);
  return first.type.dtype;
}

/** More axes than this no array library has. */
export const MOST_AXES = 64;

/** Refuses a type that no tensor can have. */
export function requirePossible({ shape }: TensorType): void {
  if (shape.length > MOST_AXES) reject(`a tensor of ${shape.length} axes is out of reach; ${MOST_AXES} are the most`);
  let known = 1;
  for (const [axis, extent] of shape.entries()) {
    if (typeof extent !== 'number') continue;
    if (!Number.isSafeInteger(extent) || extent < 0)
      reject(`axis ${axis} of the result would have the extent ${extent}`);
    known *= Math.max(extent, 1);
  }
  if (!Number.isSafeInteger(known))
    reject(`the result of shape [${shape.join(', ')}] would have more than 2^53 elements`);
}

export function requireRank(operand: Operand, rank: number, what: string): Shape {
  const { shape } = operand.type;
  if (shape.length !== rank) reject(`${what} must be of rank ${rank}, not ${typeText(operand.type)}`);
  return shape;
}
