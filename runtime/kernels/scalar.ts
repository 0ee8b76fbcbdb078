/**
 * What the elementwise operators compute, as WGSL expressions: one rule for each, for a single element and for vectors of
 * four alike. Operands are identifiers, so a rule may name one more than once.
 */
import { SutureError } from '../../ir/errors.ts';
import { inputAt, type Node } from '../../ir/graph.ts';
import { constantNumber } from '../../ir/operator.ts';
import type { ElementwiseOp } from '../../ir/ops/index.ts';
import type { DType } from '../../ir/type.ts';
import { type FunctionName, type FunctionSet, type Lane, laneType, literal } from './functions.ts';
import { type Scalar, scalarOf } from './storage.ts';

/** What a rule may use to write its expression. */
export class ScalarContext {
  readonly lane: Lane;
  readonly #functions: FunctionSet;

  constructor(lane: Lane, functions: FunctionSet) {
    this.lane = lane;
    this.#functions = functions;
  }

  call(f: FunctionName, ...operands: readonly string[]): string {
    return this.#functions.call(f, this.lane, ...operands);
  }

  /** A literal of the lane's width. */
  number(value: number, scalar: Scalar = 'f32'): string {
    return literal(value, scalar, this.lane);
  }

  /** `x` converted to another type of the same width. */
  convert(x: string, to: Scalar): string {
    return `${laneType(to, this.lane)}(${x})`;
  }

  bitcast(x: string, to: Scalar): string {
    return `bitcast<${laneType(to, this.lane)}>(${x})`;
  }
}

type Rule<K extends ElementwiseOp> = (c: ScalarContext, operands: readonly string[], node: Node<K>) => string;

const dtypeOf = (node: Node, i = 0): DType => inputAt(node, i).type.dtype;
const kindOf = (node: Node, i = 0): Scalar => scalarOf(dtypeOf(node, i));

/** Integers narrower than 32 bits wrap to their width after arithmetic. */
function wrapped(c: ScalarContext, dtype: DType, expression: string): string {
  const { lane } = c;
  const shift = (n: number) => (lane.width === 1 ? `${n}u` : `vec4<u32>(${n}u)`);
  switch (dtype) {
    case 'int8':
      return `(((${expression}) << ${shift(24)}) >> ${shift(24)})`;
    case 'int16':
      return `(((${expression}) << ${shift(16)}) >> ${shift(16)})`;
    case 'uint8':
      return `((${expression}) & ${c.number(255, 'u32')})`;
    case 'uint16':
      return `((${expression}) & ${c.number(65535, 'u32')})`;
    default:
      return expression;
  }
}

const infix =
  <K extends ElementwiseOp>(operator: string): Rule<K> =>
  (c, [a, b], node) =>
    wrapped(c, dtypeOf(node), `(${a} ${operator} ${b})`);

const builtin =
  <K extends ElementwiseOp>(name: string): Rule<K> =>
  (_c, [x]) =>
    `${name}(${x})`;

const helper =
  <K extends ElementwiseOp>(name: FunctionName): Rule<K> =>
  (c, [x]) =>
    c.call(name, x);

/** For floats only, although the vocabulary takes more. */
const ofFloats =
  <K extends ElementwiseOp>(rule: Rule<K>): Rule<K> =>
  (c, operands, node) => {
    if (kindOf(node) !== 'f32') throw new SutureError('kernel-missing', `${node.op} of ${dtypeOf(node)}`);
    return rule(c, operands, node);
  };

/** `a` where it is the larger (or smaller) one or NaN, so that a NaN in either operand comes through. */
const extremum =
  (operator: '>' | '<') =>
  (c: ScalarContext, operands: readonly string[], node: Node): string =>
    operands.reduce((a, b) => {
      const wins = `${a} ${operator} ${b}`;
      return kindOf(node) === 'f32'
        ? `select(${b}, ${a}, (${wins}) | ${c.call('is_nan', a)})`
        : `${operator === '>' ? 'max' : 'min'}(${a}, ${b})`;
    });

const sum = (operands: readonly string[]): string => `(${operands.join(' + ')})`;

/** The negative numbers, and NaN, which `min` may lose. */
const notAbove = (c: ScalarContext, x: string): string => `select(${x}, ${c.number(0)}, ${x} > ${c.number(0)})`;

/** `expm1` keeps what `exp(x) - 1` loses near zero. */
const elu = (c: ScalarContext, x: string, alpha: number, scale = 1): string => {
  const low = `${c.number(alpha * scale)} * ${c.call('expm1', notAbove(c, x))}`;
  return `select(${low}, ${scale === 1 ? x : `${c.number(scale)} * ${x}`}, ${x} > ${c.number(0)})`;
};

/** `x` times a slope where it is negative. NaN fails the comparison and comes through the product. */
const leaky = (c: ScalarContext, x: string, slope: string, kind: Scalar = 'f32'): string =>
  `select(${x} * ${slope}, ${x}, ${x} >= ${c.number(0, kind)})`;

const scalarRules: { readonly [K in ElementwiseOp]: Rule<K> } = {
  Abs: (_c, [x], node) => (kindOf(node) === 'u32' ? x : `abs(${x})`),
  Acos: helper('acos'),
  Acosh: helper('acosh'),
  Asin: helper('asin'),
  Asinh: helper('asinh'),
  Atan: helper('atan'),
  Atanh: helper('atanh'),
  BitwiseNot: (c, [x], node) => wrapped(c, dtypeOf(node), `(~${x})`),
  Ceil: builtin('ceil'),
  Celu(c, [x], { attributes: { alpha } }) {
    const low = `${c.number(alpha)} * ${c.call('expm1', `${notAbove(c, x)} / ${c.number(alpha)}`)}`;
    return `select(${low}, ${x}, ${x} > ${c.number(0)})`;
  },
  Cos: helper('cos'),
  Cosh: helper('cosh'),
  Elu: (c, [x], { attributes }) => elu(c, x, attributes.alpha),
  Erf: ofFloats(helper('erf')),
  Exp: helper('exp'),
  Floor: builtin('floor'),
  Gelu(c, [x], { attributes: { approximate } }) {
    const half = `${c.number(0.5)} * ${x}`;
    if (approximate === 'none') {
      return `(${half} * (${c.number(1)} + ${c.call('erf', `${x} * ${c.number(Math.SQRT1_2)}`)}))`;
    }
    const inner = `${c.number(Math.sqrt(2 / Math.PI))} * (${x} + ${c.number(0.044715)} * ${x} * ${x} * ${x})`;
    return `(${half} * (${c.number(1)} + ${c.call('tanh', inner)}))`;
  },
  HardSigmoid(c, [x], { attributes: { alpha, beta } }) {
    const line = `(${c.number(alpha)} * ${x} + ${c.number(beta)})`;
    const low = `select(${line}, ${c.number(0)}, ${line} < ${c.number(0)})`;
    return `select(${low}, ${c.number(1)}, ${line} > ${c.number(1)})`;
  },
  HardSwish: (c, [x]) => `(${x} * clamp(${x} * ${c.number(1 / 6)} + ${c.number(0.5)}, ${c.number(0)}, ${c.number(1)}))`,
  LeakyRelu: (c, [x], { attributes }) => leaky(c, x, c.number(attributes.alpha)),
  Log: helper('log'),
  Mish: (c, [x]) => `(${x} * ${c.call('tanh', c.call('softplus', x))})`,
  Neg: (c, [x], node) => wrapped(c, dtypeOf(node), `(-${x})`),
  Not: (_c, [x]) => `(!${x})`,
  Reciprocal: (c, [x]) => `(${c.number(1)} / ${x})`,
  Relu: (c, [x], node) => `select(${x}, ${c.number(0, kindOf(node))}, ${x} < ${c.number(0, kindOf(node))})`,
  Round: builtin('round'),
  Selu: (c, [x], { attributes: { alpha, gamma } }) => elu(c, x, alpha, gamma),
  Shrink(c, [x], node) {
    const kind = kindOf(node);
    const { bias, lambd } = node.attributes;
    const [b, l, zero] = [c.number(bias, kind), c.number(lambd, kind), c.number(0, kind)];
    const low = kind === 'u32' ? zero : `select(${zero}, ${x} + ${b}, ${x} < -${l})`;
    return wrapped(c, dtypeOf(node), `select(${low}, ${x} - ${b}, ${x} > ${l})`);
  },
  Sigmoid: helper('sigmoid'),
  Sign: (c, [x], node) =>
    kindOf(node) === 'u32'
      ? `min(${x}, ${c.number(1, 'u32')})`
      : kindOf(node) === 'f32'
        ? c.call('sign', x)
        : `sign(${x})`,
  Sin: helper('sin'),
  Sinh: helper('sinh'),
  Softplus: helper('softplus'),
  Softsign: (c, [x]) => `(${x} / (${c.number(1)} + abs(${x})))`,
  Sqrt: helper('sqrt'),
  Swish: (c, [x], { attributes: { alpha } }) =>
    `(${x} * ${c.call('sigmoid', alpha === 1 ? x : `${c.number(alpha)} * ${x}`)})`,
  Tan: helper('tan'),
  Tanh: helper('tanh'),
  ThresholdedRelu: (c, [x], { attributes }) => `select(${c.number(0)}, ${x}, ${x} > ${c.number(attributes.alpha)})`,

  Add: infix('+'),
  Sub: infix('-'),
  Mul: infix('*'),
  Div: infix('/'),
  BitwiseAnd: infix('&'),
  BitwiseOr: infix('|'),
  BitwiseXor: infix('^'),
  And: infix('&'),
  Or: infix('|'),
  Xor: infix('!='),
  Equal: (_c, [a, b]) => `(${a} == ${b})`,
  Greater: (_c, [a, b]) => `(${a} > ${b})`,
  GreaterOrEqual: (_c, [a, b]) => `(${a} >= ${b})`,
  Less: (_c, [a, b]) => `(${a} < ${b})`,
  LessOrEqual: (_c, [a, b]) => `(${a} <= ${b})`,
  PRelu: (c, [x, slope], node) => leaky(c, x, slope, kindOf(node)),
  Max: extremum('>'),
  Min: extremum('<'),
  Sum: (_c, operands) => sum(operands),
  Mean: ofFloats((c, operands) => `(${sum(operands)} / ${c.number(operands.length)})`),
  Pow(c, [x, y], node) {
    const base = kindOf(node);
    const exponent = kindOf(node, 1);
    if (base !== 'f32' && exponent === base)
      return wrapped(c, dtypeOf(node), c.call(base === 'i32' ? 'ipow' : 'upow', x, y));
    if (base !== 'f32') {
      const power = c.call('pow', c.convert(x, 'f32'), exponent === 'f32' ? y : c.convert(y, 'f32'));
      return wrapped(c, dtypeOf(node), c.convert(power, base));
    }
    return powerOf(c, x, exponent === 'f32' ? y : c.convert(y, 'f32'), constantNumber(node.inputs[1]));
  },
  Mod(c, [a, b], node) {
    const kind = kindOf(node);
    if (kind === 'f32') return c.call('fmod', a, b);
    return node.attributes.fmod || kind === 'u32' ? `(${a} % ${b})` : c.call('imod', a, b);
  },
  BitShift(c, [x, y], node) {
    const operator = node.attributes.direction === 'LEFT' ? '<<' : '>>';
    const shifted = `(${x} ${operator} (${y} & ${c.number(31, 'u32')}))`;
    return wrapped(c, dtypeOf(node), `select(${shifted}, ${c.number(0, 'u32')}, ${y} > ${c.number(31, 'u32')})`);
  },
  IsNaN: helper('is_nan'),
  IsInf(c, [x], { attributes: { detect_negative, detect_positive } }) {
    const infinite = c.call('is_inf', x);
    if (detect_negative && detect_positive) return infinite;
    if (!detect_negative && !detect_positive) return c.number(0, 'bool');
    return `(${infinite} & (${x} ${detect_positive ? '>' : '<'} ${c.number(0)}))`;
  },
  Where: (_c, [condition, x, y]) => `select(${y}, ${x}, ${condition})`,
  Clip(_c, operands, node) {
    // Absent operands have no name, so the bounds are found by their place in the node.
    const [x, ...given] = operands;
    const low = node.inputs[1] ? given.shift() : undefined;
    const high = node.inputs[2] ? given.shift() : undefined;
    const above = low === undefined ? x : `select(${x}, ${low}, ${x} < ${low})`;
    if (high === undefined) return above;
    return `select(${above}, ${high}, ${low === undefined ? x : above} > ${high})`;
  },
  Cast(c, [x], node) {
    const [from, to] = [dtypeOf(node), node.attributes.to];
    return from === to ? x : cast(c, x, from, to);
  },
};

function cast(c: ScalarContext, x: string, from: DType, to: DType): string {
  const [source, target] = [scalarOf(from), scalarOf(to)];
  // NaN is true; comparisons with it are false, whichever they are.
  if (to === 'bool' && source === 'f32')
    return `((${c.bitcast(x, 'u32')} & ${c.number(0x7fffffff, 'u32')}) != ${c.number(0, 'u32')})`;
  if (to === 'bool') return `(${x} != ${c.number(0, source)})`;
  if (to === 'float16') {
    return c.call('float16', source === 'f32' ? x : c.convert(x, 'f32'));
  }
  if (to === 'bfloat16') return c.call('bfloat16', source === 'f32' ? x : c.convert(x, 'f32'));
  if (source === target) return wrapped(c, to, x);
  // Through i32, so that negative numbers wrap in unsigned types as they do in C.
  if (source === 'f32' && target !== 'f32') {
    const least = c.number(-2147483648, 'i32');
    const beyond = `((${c.bitcast(x, 'u32')} & ${c.number(0x7fffffff, 'u32')}) >= ${c.number(0x4f000000, 'u32')})`;
    const whole = `select(${c.convert(x, 'i32')}, ${least}, ${beyond})`;
    if (target === 'i32') return wrapped(c, to, whole);
    const unsigned = c.bitcast(whole, 'u32');
    if (to !== 'uint32' && to !== 'uint64') return wrapped(c, to, unsigned);
    return `select(${unsigned}, ${c.convert(x, 'u32')}, ${x} >= ${c.number(2147483648)})`;
  }
  return wrapped(c, to, c.convert(x, target));
}

/** Powers by small known exponents are exact products. */
function powerOf(c: ScalarContext, x: string, y: string, known: number | undefined): string {
  switch (known) {
    case 1:
      return x;
    case 2:
      return `(${x} * ${x})`;
    case 3:
      return `(${x} * ${x} * ${x})`;
    case 0.5:
      return `sqrt(${x})`;
    case -1:
      return `(${c.number(1)} / ${x})`;
    default:
      return c.call('pow', x, y);
  }
}

/**
 * The expression of an elementwise node over the given operands.
 *
 * @param operands one identifier for each operand that is present, in order.
 */
export function scalarExpression(c: ScalarContext, node: Node<ElementwiseOp>, operands: readonly string[]): string {
  return (scalarRules[node.op] as Rule<ElementwiseOp>)(c, operands, node);
}
