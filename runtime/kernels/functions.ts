/**
 * WGSL functions that the scalar expressions call, for scalars and for vectors of four. WGSL has no overloading, so each is a
 * template over the lane's types, and its name ends in the lane's width.
 *
 * The accuracy of WGSL's own transcendental functions is whatever the driver gives; where that is not enough for float32 in
 * comparison with ONNX Runtime, or where they overflow early, the functions here are used instead.
 */

import type { Scalar } from './storage.ts';
import { u32 } from './wgsl.ts';

/** What an expression works on: one element, or four of them in a vector. */
export interface Lane {
  readonly width: 1 | 4;
}

/** The WGSL type of a lane. */
export const laneType = (scalar: Scalar, { width }: Lane): string => (width === 1 ? scalar : `vec4<${scalar}>`);

/** A literal of a type; infinities and NaN become calls of the functions here. */
export function literal(value: number, scalar: Scalar, lane: Lane): string {
  const one = scalarLiteral(value, scalar);
  return lane.width === 1 ? one : `${laneType(scalar, lane)}(${one})`;
}

function scalarLiteral(value: number, scalar: Scalar): string {
  switch (scalar) {
    case 'bool':
      return value === 0 ? 'false' : 'true';
    case 'i32':
      return `i32(${Math.min(Math.max(Math.trunc(value), -2147483648), 2147483647)})`;
    case 'u32':
      return u32(Math.min(Math.max(Math.trunc(value), 0), 4294967295));
    case 'f32': {
      const single = Math.fround(value);
      if (Number.isNaN(single)) return 'special_f32(0x7fc00000u)';
      if (!Number.isFinite(single)) return single > 0 ? 'special_f32(0x7f800000u)' : 'special_f32(0xff800000u)';
      const text = `${Object.is(single, -0) ? '-0' : single}f`;
      return text.startsWith('-') ? `(${text})` : text;
    }
    default:
      return scalar satisfies never;
  }
}

interface Template {
  readonly calls?: readonly FunctionName[];
  readonly source: (name: (f: FunctionName) => string, types: { F: string; I: string; U: string; B: string }) => string;
}

const own = <T extends Record<string, Template>>(table: T) => table as { readonly [K in keyof T]: Template };

/** Where infinity and NaN come from: their bits go through a variable, since WGSL rejects them in constant expressions. */
export const specialNumbers = `var<private> special_bits: u32 = 0u;
fn special_u32(bits: u32) -> u32 { return bits | special_bits; }
fn special_f32(bits: u32) -> f32 { return bitcast<f32>(bits | special_bits); }`;

export type FunctionName =
  | 'is_nan'
  | 'is_inf'
  | 'sqrt'
  | 'sign'
  | 'log'
  | 'log_quotient'
  | 'exp'
  | 'expm1'
  | 'log1p'
  | 'tanh_near'
  | 'tanh'
  | 'erf'
  | 'sigmoid'
  | 'softplus'
  | 'sinh'
  | 'cosh'
  | 'asinh'
  | 'acosh'
  | 'atanh'
  | 'large_angle'
  | 'sin'
  | 'cos'
  | 'tan'
  | 'asin'
  | 'acos'
  | 'atan'
  | 'pow'
  | 'ipow'
  | 'upow'
  | 'imod'
  | 'fmod'
  | 'bfloat16'
  | 'float16';

const templates: { readonly [K in FunctionName]: Template } = own({
  is_nan: {
    source: (f, { F, B, U }) =>
      `fn ${f('is_nan')}(x: ${F}) -> ${B} { return (bitcast<${U}>(x) & ${U}(0x7fffffffu)) > ${U}(0x7f800000u); }`,
  },
  is_inf: {
    source: (f, { F, B, U }) =>
      `fn ${f('is_inf')}(x: ${F}) -> ${B} { return (bitcast<${U}>(x) & ${U}(0x7fffffffu)) == ${U}(0x7f800000u); }`,
  },
  // Some drivers' exp makes a large number of NaN.
  exp: {
    calls: ['is_nan'],
    source: (f, { F }) => `fn ${f('exp')}(x: ${F}) -> ${F} { return select(exp(x), x, ${f('is_nan')}(x)); }`,
  },
  // WGSL leaves open what these give outside of their domain, and for NaN: the bits decide.
  sqrt: {
    calls: ['is_nan'],
    source: (f, { F, U }) => `fn ${f('sqrt')}(x: ${F}) -> ${F} {
  let root = select(sqrt(x), x, ${f('is_nan')}(x));
  return select(root, ${F}(special_f32(0x7fc00000u)), bitcast<${U}>(x) > ${U}(0x80000000u));
}`,
  },
  sign: {
    calls: ['is_nan'],
    source: (f, { F }) => `fn ${f('sign')}(x: ${F}) -> ${F} { return select(sign(x), x, ${f('is_nan')}(x)); }`,
  },
  // log((1 + s) / (1 - s)) = 2 atanh(s) for |s| < 1/4, by its series.
  log_quotient: {
    source: (f, { F }) => `fn ${f('log_quotient')}(s: ${F}) -> ${F} {
  let z = s * s;
  var p = fma(z, ${F}(0.1111111111111111), ${F}(0.14285714285714285));
  p = fma(p, z, ${F}(0.2));
  p = fma(p, z, ${F}(0.3333333333333333));
  return ${F}(2.0) * fma(p * z, s, s);
}`,
  },
  // Drivers lose digits next to 1, and numbers below the normal ones: the bits of those are a multiple of 2^-149.
  log: {
    calls: ['log_quotient'],
    source: (f, { F, U }) => `fn ${f('log')}(x: ${F}) -> ${F} {
  let bits = bitcast<${U}>(x);
  let tiny = bits < ${U}(0x800000u);
  let far = log(select(x, ${F}(bits), tiny)) - select(${F}(0.0), ${F}(103.27892990343184), tiny);
  let d = x - ${F}(1.0);
  let near = ${f('log_quotient')}(d / (x + ${F}(1.0)));
  let inside = select(select(far, near, abs(d) < ${F}(0.4)), x, bits >= ${U}(0x7f800000u));
  let known = select(inside, ${F}(special_f32(0x7fc00000u)), bits > ${U}(0x80000000u));
  return select(known, ${F}(special_f32(0xff800000u)), (bits & ${U}(0x7fffffffu)) == ${U}(0u));
}`,
  },
  // By tanh near zero, which keeps what exp(x) - 1 loses: expm1(x) = 2t / (1 - t), t = tanh(x / 2).
  expm1: {
    calls: ['exp', 'tanh_near'],
    source: (f, { F }) => `fn ${f('expm1')}(x: ${F}) -> ${F} {
  let t = ${f('tanh_near')}(x * ${F}(0.5));
  return select(${f('exp')}(x) - ${F}(1.0), ${F}(2.0) * t / (${F}(1.0) - t), abs(x) < ${F}(1.0));
}`,
  },
  log1p: {
    calls: ['log', 'log_quotient'],
    source: (f, { F }) => `fn ${f('log1p')}(x: ${F}) -> ${F} {
  return select(${f('log')}(${F}(1.0) + x), ${f('log_quotient')}(x / (${F}(2.0) + x)), abs(x) < ${F}(0.4));
}`,
  },
  // A minimax polynomial, for |x| < 0.625.
  tanh_near: {
    source: (f, { F }) => `fn ${f('tanh_near')}(x: ${F}) -> ${F} {
  let s = x * x;
  var p = ${F}(1.643758066599993e-2);
  p = fma(p, s, ${F}(-5.267181327760551e-2));
  p = fma(p, s, ${F}(1.332072505223051e-1));
  p = fma(p, s, ${F}(-3.333294663641083e-1));
  return fma(p * s, x, x);
}`,
  },
  // The polynomial near zero; elsewhere 1 - 2 / (exp(2x) + 1), which does not overflow.
  tanh: {
    calls: ['is_nan', 'tanh_near'],
    source: (f, { F }) => `fn ${f('tanh')}(x: ${F}) -> ${F} {
  let a = abs(x);
  let far = sign(x) * (${F}(1.0) - ${F}(2.0) / (exp(${F}(2.0) * min(a, ${F}(20.0))) + ${F}(1.0)));
  return select(select(far, ${f('tanh_near')}(x), a < ${F}(0.55)), x, ${f('is_nan')}(x));
}`,
  },
  // Two minimax approximations, each within 1 ulp of erf in float32.
  erf: {
    calls: ['is_nan'],
    source: (f, { F }) => `fn ${f('erf')}(x: ${F}) -> ${F} {
  let t = min(abs(x), ${F}(4.0));
  let s = t * t;
  var r = fma(${F}(-1.72853470e-5), t, ${F}(3.83197126e-4));
  let u = fma(${F}(-3.88396438e-3), t, ${F}(2.42546219e-2));
  r = fma(r, s, u);
  r = fma(r, t, ${F}(-1.06777877e-1));
  r = fma(r, t, ${F}(-6.34846687e-1));
  r = fma(r, t, ${F}(-1.28717512e-1));
  r = fma(r, t, -t);
  let far = sign(x) * (${F}(1.0) - exp(r));
  var p = ${F}(-5.96761703e-4);
  p = fma(p, s, ${F}(4.99119423e-3));
  p = fma(p, s, ${F}(-2.67681349e-2));
  p = fma(p, s, ${F}(1.12819925e-1));
  p = fma(p, s, ${F}(-3.76125336e-1));
  p = fma(p, s, ${F}(1.28379166e-1));
  let near = fma(p, x, x);
  return select(select(far, near, t <= ${F}(0.927734375)), x, ${f('is_nan')}(x));
}`,
  },
  sigmoid: {
    calls: ['exp'],
    source: (f, { F }) => `fn ${f('sigmoid')}(x: ${F}) -> ${F} {
  let e = ${f('exp')}(-abs(x));
  return select(e, ${F}(1.0), x >= ${F}(0.0)) / (${F}(1.0) + e);
}`,
  },
  // log1p of a number in [0, 1], whose logarithm needs no care.
  softplus: {
    calls: ['is_nan', 'log_quotient'],
    source: (f, { F }) => `fn ${f('softplus')}(x: ${F}) -> ${F} {
  let e = exp(-abs(x));
  let y = select(log(${F}(1.0) + e), ${f('log_quotient')}(e / (${F}(2.0) + e)), e < ${F}(0.4));
  return select(max(x, ${F}(0.0)) + y, x, ${f('is_nan')}(x));
}`,
  },
  sinh: {
    calls: ['expm1'],
    source: (f, { F }) => `fn ${f('sinh')}(x: ${F}) -> ${F} {
  let e = ${f('expm1')}(abs(x));
  let half = exp(abs(x) * ${F}(0.5));
  let near = ${F}(0.5) * (e + e / (e + ${F}(1.0)));
  return sign(x) * select(near, ${F}(0.5) * half * half, abs(x) > ${F}(80.0));
}`,
  },
  cosh: {
    calls: ['exp'],
    source: (f, { F }) => `fn ${f('cosh')}(x: ${F}) -> ${F} {
  let half = ${f('exp')}(abs(x) * ${F}(0.5));
  let e = half * half;
  return select(${F}(0.5) * (e + ${F}(1.0) / e), ${F}(0.5) * half * half, abs(x) > ${F}(80.0));
}`,
  },
  asinh: {
    calls: ['log1p'],
    source: (f, { F }) => `fn ${f('asinh')}(x: ${F}) -> ${F} {
  let a = abs(x);
  let near = ${f('log1p')}(a + a * a / (${F}(1.0) + sqrt(a * a + ${F}(1.0))));
  return sign(x) * select(near, log(a) + ${F}(0.6931471805599453), a > ${F}(1.0e8));
}`,
  },
  acosh: {
    calls: ['log1p', 'log'],
    source: (f, { F, I }) => `fn ${f('acosh')}(x: ${F}) -> ${F} {
  let d = x - ${F}(1.0);
  let far = ${f('log')}(x) + ${F}(0.6931471805599453);
  let y = select(${f('log1p')}(d + sqrt(${F}(2.0) * d + d * d)), far, x > ${F}(1.0e8));
  // As integers, the bits of all numbers below 1 are below those of 1.
  return select(y, ${F}(special_f32(0x7fc00000u)), bitcast<${I}>(x) < ${I}(0x3f800000));
}`,
  },
  atanh: {
    calls: ['log1p'],
    source: (f, { F }) => `fn ${f('atanh')}(x: ${F}) -> ${F} {
  let a = abs(x);
  return sign(x) * ${F}(0.5) * ${f('log1p')}(${F}(2.0) * a / (${F}(1.0) - a));
}`,
  },
  // Cody and Waite's reduction by multiples of π/2, then the polynomials of Cephes' sinf and cosf.
  sin: {
    calls: ['large_angle'],
    source: (f, t) => sine(f('sin'), f('large_angle'), t, 0),
  },
  cos: {
    calls: ['large_angle'],
    source: (f, t) => sine(f('cos'), f('large_angle'), t, 1),
  },
  // An angle as (position within a quadrant, quadrant), after Payne and Hanek: its mantissa times those bits of 2 / π that matter.
  large_angle: {
    source: (f, { F }) => {
      const single = `${f('large_angle')}_one`;
      const high = `${f('large_angle')}_high`;
      const one = `fn ${single}(x: f32) -> vec2<f32> {
  let bits = bitcast<u32>(x) & 0x7fffffffu;
  let e = max(bits >> 23u, 126u) - 126u;
  let m = ((bits & 0x7fffffu) << 8u) | 0x80000000u;
  let s = e & 31u;
  // By selection: an array in private memory is slow on software adapters.
  var w = select(vec4<u32>(0u, 0x28be60dbu, 0x9391054au, 0x7f09d5f4u), vec4<u32>(0x28be60dbu, 0x9391054au, 0x7f09d5f4u, 0x7d4d3770u), e >= 32u);
  w = select(w, vec4<u32>(0x9391054au, 0x7f09d5f4u, 0x7d4d3770u, 0x36d8a566u), e >= 64u);
  w = select(w, vec4<u32>(0x7f09d5f4u, 0x7d4d3770u, 0x36d8a566u, 0x4f10e410u), e >= 96u);
  w = select(w, vec4<u32>(0x7d4d3770u, 0x36d8a566u, 0x4f10e410u, 0x7f9458eau), e >= 128u);
  // Two shifts, since one by 32 is none.
  w = (w << vec4<u32>(s)) | ((w.yzww >> vec4<u32>(1u)) >> vec4<u32>(31u - s));
  // The product in units of 2^-62 of a quadrant, modulo four quadrants.
  let carry = ${high}(m, w.z);
  let sum = m * w.y + carry;
  var high = m * w.x + ${high}(m, w.y) + select(0u, 1u, sum < carry);
  var low = sum;
  let quadrant = (high + 0x20000000u) >> 30u;
  high -= quadrant << 30u;
  let below = (high & 0x80000000u) != 0u;
  if (below) {
    high = ~high + select(0u, 1u, low == 0u);
    low = ~low + 1u;
  }
  let r = (f32(high) * 4294967296.0 + f32(low)) * 3.4061215800304e-19;
  let whole = f32(quadrant);
  return select(vec2<f32>(select(r, -r, below), whole), vec2<f32>(select(-r, r, below), -whole), x < 0.0);
}
fn ${high}(a: u32, b: u32) -> u32 {
  let middle = (a >> 16u) * (b & 0xffffu) + (((a & 0xffffu) * (b & 0xffffu)) >> 16u);
  let other = (a & 0xffffu) * (b >> 16u) + (middle & 0xffffu);
  return (a >> 16u) * (b >> 16u) + (middle >> 16u) + (other >> 16u);
}`;
      const pair = `struct ${f('large_angle')}_t { r: ${F}, n: ${F} }`;
      const parts = F === 'f32' ? ['x'] : ['x.x', 'x.y', 'x.z', 'x.w'];
      const each = parts.map((part, k) => `  let p${k} = ${single}(${part});`).join('\n');
      const join = (axis: string) => `${F}(${parts.map((_, k) => `p${k}.${axis}`).join(', ')})`;
      return `${one}
${pair}
fn ${f('large_angle')}(x: ${F}) -> ${f('large_angle')}_t {
${each}
  return ${f('large_angle')}_t(${join('x')}, ${join('y')});
}`;
    },
  },
  tan: {
    calls: ['sin', 'cos'],
    source: (f, { F }) => `fn ${f('tan')}(x: ${F}) -> ${F} { return ${f('sin')}(x) / ${f('cos')}(x); }`,
  },
  // Cephes' asinf.
  asin: {
    source: (f, { F }) => `fn ${f('asin')}(x: ${F}) -> ${F} {
  let a = abs(x);
  let big = a > ${F}(0.5);
  let z = select(a * a, ${F}(0.5) * (${F}(1.0) - a), big);
  let s = select(a, sqrt(z), big);
  var p = ${F}(4.2163199048e-2);
  p = fma(p, z, ${F}(2.4181311049e-2));
  p = fma(p, z, ${F}(4.5470025998e-2));
  p = fma(p, z, ${F}(7.4953002686e-2));
  p = fma(p, z, ${F}(1.6666752422e-1));
  let r = fma(p * z, s, s);
  return sign(x) * select(r, ${F}(1.5707963267948966) - (r + r), big);
}`,
  },
  acos: {
    calls: ['asin'],
    source: (f, { F }) => `fn ${f('acos')}(x: ${F}) -> ${F} {
  let far = ${F}(2.0) * ${f('asin')}(sqrt(${F}(0.5) * (${F}(1.0) - abs(x))));
  return select(${F}(1.5707963267948966) - ${f('asin')}(x), select(${F}(3.141592653589793) - far, far, x > ${F}(0.0)), abs(x) > ${F}(0.5));
}`,
  },
  // Cephes' atanf.
  atan: {
    source: (f, { F }) => `fn ${f('atan')}(x: ${F}) -> ${F} {
  let a = abs(x);
  let high = a > ${F}(2.414213562373095);
  let middle = a > ${F}(0.4142135623730950);
  let t = select(select(a, (a - ${F}(1.0)) / (a + ${F}(1.0)), middle), ${F}(-1.0) / a, high);
  let y = select(select(${F}(0.0), ${F}(0.7853981633974483), middle), ${F}(1.5707963267948966), high);
  let z = t * t;
  var p = ${F}(8.05374449538e-2);
  p = fma(p, z, ${F}(-1.38776856032e-1));
  p = fma(p, z, ${F}(1.99777106478e-1));
  p = fma(p, z, ${F}(-3.33329491539e-1));
  return sign(x) * (y + fma(p * z, t, t));
}`,
  },
  // C's pow: WGSL's is undefined for negative bases.
  pow: {
    calls: ['is_nan', 'is_inf'],
    source: (f, { F, U }) => `fn ${f('pow')}(x: ${F}, y: ${F}) -> ${F} {
  let a = abs(x);
  let one = ${F}(1.0);
  let whole = floor(y) == y;
  let half = y * ${F}(0.5);
  let odd = whole & (floor(half) != half);
  let limit = select(${F}(0.0), ${F}(special_f32(0x7f800000u)), (a > one) == (y > ${F}(0.0)));
  let extreme = (a == ${F}(0.0)) | ${f('is_inf')}(x) | ${f('is_inf')}(y);
  var r = select(select(exp2(y * log2(a)), limit, extreme), one, a == one);
  r = select(r, -r, ((bitcast<${U}>(x) >> ${U}(31u)) == ${U}(1u)) & odd);
  r = select(r, ${F}(special_f32(0x7fc00000u)), (x < ${F}(0.0)) & !whole & !${f('is_inf')}(x) & !${f('is_inf')}(y));
  r = select(select(r, y, ${f('is_nan')}(y)), x, ${f('is_nan')}(x));
  r = select(r, x, y == one);
  return select(r, one, (y == ${F}(0.0)) | (x == one));
}`,
  },
  ipow: {
    source: (f, { I }) => power(f('ipow'), I, 'i'),
  },
  upow: {
    source: (f, { U }) => power(f('upow'), U, 'u'),
  },
  // The sign of the result is the divisor's, as in Python.
  imod: {
    source: (f, { I }) => `fn ${f('imod')}(a: ${I}, b: ${I}) -> ${I} {
  let r = a % b;
  return select(r, r + b, (r != ${I}(0i)) & ((r < ${I}(0i)) != (b < ${I}(0i))));
}`,
  },
  // A long division of the mantissas, eight bits at a time: a quotient may have more digits than a float.
  fmod: {
    calls: ['is_nan', 'is_inf'],
    source: (f, { F, I, U, B }) => `fn ${f('fmod')}(a: ${F}, b: ${F}) -> ${F} {
  let up = bitcast<${U}>(a) & ${U}(0x7fffffffu);
  let down = bitcast<${U}>(b) & ${U}(0x7fffffffu);
  let high = max(up >> ${U}(23u), ${U}(1u));
  let low = max(down >> ${U}(23u), ${U}(1u));
  let dividend = select(up & ${U}(0x7fffffu), (up & ${U}(0x7fffffu)) | ${U}(0x800000u), up >= ${U}(0x800000u));
  let divisor = select(down & ${U}(0x7fffffu), (down & ${U}(0x7fffffu)) | ${U}(0x800000u), down >= ${U}(0x800000u));
  let some = max(divisor, ${U}(1u));
  var rest = dividend % some;
  var left = select(${U}(0u), high - low, high > low);
  for (var i = 0u; i < 32u && any(left > ${U}(0u)); i += 1u) {
    let step = min(left, ${U}(8u));
    rest = (rest << step) % some;
    left -= step;
  }
  let e = ${I}(low) - ${I}(150);
  let first = e / ${I}(2);
  let scale = bitcast<${F}>((first + ${I}(127)) << ${U}(23u));
  let second = bitcast<${F}>((e - first + ${I}(127)) << ${U}(23u));
  let magnitude = select(${F}(rest) * scale * second, bitcast<${F}>(up), up < down);
  let y = select(magnitude, -magnitude, (bitcast<${U}>(a) >> ${U}(31u)) == ${U}(1u));
  let undefined: ${B} = ${f('is_nan')}(a) | ${f('is_nan')}(b) | ${f('is_inf')}(a) | (divisor == ${U}(0u));
  return select(y, ${F}(special_f32(0x7fc00000u)), undefined);
}`,
  },
  bfloat16: {
    // Nearest, ties to even.
    source: (f, { F, U }) => `fn ${f('bfloat16')}(x: ${F}) -> ${F} {
  let bits = bitcast<${U}>(x);
  let rounded = (bits + ${U}(0x7fffu) + ((bits >> ${U}(16u)) & ${U}(1u))) & ${U}(0xffff0000u);
  return select(bitcast<${F}>(rounded), x, (bits & ${U}(0x7f800000u)) == ${U}(0x7f800000u));
}`,
  },
  // As WGSL's quantizeToF16 should be, which some drivers truncate in.
  float16: {
    source: (f, t) => half(f('float16'), t),
  },
});

function half(name: string, { F, U, B }: { F: string; U: string; B: string }): string {
  return `fn ${name}(x: ${F}) -> ${F} {
  let bits = bitcast<${U}>(x);
  let rounded = (bits + ${U}(0xfffu) + ((bits >> ${U}(13u)) & ${U}(1u))) & ${U}(0xffffe000u);
  let a = abs(x);
  let normal = bitcast<${F}>(rounded);
  let small = round(x * ${F}(16777216.0)) * ${F}(5.9604644775390625e-8);
  let infinite = bitcast<${F}>((bits & ${U}(0x80000000u)) | ${U}(special_u32(0x7f800000u)));
  let special: ${B} = (bits & ${U}(0x7f800000u)) == ${U}(0x7f800000u);
  let finite = select(select(normal, small, a < ${F}(6.103515625e-5)), infinite, a >= ${F}(65520.0));
  return select(finite, x, special);
}`;
}

function sine(
  name: string,
  largeAngle: string,
  { F, I, U, B }: { F: string; I: string; U: string; B: string },
  shift: 0 | 1,
): string {
  return `fn ${name}(x: ${F}) -> ${F} {
  var n = round(x * ${F}(0.6366197723675814));
  var r = fma(n, ${F}(-1.5703125), x);
  r = fma(n, ${F}(-4.837512969970703125e-4), r);
  r = fma(n, ${F}(-7.5497899548918821e-8), r);
  let large = abs(x) > ${F}(8192.0);
  if (any(large)) {
    let exact = ${largeAngle}(x);
    r = select(r, exact.r, large);
    n = select(n, exact.n, large);
  }
  let quadrant = (${I}(n) + ${I}(${shift}i)) & ${I}(3i);
  let z = r * r;
  var s = ${F}(-1.9515295891e-4);
  s = fma(s, z, ${F}(8.3321608736e-3));
  s = fma(s, z, ${F}(-1.6666654611e-1));
  s = fma(s * z, r, r);
  var c = ${F}(2.443315711809948e-5);
  c = fma(c, z, ${F}(-1.388731625493765e-3));
  c = fma(c, z, ${F}(4.166664568298827e-2));
  c = fma(c * z, z, fma(z, ${F}(-0.5), ${F}(1.0)));
  let swapped: ${B} = (quadrant & ${I}(1i)) != ${I}(0i);
  let y = select(s, c, swapped);
  let special: ${B} = (bitcast<${U}>(x) & ${U}(0x7f800000u)) == ${U}(0x7f800000u);
  return select(select(y, -y, quadrant >= ${I}(2i)), ${F}(special_f32(0x7fc00000u)), special);
}`;
}

/** Integer powers by squaring; a negative exponent gives the truncated reciprocal, which is 0 but for bases of 1 and -1. */
function power(name: string, T: string, suffix: 'i' | 'u'): string {
  const n = (v: number) => `${T}(${v}${suffix})`;
  const one = T.startsWith('vec4') ? 'vec4<u32>(1u)' : '1u';
  const negative =
    suffix === 'u'
      ? ''
      : `  let unit = select(${n(1)}, x, (y & ${n(1)}) == ${n(1)});
  result = select(result, select(${n(0)}, unit, abs(x) == ${n(1)}), y < ${n(0)});\n`;
  return `fn ${name}(x: ${T}, y: ${T}) -> ${T} {
  var result = ${n(1)};
  var base = x;
  var left = max(y, ${n(0)});
  for (var i = 0u; i < 32u; i += 1u) {
    result = select(result, result * base, (left & ${n(1)}) == ${n(1)});
    base *= base;
    left = left >> ${one};
  }
${negative}  return result;
}`;
}

const nameOf = (f: FunctionName, lane: Lane): string => `${f}_x${lane.width}`;

/** Collects the functions that a module calls, to declare each once. */
export class FunctionSet {
  readonly #texts = new Map<string, string>();

  /** The call of a function on arguments of the lane's types. */
  call(f: FunctionName, lane: Lane, ...operands: readonly string[]): string {
    this.#need(f, lane);
    return `${nameOf(f, lane)}(${operands.join(', ')})`;
  }

  #need(f: FunctionName, lane: Lane): void {
    const name = nameOf(f, lane);
    if (this.#texts.has(name)) return;
    const { calls = [], source } = templates[f];
    for (const callee of calls) this.#need(callee, lane);
    const types = {
      F: laneType('f32', lane),
      I: laneType('i32', lane),
      U: laneType('u32', lane),
      B: laneType('bool', lane),
    };
    this.#texts.set(
      name,
      source(g => nameOf(g, lane), types),
    );
  }

  /** The declarations that `code` and the functions collected so far need. */
  declarations(code: string): string {
    const texts = [...this.#texts.values()];
    const all = texts.join('\n');
    return /special_[fu]32\(/.test(code + all) ? [specialNumbers, ...texts].join('\n') : all;
  }
}
