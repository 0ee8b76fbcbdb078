/** How often each of a list of short sequences of integers occurs in a line of integers of known length. */
import type { Value } from '../../graph.ts';
import { float32, tensorFromNumbers } from '../../tensor.ts';
import { type ForeignRule, type FormContext, type NodeForm, requireInputs } from '../form.ts';

/** Sequences of `length` integers, and where among the results each is counted. */
interface Grams {
  readonly length: number;
  readonly members: readonly (readonly number[])[];
  readonly columns: readonly number[];
}

/** The pool, which holds all of length 1, then all of length 2, ...: `ngram_counts` says where each length begins. */
function gramsOf(form: NodeForm, context: FormContext): readonly Grams[] {
  const pool = form.ints('pool_int64s') ?? context.refuse('its pool of integers is missing; strings are not supported');
  const starts = form.ints('ngram_counts') ?? context.refuse('its ngram_counts are missing');
  const columns = form.ints('ngram_indexes') ?? context.refuse('its ngram_indexes are missing');
  let seen = 0;
  return starts.map((start, i) => {
    const [length, end] = [i + 1, starts[i + 1] ?? pool.length];
    const count = (end - start) / length;
    if (!Number.isInteger(count) || count < 0) return context.refuse('its ngram_counts do not fit its pool');
    const members = Array.from({ length: count }, (_, k) => pool.slice(start + k * length, start + (k + 1) * length));
    seen += count;
    return { length, members, columns: columns.slice(seen - count, seen) };
  });
}

/** x [T] or [N, T] → [columns] or [N, columns]. */
function frequencies(form: NodeForm, context: FormContext): Value {
  const [x] = requireInputs(form, 1, context) as readonly Value[];
  const all = gramsOf(form, context);
  const total = x.type.shape.at(-1);
  if (typeof total !== 'number') return context.refuse('the length of its lines must be known');
  const least = form.int('min_gram_length') ?? 1;
  const most = form.int('max_gram_length') ?? all.length;
  const skips = form.int('max_skip_count') ?? 0;
  const mode = form.string('mode') ?? 'TF';
  const wanted = all.filter(({ length, members }) => length >= least && length <= most && members.length > 0);
  const outputs = Math.max(-1, ...all.flatMap(g => g.columns)) + 1;
  const counted = wanted.reduce((sum, g) => sum + g.members.length, 0);
  context.unrolled(
    wanted.reduce((sum, g) => sum + g.length, 0),
    4 * (skips + 1),
  );
  context.computes(8 * counted * (outputs + most));
  const weights = form.floats('weights');
  const given = wanted.flatMap(g => g.columns);
  // One row for each sequence that is looked for, with a one (or its weight, where counts are weighed) in its column.
  const places = new Float32Array(counted * outputs);
  const orders = all.flatMap(g => g.columns);
  given.forEach((column, i) => {
    places[i * outputs + column] = mode === 'TF' ? 1 : (weights?.[orders.indexOf(column)] ?? 1);
  });
  const flat = context.within(b => {
    const lines = b.op('Unsqueeze', [x, b.ints([-2])]);
    const counts = wanted.flatMap(({ length, members }) => {
      const sums: Value[] = [];
      for (let skip = 0; skip <= (length === 1 ? 0 : skips); skip++) {
        const windows = total - (length - 1) * (skip + 1);
        if (windows <= 0) continue;
        const found = Array.from({ length }, (_, k) => {
          const from = k * (skip + 1);
          const window = b.op('Slice', [lines, b.ints([from]), b.ints([from + windows]), b.ints([-1])]);
          const member = tensorFromNumbers(
            x.type.dtype,
            [members.length, 1],
            members.map(m => m[k]),
          );
          return b.op('Equal', [window, b.constant(member)]);
        }).reduce((p, q) => b.op('And', [p, q]));
        sums.push(b.op('ReduceSum', [b.op('Cast', [found], { to: 'float32' }), b.ints([-1])], { keepdims: 0 }));
      }
      if (sums.length > 0) return [sums.reduce((p, q) => b.op('Add', [p, q]))];
      const none = b.constant(float32([members.length], new Float32Array(members.length)));
      const shape = b.op('Shape', [x], { end: -1 });
      return [b.op('Expand', [none, b.op('Concat', [shape, b.ints([members.length])], { axis: 0 })])];
    });
    const every = b.op('Concat', counts, { axis: -1 });
    return mode === 'IDF' ? b.op('Min', [every, b.constant(float32([], [1]))]) : every;
  });
  const matrix = context.constant(float32([counted, outputs], places), 'columns');
  return context.builder.op('MatMul', [flat, matrix], {}, context.result());
}

export const ngrams = {
  TfIdfVectorizer: { since: 9, build: (form, context) => [frequencies(form, context)] },
} satisfies Readonly<Record<string, ForeignRule>>;
