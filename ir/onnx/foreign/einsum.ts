/** Einstein sums: a matrix product where the sum is one, else broadcast products that are summed. */
import type { GraphBuilder } from '../../builder.ts';
import type { Value } from '../../graph.ts';
import { type ForeignRule, type FormContext, requireInputs } from '../form.ts';

/** An operand and the label of each of its axes. */
interface Labelled {
  readonly value: Value;
  readonly labels: readonly string[];
}

/** `ij,jk->ik` as labels; an ellipsis becomes labels of its own, aligned from the last one as broadcasting does. */
function parse(equation: string, operands: readonly Value[], context: FormContext) {
  const [left, right] = equation.replaceAll(/\s/g, '').split('->');
  const terms = left.split(',');
  if (terms.length !== operands.length) return context.refuse(`its equation '${equation}' does not fit its inputs`);
  const split = (term: string, rank: number): string[] => {
    const [before, after] = term.split('...');
    if (after === undefined) return [...term];
    const hidden = Math.max(0, rank - before.length - after.length);
    return [...before, ...Array.from({ length: hidden }, (_, i) => `.${hidden - 1 - i}`), ...after];
  };
  const inputs = terms.map((term, i) => split(term, operands[i].type.shape.length));
  for (const [i, labels] of inputs.entries()) {
    if (labels.length !== operands[i].type.shape.length) {
      return context.refuse(`its equation '${equation}' does not fit the ranks of its inputs`);
    }
  }
  const hidden = [...new Set(inputs.flat().filter(l => l.startsWith('.')))].sort().reverse();
  const all = inputs.flat().filter(l => !l.startsWith('.'));
  // Without a right side: the ellipsis, and what occurs once, in alphabetical order.
  const output =
    right === undefined
      ? [...hidden, ...[...new Set(all)].filter(l => all.indexOf(l) === all.lastIndexOf(l)).sort()]
      : right.includes('...')
        ? [...right.split('...')[0], ...hidden, ...right.split('...')[1]]
        : [...right];
  return { inputs, output };
}

/** The operand with its axes in the order of `labels`, with extent 1 for those that it has not. */
function aligned(b: GraphBuilder, operand: Labelled, labels: readonly string[]): Value {
  const own = labels.filter(l => operand.labels.includes(l));
  const perm = own.map(l => operand.labels.indexOf(l));
  const turned = perm.every((p, i) => p === i) ? operand.value : b.op('Transpose', [operand.value], { perm });
  const missing = labels.flatMap((l, i) => (own.includes(l) ? [] : [i]));
  return missing.length === 0 ? turned : b.op('Unsqueeze', [turned, b.ints(missing)]);
}

/** Two operands with labels that both have, one sum and one free axis each: batched matrices. */
function asMatrices(b: GraphBuilder, x: Labelled, y: Labelled, kept: ReadonlySet<string>): Labelled | undefined {
  const shared = x.labels.filter(l => y.labels.includes(l));
  const batch = shared.filter(l => kept.has(l));
  const summed = shared.filter(l => !kept.has(l));
  const rows = x.labels.filter(l => !shared.includes(l));
  const columns = y.labels.filter(l => !shared.includes(l));
  const free = [...rows, ...columns];
  if (summed.length !== 1 || rows.length !== 1 || columns.length !== 1 || free.some(l => !kept.has(l)))
    return undefined;
  const left = aligned(b, x, [...batch, ...rows, ...summed]);
  const right = aligned(b, y, [...batch, ...summed, ...columns]);
  return { value: b.op('MatMul', [left, right]), labels: [...batch, ...free] };
}

/** Where an operand has a label twice only its diagonal counts: every (n + 1)th element of both axes in one. */
function withoutTwins(b: GraphBuilder, x: Labelled, context: FormContext): Labelled {
  const twin = x.labels.find((l, i) => x.labels.indexOf(l) !== i);
  if (twin === undefined) return x;
  const at = x.labels.flatMap((l, i) => (l === twin ? [i] : [])).slice(0, 2);
  const rest = x.labels.flatMap((_, i) => (at.includes(i) ? [] : [i]));
  const n = x.value.type.shape[at[0]];
  if (typeof n !== 'number' || x.value.type.shape[at[1]] !== n)
    return context.refuse(`the extents of its label '${twin}' must be known and the same`);
  const last = [rest.length];
  const flat = b.op('Reshape', [
    b.op('Transpose', [x.value], { perm: [...rest, ...at] }),
    b.ints([...rest.map(() => 0), n * n]),
  ]);
  const value = b.op('Slice', [flat, b.ints([0]), b.ints([n * n]), b.ints(last), b.ints([n + 1])]);
  return withoutTwins(b, { value, labels: [...rest.map(i => x.labels[i]), twin] }, context);
}

function product(b: GraphBuilder, x: Labelled, y: Labelled, kept: ReadonlySet<string>): Labelled {
  const matrices = asMatrices(b, x, y, kept);
  if (matrices !== undefined) return matrices;
  const labels = [...new Set([...x.labels, ...y.labels])];
  return summed(b, { value: b.op('Mul', [aligned(b, x, labels), aligned(b, y, labels)]), labels }, kept);
}

/** Sums over the labels that nothing needs any more. */
function summed(b: GraphBuilder, x: Labelled, kept: ReadonlySet<string>): Labelled {
  const axes = x.labels.flatMap((l, i) => (kept.has(l) ? [] : [i]));
  if (axes.length === 0) return x;
  const value = b.op('ReduceSum', [x.value, b.ints(axes)], { keepdims: 0 });
  return { value, labels: x.labels.filter(l => kept.has(l)) };
}

export const einsum = {
  Einsum: {
    since: 12,
    build(form, context) {
      const operands = requireInputs(form, Math.max(1, form.inputs.length), context) as readonly Value[];
      const { inputs, output } = parse(form.string('equation') ?? '', operands, context);
      const total = context.within(b => {
        const rest = operands.map((value, i) => withoutTwins(b, { value, labels: inputs[i] }, context));
        const needed = (from: number) => new Set([...output, ...rest.slice(from).flatMap(x => x.labels)]);
        let result = summed(b, rest[0], needed(1));
        for (let i = 1; i < rest.length; i++) result = product(b, result, rest[i], needed(i + 1));
        return result;
      });
      const perm = output.map(l => total.labels.indexOf(l));
      if (perm.includes(-1)) return context.refuse('its right side has a label that no input has');
      return [context.builder.op('Transpose', [total.value], { perm }, context.result())];
    },
  },
} satisfies Readonly<Record<string, ForeignRule>>;
