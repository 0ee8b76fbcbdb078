/** Helpers for generating WGSL text. Only numbers and names made here ever enter it. */
import { product } from '../../ir/numbers.ts';
import type { KernelLimits } from './kernel.ts';

export function ceilDiv(a: number, b: number): number {
  return Math.ceil(a / b);
}

/**
 * A `u32` literal. Until the text is printed it stands between marks, so that other numbers, or something that is computed, can take its
 * place. Where WGSL asks for a constant (the lane of a broadcast, the length of an array) a plain number is written instead.
 */
export function u32(n: number): string {
  if (!Number.isInteger(n) || n < 0 || n > 0xffffffff) throw new RangeError(`${n} is no u32`);
  return `⟨${n}u⟩`;
}

/** An `i32` literal, marked as those of `u32` are. */
export function i32(n: number): string {
  if (!Number.isInteger(n) || Math.abs(n) > 0x7fffffff) throw new RangeError(`${n} is no i32`);
  return n < 0 ? `(-⟨${-n}i⟩)` : `⟨${n}i⟩`;
}

const marks = /[⟨⟩]/;

/** Text without its marks: WGSL. */
export const printed = (text: string): string => text.replaceAll(new RegExp(marks, 'g'), '');

/** The literals of a text, and what stands before, between and after them. */
export function literalsIn(text: string): {
  readonly literals: readonly string[];
  readonly between: readonly string[];
} {
  const parts = text.split(marks);
  return { literals: parts.filter((_, i) => i % 2 === 1), between: parts.filter((_, i) => i % 2 === 0) };
}

/** The index that leaves out what it is added to or multiplied with. */
export const zero = u32(0);

/** An `f32` literal that reads back as the same number. Infinities and NaN, which WGSL has no literals for, are refused. */
export function f32(x: number): string {
  const single = Math.fround(x);
  if (!Number.isFinite(single)) throw new RangeError(`${x} has no f32 literal`);
  const text = String(Math.abs(single));
  return `${single < 0 || Object.is(single, -0) ? '-' : ''}${/[.e]/.test(text) ? text : `${text}.0`}f`;
}

/** `a + b` of index expressions, without the zeros. */
export function add(...terms: readonly string[]): string {
  const present = terms.filter(term => term !== zero && term !== i32(0));
  return present.length === 0 ? zero : present.join(' + ');
}

/** `a * n` of an index expression and a number, without the ones. A sum is put in parentheses. */
export function times(expression: string, n: number): string {
  if (n === 0 || expression === zero) return zero;
  if (n === 1) return expression;
  return `${isSum(expression) ? `(${expression})` : expression} * ${u32(n)}`;
}

/** Whether an expression is a sum or a difference outside of all parentheses. */
function isSum(expression: string): boolean {
  let depth = 0;
  for (const c of expression) {
    if (c === '(' || c === '[') depth++;
    else if (c === ')' || c === ']') depth--;
    else if ((c === '+' || c === '-') && depth === 0) return true;
  }
  return false;
}

/**
 * Splits a flat index into coordinates, the last dimension fastest.
 *
 * @returns one expression per dimension; those of size 1 are `zero`.
 */
export function unravel(flat: string, shape: readonly number[]): string[] {
  let stride = product(shape);
  return shape.map((size, axis) => {
    stride /= size;
    if (size === 1) return zero;
    const quotient = stride === 1 ? flat : `${flat} / ${u32(stride)}`;
    const leading = shape.slice(0, axis).every(n => n === 1);
    return leading ? quotient : stride === 1 ? `${quotient} % ${u32(size)}` : `(${quotient}) % ${u32(size)}`;
  });
}

/** A one-dimensional grid of workgroups folded into three dimensions, as the limit on each demands. */
export interface Grid {
  readonly workgroups: readonly [number, number, number];
  /** The flat workgroup index, given the name of the `workgroup_id` builtin. */
  readonly flat: (id: string) => string;
  /** Whether the fold adds workgroups beyond `count`, which must then do nothing. */
  readonly padded: boolean;
}

export function foldGrid(count: number, limits: Pick<KernelLimits, 'maxComputeWorkgroupsPerDimension'>): Grid {
  const limit = limits.maxComputeWorkgroupsPerDimension;
  if (count <= limit) return { workgroups: [count, 1, 1], flat: id => `${id}.x`, padded: false };
  const y = Math.ceil(count / limit);
  if (y <= limit) {
    const x = Math.ceil(count / y);
    return { workgroups: [x, y, 1], flat: id => `(${id}.y * ${u32(x)} + ${id}.x)`, padded: x * y !== count };
  }
  const z = Math.ceil(count / (limit * limit));
  return {
    workgroups: [limit, limit, z],
    flat: id => `((${id}.z * ${u32(limit)} + ${id}.y) * ${u32(limit)} + ${id}.x)`,
    padded: limit * limit * z !== count,
  };
}
