/** Linear attention (ONNX 27): a recurrence over the tokens, unrolled. */
import type { GraphBuilder } from '../../builder.ts';
import type { Value } from '../../graph.ts';
import { scalar } from '../../tensor.ts';
import { type ForeignRule, type FormContext, type NodeForm, requireInputs } from '../form.ts';

/** Nodes that a token comes to at most. */
const NODES_OF_TOKEN = 20;

const rules = ['linear', 'gated', 'delta', 'gated_delta'] as const;
type UpdateRule = (typeof rules)[number];

interface Recurrence {
  /** [B, T, heads, size] */
  readonly queries: Value;
  readonly keys: Value;
  readonly values: Value;
  readonly decays: Value | undefined;
  readonly betas: Value | undefined;
  /** [B, heads, key size, value size]; undefined for zeros. */
  readonly past: Value | undefined;
  readonly tokens: number;
  /** Queries for each head of keys. */
  readonly group: number;
  readonly scale: number;
}

const column = (b: GraphBuilder, x: Value): Value => b.op('Unsqueeze', [x, b.ints([-1])]);
const row = (b: GraphBuilder, x: Value): Value => b.op('Unsqueeze', [x, b.ints([-2])]);

/** `S ← exp(decay) · S + k ⊗ β · (v - Sᵀk)`, and `o = scale · Sᵀq`; each rule has some of the parts. */
function unrolled(b: GraphBuilder, given: Recurrence): { readonly outputs: Value; readonly state: Value } {
  const at = (x: Value, t: number): Value => b.op('Gather', [x, b.number(t, 'int64')], { axis: 1 });
  const scale = b.constant(scalar(given.scale));
  let state = given.past;
  const outputs: Value[] = [];
  for (let t = 0; t < given.tokens; t++) {
    const key = column(b, at(given.keys, t));
    const value = row(b, at(given.values, t));
    if (state && given.decays) state = b.op('Mul', [state, column(b, b.op('Exp', [at(given.decays, t)]))]);
    let written = value;
    if (given.betas) {
      const retrieved: Value | undefined =
        state && b.op('MatMul', [b.op('Transpose', [key], { perm: [0, 1, 3, 2] }), state]);
      const news: Value = retrieved ? b.op('Sub', [value, retrieved]) : value;
      written = b.op('Mul', [row(b, at(given.betas, t)), news]);
    }
    const outer: Value = b.op('MatMul', [key, written]);
    state = state ? b.op('Add', [state, outer]) : outer;
    outputs.push(b.op('Unsqueeze', [read(b, given, at(given.queries, t), state), b.ints([1])]));
  }
  return { outputs: b.op('Mul', [b.op('Concat', outputs, { axis: 1 }), scale]), state: state! };
}

/** `Sᵀq` for every query, with its group's state: [B, heads, value size]. */
function read(b: GraphBuilder, { group, keys }: Recurrence, query: Value, state: Value): Value {
  if (group === 1) return b.op('Squeeze', [b.op('MatMul', [row(b, query), state]), b.ints([-2])]);
  const heads = keys.type.shape[2] as number;
  const grouped = b.op('Reshape', [query, b.ints([0, heads, group, -1])]);
  return b.op('Reshape', [b.op('MatMul', [grouped, state]), b.ints([0, heads * group, -1])]);
}

function recurrenceOf(b: GraphBuilder, form: NodeForm, context: FormContext): Recurrence {
  const [query, key, value, past, decay, beta] = requireInputs(form, 3, context);
  const rule = form.string('update_rule') ?? 'gated_delta';
  if (!(rules as readonly string[]).includes(rule)) return context.refuse(`its update rule '${rule}' is unknown`);
  const asked = rule as UpdateRule;
  const [queryHeads, heads] = [form.int('q_num_heads'), form.int('kv_num_heads')];
  if (!queryHeads || !heads) return context.refuse('the numbers of its heads are missing');
  if (queryHeads % heads !== 0) return context.refuse('its heads of queries are no multiple of those of keys');
  const [, tokens, width] = query!.type.shape;
  if (typeof tokens !== 'number' || typeof width !== 'number') {
    return context.refuse('the number of its tokens and of its channels must be known');
  }
  context.unrolled(tokens, NODES_OF_TOKEN);
  const single = (x: Value): Value => (x.type.dtype === 'float32' ? x : b.op('Cast', [x], { to: 'float32' }));
  const byHeads = (x: Value, count: number): Value => b.op('Reshape', [single(x), b.ints([0, 0, count, -1])]);
  // One factor for all heads is written as [B, T, 1].
  const factors = (x: Value): Value => byHeads(x, x.type.shape[2] === 1 ? 1 : heads);
  const needed = (x: Value | undefined, what: string): Value => x ?? context.refuse(`its rule needs ${what}`);
  return {
    queries: byHeads(query!, queryHeads),
    keys: byHeads(key!, heads),
    values: byHeads(value!, heads),
    decays: asked.startsWith('gated') ? factors(needed(decay, 'a decay')) : undefined,
    betas: asked.endsWith('delta') ? factors(needed(beta, 'a beta')) : undefined,
    past: past && single(past),
    tokens,
    group: queryHeads / heads,
    // A scale of zero stands for the usual one.
    scale: form.float('scale') || 1 / Math.sqrt(width / queryHeads),
  };
}

export const linearAttention = {
  LinearAttention: {
    since: 27,
    build(form, context) {
      const [query, , , past] = form.inputs;
      const { outputs, state } = context.within(b => unrolled(b, recurrenceOf(b, form, context)));
      const { builder } = context;
      const dtype = query!.type.dtype;
      const packed = context.within(b => (dtype === 'float32' ? outputs : b.op('Cast', [outputs], { to: dtype })));
      const y = builder.op('Reshape', [packed, context.ints([0, 0, -1], 'packed')], {}, context.result());
      const kept = (past ?? query!).type.dtype;
      const present = context.isUsed(1)
        ? kept === 'float32'
          ? builder.op('Identity', [state], {}, context.result(1))
          : builder.op('Cast', [state], { to: kept }, context.result(1))
        : undefined;
      return [y, present];
    },
  },
} satisfies Readonly<Record<string, ForeignRule>>;
