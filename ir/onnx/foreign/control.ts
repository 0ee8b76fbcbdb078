/** Control flow: the branch that is taken or, if that depends on data, a choice between what both give; loops that are unrolled. */
import type { Value } from '../../graph.ts';
import { elementsOf, integersOf } from '../../operator.ts';
import { int64s, tensor } from '../../tensor.ts';
import { sameShape, typeText } from '../../type.ts';
import { type ForeignRule, type FormContext, type Inputs, type NodeForm, requireInputs } from '../form.ts';

/** Values made inside become the outputs of the file's node, under their names. */
const named = (values: readonly (Value | undefined)[], context: FormContext): (Value | undefined)[] =>
  values.map((value, i) =>
    value === undefined || !context.isUsed(i)
      ? undefined
      : context.builder.op('Identity', [value], {}, context.result(i)),
  );

const scalarOf = (value: number): ReturnType<typeof int64s> => ({ ...int64s([value]), shape: [] });

/** One tensor from those of all iterations, along a new axis. */
const stacked = (parts: readonly Value[], axis: number, context: FormContext): Value =>
  context.within(b =>
    b.op(
      'Concat',
      parts.map(p => b.op('Unsqueeze', [p, b.ints([axis])])),
      { axis },
    ),
  );

const requireLength = (length: number | undefined, context: FormContext): number =>
  length ?? context.refuse('the number of its iterations must be known');

/** An entry for each of `count`, 0 where the attribute is absent. */
const perTensor = (form: NodeForm, name: string, count: number): readonly number[] =>
  form.ints(name) ?? Array<number>(count).fill(0);

function branchOf(form: NodeForm, branch: 'then_branch' | 'else_branch', context: FormContext): readonly Value[] {
  const graph = form.graph(branch) ?? context.refuse(`its ${branch} is missing`);
  return context.subgraph(graph, [], branch);
}

/** A condition that depends on data: both branches are computed, and their results, which must be of the same types, chosen from. */
function either(form: NodeForm, condition: Value, context: FormContext): readonly (Value | undefined)[] {
  const [yes, no] = [branchOf(form, 'then_branch', context), branchOf(form, 'else_branch', context)];
  const one =
    condition.type.shape.length === 0 ? condition : context.within(b => b.op('Reshape', [condition, b.ints([])]));
  return yes.map((then, i) => {
    if (!context.isUsed(i)) return undefined;
    const other = no[i] ?? context.refuse('its branches give different numbers of results');
    if (then.type.dtype !== other.type.dtype || !sameShape(then.type.shape, other.type.shape)) {
      return context.refuse(
        `its condition depends on data, and its branches give ${typeText(then.type)} and ${typeText(other.type)}: a graph has one type for each value`,
      );
    }
    return context.builder.op('Where', [one, then, other], {}, context.result(i));
  });
}

/**
 * A scan that is unrolled.
 *
 * @param given states, and what is scanned. @param label what names of the nodes begin with, where there are several scans.
 * @returns states at the end, and what is collected.
 */
function scan(form: NodeForm, given: Inputs, label: string, context: FormContext): readonly Value[] {
  const body = form.graph('body');
  const count = form.int('num_scan_inputs');
  if (body === undefined || count === undefined) return context.refuse('its body or num_scan_inputs is missing');
  const inputs = given.map(value => value ?? context.refuse('it lacks an input'));
  const states = inputs.length - count;
  const scanned = inputs.slice(states);
  const axes = perTensor(form, 'scan_input_axes', count).map((a, k) => (a < 0 ? a + scanned[k].type.shape.length : a));
  // Of opset 8 they have no word for whether they are inputs.
  const backwards = perTensor(form, form.ints('directions') ? 'directions' : 'scan_input_directions', count);
  const extent = scanned[0]?.type.shape[axes[0]];
  const length = requireLength(typeof extent === 'number' ? extent : undefined, context);
  let state: readonly Value[] = inputs.slice(0, states);
  const outputs = body.output.length - states;
  const collected: Value[][] = Array.from({ length: outputs }, () => []);
  for (let i = 0; i < length; i++) {
    const slices = scanned.map((x, k) => taken(x, backwards[k] ? length - 1 - i : i, axes[k], context));
    const results = context.subgraph(body, [...state, ...slices], `${label}${i}`);
    state = results.slice(0, states);
    for (const [k, value] of results.slice(states).entries()) collected[k].push(value);
  }
  const outputAxes = perTensor(form, 'scan_output_axes', outputs);
  const reversed = perTensor(form, 'scan_output_directions', outputs);
  if (outputs > 0 && length === 0) return context.refuse('a scan without iterations has no outputs to stack');
  const stacks = collected.map((parts, k) => {
    const rank = (parts[0]?.type.shape.length ?? 0) + 1;
    const axis = outputAxes[k] < 0 ? outputAxes[k] + rank : outputAxes[k];
    return stacked(reversed[k] ? parts.toReversed() : parts, axis, context);
  });
  return [...state, ...stacks];
}

/** The scan of opset 8: lengths of sequences first, which may be absent, and everything else by batches, each of which is scanned by itself. */
function scanOfEach(form: NodeForm, context: FormContext): readonly Value[] {
  const [lengths, ...given] = form.inputs;
  const [batch, longest] = given.at(-1)?.type.shape ?? [];
  if (typeof batch !== 'number') return context.refuse('the number of its batches must be known');
  if (lengths && integersOf(lengths)?.some(length => length !== longest) !== false) {
    return context.refuse('sequences that are shorter than others are not supported');
  }
  const each = Array.from({ length: batch }, (_, i) =>
    scan(
      form,
      given.map(value => value && taken(value, i, 0, context)),
      `${i}/`,
      context,
    ),
  );
  if (each.length === 0) return context.refuse('a scan of no batches has no outputs');
  return each[0].map((_, k) =>
    stacked(
      each.map(results => results[k]),
      0,
      context,
    ),
  );
}

/** One of the parts of a tensor along an axis, without that axis. */
const taken = (x: Value, at: number, axis: number, context: FormContext): Value =>
  context.within(b => b.op('Gather', [x, b.constant(scalarOf(at))], { axis }));

export const control = {
  If: {
    since: 1,
    build(form, context) {
      const [condition] = requireInputs(form, 1, context);
      const [known] = elementsOf(condition) ?? [];
      if (typeof known !== 'number') return either(form, condition!, context);
      return named(branchOf(form, known ? 'then_branch' : 'else_branch', context), context);
    },
  },

  Loop: {
    since: 1,
    build(form, context) {
      const [trips, condition, ...initial] = form.inputs;
      const body = form.graph('body');
      if (body === undefined) return context.refuse('its body is missing');
      const length = requireLength(integersOf(trips)?.[0], context);
      let state = initial as readonly Value[];
      let goOn = condition === undefined ? 1 : elementsOf(condition)?.[0];
      const collected: Value[][] = body.output.slice(1 + state.length).map(() => []);
      for (let i = 0; i < length && goOn !== 0; i++) {
        if (goOn !== 1) return context.refuse('its condition must be known before the run');
        const inside = context.constant(tensor('bool', [], Uint8Array.of(1)), `${i}/condition`);
        const step = context.constant(scalarOf(i), `${i}/iteration`);
        const [next, ...rest] = context.subgraph(body, [step, inside, ...state], String(i));
        state = rest.slice(0, state.length);
        for (const [k, value] of rest.slice(state.length).entries()) collected[k].push(value);
        // A body that passes its condition on, or says a constant, is known to go on.
        goOn = next === inside ? 1 : elementsOf(next)?.[0] === 0 ? 0 : elementsOf(next)?.[0];
      }
      if (collected.some(parts => parts.length === 0))
        return context.refuse('a loop without iterations has no outputs to stack');
      return named([...state, ...collected.map(parts => stacked(parts, 0, context))], context);
    },
  },

  Scan: {
    since: 8,
    build(form, context) {
      return named(context.opset < 9 ? scanOfEach(form, context) : scan(form, form.inputs, '', context), context);
    },
  },
} satisfies Readonly<Record<string, ForeignRule>>;
