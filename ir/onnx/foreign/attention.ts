/** Attention and rotary embeddings (ONNX 23 and 24), as the specification's own functions compute them. */
import type { GraphBuilder } from '../../builder.ts';
import type { Dim } from '../../dim.ts';
import type { Value } from '../../graph.ts';
import { type ForeignRule, type FormContext, type NodeForm, requireInputs } from '../form.ts';
import { dtypeOf } from '../tensor.ts';

/** The number of positions in [B, heads, T, size] as a rank-1 tensor, computed where it is symbolic. */
function positions(b: GraphBuilder, x: Value): Value {
  const size = x.type.shape[2];
  return typeof size === 'number' ? b.ints([size]) : b.op('Shape', [x], { start: 2, end: 3 });
}

/** `[0, 1, ..., length)` as int64, of rank 1. */
const range = (b: GraphBuilder, length: Value): Value =>
  b.op('Range', [b.number(0, 'int64'), b.op('Squeeze', [length, b.ints([0])]), b.number(1, 'int64')]);

/** [B, T, heads · size] → [B, heads, T, size]. */
function byHeads(b: GraphBuilder, x: Value, heads: number | undefined, context: FormContext): Value {
  if (x.type.shape.length === 4) return x;
  if (!heads) return context.refuse('inputs of rank 3 need the number of heads');
  return b.op('Transpose', [b.op('Reshape', [x, b.ints([0, 0, heads, -1])])], { perm: [0, 2, 1, 3] });
}

function known(dim: Dim, what: string, context: FormContext): number {
  return typeof dim === 'number' ? dim : context.refuse(`its ${what} must be known`);
}

/** Repeats each head of keys or values for the queries that share it. */
function repeatHeads(b: GraphBuilder, x: Value, times: number, context: FormContext): Value {
  if (times === 1) return x;
  const [, heads, , size] = x.type.shape;
  const wide = b.op('Expand', [b.op('Unsqueeze', [x, b.ints([2])]), b.ints([1, 1, times, 1, 1])]);
  const total = known(heads, 'number of heads', context) * times;
  return b.op('Reshape', [wide, b.ints([0, total, -1, known(size, 'head size', context)])]);
}

interface Sizes {
  /** Extents as rank-1 tensors: of the queries, of all keys. */
  readonly queries: Value;
  readonly keys: Value;
}

/** 0 where a query may look at a key and -∞ where not; undefined where all may. */
function bias(b: GraphBuilder, form: NodeForm, q: Value, sizes: Sizes, total: Dim): Value | undefined {
  const [, , , mask, pastKey, , lengths] = form.inputs;
  const { dtype } = q.type;
  const unless = (condition: Value) =>
    b.op('Where', [condition, b.number(Number.NEGATIVE_INFINITY, dtype), b.number(0, dtype)]);
  const parts: Value[] = [];
  if (mask !== undefined) {
    const given = mask.type.dtype === 'bool' ? unless(b.op('Not', [mask])) : mask;
    const last = given.type.shape.at(-1);
    const short = typeof last === 'number' && typeof total === 'number' ? total - last : 0;
    const missing = b.number(Number.NEGATIVE_INFINITY, dtype);
    const rank = given.type.shape.length;
    const pads = [...Array<number>(2 * rank - 1).fill(0), short];
    parts.push(short > 0 ? b.op('Pad', [given, b.ints(pads), missing]) : given);
  }
  if (form.int('is_causal')) {
    const rows = b.op('Unsqueeze', [range(b, sizes.queries), b.ints([1])]);
    const columns = range(b, sizes.keys);
    // Queries stand at the end of the keys that came before them.
    const before =
      lengths !== undefined
        ? b.op('Unsqueeze', [b.op('Sub', [lengths, sizes.queries]), b.ints([1, 2, 3])])
        : pastKey !== undefined
          ? positions(b, pastKey)
          : undefined;
    parts.push(unless(b.op('Less', [before === undefined ? rows : b.op('Add', [rows, before]), columns])));
  }
  if (lengths !== undefined) {
    const inside = b.op('Less', [range(b, sizes.keys), b.op('Unsqueeze', [lengths, b.ints([1, 2, 3])])]);
    parts.push(unless(b.op('Not', [inside])));
  }
  return parts.length === 0 ? undefined : parts.reduce((sum, part) => b.op('Add', [sum, part]));
}

interface Stages {
  /** What `qk_matmul_output_mode` can ask for, by its number. */
  readonly stages: readonly Value[];
  readonly probabilities: Value;
  readonly values: Value;
  readonly keysSoFar: Value;
  readonly valuesSoFar: Value;
}

function attend(b: GraphBuilder, form: NodeForm, context: FormContext): Stages {
  const [queries, keys, values, , pastKey, pastValue] = requireInputs(form, 3, context);
  const q = byHeads(b, queries!, form.int('q_num_heads'), context);
  const newKeys = byHeads(b, keys!, form.int('kv_num_heads'), context);
  const newValues = byHeads(b, values!, form.int('kv_num_heads'), context);
  const k = pastKey === undefined ? newKeys : b.op('Concat', [pastKey, newKeys], { axis: 2 });
  const v = pastValue === undefined ? newValues : b.op('Concat', [pastValue, newValues], { axis: 2 });
  const { dtype, shape } = q.type;
  const size = known(shape[3], 'head size', context);
  const group = known(shape[1], 'number of heads', context) / known(k.type.shape[1], 'number of heads', context);
  if (!Number.isInteger(group)) context.refuse('its heads of queries are no multiple of those of keys');
  // The root of the scale on either side keeps the product in range.
  const root = b.number(Math.sqrt(form.float('scale') ?? 1 / Math.sqrt(size)), dtype);
  const turned = b.op('Transpose', [repeatHeads(b, k, group, context)], { perm: [0, 1, 3, 2] });
  const product = b.op('MatMul', [b.op('Mul', [q, root]), b.op('Mul', [turned, root])]);
  const cap = form.float('softcap') ?? 0;
  const capped =
    cap === 0
      ? product
      : b.op('Mul', [b.op('Tanh', [b.op('Div', [product, b.number(cap, dtype)])]), b.number(cap, dtype)]);
  const sizes = { queries: positions(b, q), keys: positions(b, k) };
  const offset = bias(b, form, q, sizes, k.type.shape[2]);
  const biased = offset === undefined ? capped : b.op('Add', [capped, offset]);
  const precision = dtypeOf(form.int('softmax_precision') ?? 0) ?? dtype;
  const precise = precision === dtype ? biased : b.op('Cast', [biased], { to: precision });
  const soft = b.op('Softmax', [precise], { axis: -1 });
  const rows = precision === dtype ? soft : b.op('Cast', [soft], { to: dtype });
  const probabilities = offset === undefined ? rows : withoutEmptyRows(b, rows, offset);
  return {
    stages: [product, capped, biased, probabilities],
    probabilities,
    values: repeatHeads(b, v, group, context),
    keysSoFar: k,
    valuesSoFar: v,
  };
}

/** A query that may look at nothing has the probability 0 everywhere, not the NaN of a softmax of -∞. */
function withoutEmptyRows(b: GraphBuilder, rows: Value, offset: Value): Value {
  const { dtype } = rows.type;
  const best = b.op('ReduceMax', [offset, b.ints([-1])]);
  const empty = b.op('Equal', [best, b.number(Number.NEGATIVE_INFINITY, dtype)]);
  return b.op('Where', [empty, b.number(0, dtype), rows]);
}

export const attention = {
  Attention: {
    since: 23,
    build(form, context) {
      const stages = context.within(b => attend(b, form, context));
      const { builder } = context;
      const packed = form.inputs[0]?.type.shape.length === 3;
      const operands = [stages.probabilities, stages.values] as const;
      const joined = packed
        ? context.within(b => b.op('Transpose', [b.op('MatMul', operands)], { perm: [0, 2, 1, 3] }))
        : undefined;
      const y =
        joined === undefined
          ? builder.op('MatMul', operands, {}, context.result())
          : builder.op('Reshape', [joined, context.ints([0, 0, -1], 'packed')], {}, context.result());
      const copy = (value: Value | undefined, output: number): Value | undefined =>
        value === undefined || !context.isUsed(output)
          ? undefined
          : builder.op('Identity', [value], {}, context.result(output));
      const asked = stages.stages[form.int('qk_matmul_output_mode') ?? 0];
      return [y, copy(stages.keysSoFar, 1), copy(stages.valuesSoFar, 2), copy(asked, 3)];
    },
  },

  /** Turns pairs of channels by angles that depend on the position. */
  RotaryEmbedding: {
    since: 23,
    build(form, context) {
      const [x, cosines, sines, positions] = requireInputs(form, 3, context);
      const packed = x!.type.shape.length === 3;
      const [turned, rest] = context.within(b => {
        const heads = packed
          ? b.op('Reshape', [x!, b.ints([0, 0, form.int('num_heads') ?? 0, -1])])
          : b.op('Transpose', [x!], { perm: [0, 2, 1, 3] });
        const size = known(heads.type.shape[3], 'head size', context);
        const count = form.int('rotary_embedding_dim') || size;
        const part = (value: Value, from: number, to: number, step = 1) =>
          b.op('Slice', [value, b.ints([from]), b.ints([to]), b.ints([3]), b.ints([step])]);
        const cache = (table: Value) => {
          const rows = positions === undefined ? table : b.op('Gather', [table, positions]);
          return b.op('Unsqueeze', [b.op('Slice', [rows, b.ints([0]), b.ints([count / 2]), b.ints([2])]), b.ints([2])]);
        };
        const [cos, sin] = [cache(cosines!), cache(sines!)];
        const interleaved = form.int('interleaved') === 1;
        const [one, two] = interleaved
          ? [part(heads, 0, count, 2), part(heads, 1, count, 2)]
          : [part(heads, 0, count / 2), part(heads, count / 2, count)];
        const real = b.op('Sub', [b.op('Mul', [cos, one]), b.op('Mul', [sin, two])]);
        const imaginary = b.op('Add', [b.op('Mul', [sin, one]), b.op('Mul', [cos, two])]);
        const pairs = (value: Value) => b.op('Unsqueeze', [value, b.ints([4])]);
        const both = interleaved
          ? b.op('Reshape', [b.op('Concat', [pairs(real), pairs(imaginary)], { axis: 4 }), b.ints([0, 0, 0, count])])
          : b.op('Concat', [real, imaginary], { axis: 3 });
        return [both, count < size ? part(heads, count, size) : undefined];
      });
      const whole = rest === undefined ? turned : context.within(b => b.op('Concat', [turned, rest], { axis: 3 }));
      return [
        packed
          ? context.builder.op('Reshape', [whole, context.ints([0, 0, -1], 'packed')], {}, context.result())
          : context.builder.op('Transpose', [whole], { perm: [0, 2, 1, 3] }, context.result()),
      ];
    },
  },
} satisfies Readonly<Record<string, ForeignRule>>;
