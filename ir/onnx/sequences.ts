/** Sequences of tensors whose length and order are known: lists of values while a file is read, and nothing in the graph. */
import type { Value } from '../graph.ts';
import { integersOf, normalizeAxis } from '../operator.ts';
import { int64s } from '../tensor.ts';
import type { FormContext, NodeForm } from './form.ts';

/** What the name of a sequence means. */
export class Sequence {
  readonly items: readonly Value[];

  constructor(items: readonly Value[]) {
    this.items = items;
  }
}

export type Operand = Value | Sequence | undefined;

export interface SequenceRule {
  readonly since: number;
  readonly build: (operands: readonly Operand[], form: NodeForm, context: FormContext) => Value | Sequence;
}

function sequenceOf(operand: Operand, context: FormContext): readonly Value[] {
  return operand instanceof Sequence ? operand.items : context.refuse('its first input is no sequence of tensors');
}

function tensorOf(operand: Operand, context: FormContext): Value {
  return operand === undefined || operand instanceof Sequence
    ? context.refuse('one of its inputs must be a tensor, and is none')
    : operand;
}

type Places = { readonly count: number; readonly most: number; readonly absent: number };

/** A place in a sequence of `count`, counted from its end if negative, and up to `most`; `absent` without an operand. */
function positionOf(operand: Operand, { count, most, absent }: Places, context: FormContext): number {
  if (operand === undefined) return absent;
  const at = integersOf(tensorOf(operand, context))?.[0];
  if (at === undefined) return context.refuse('its position must be known before the run');
  const place = at < 0 ? at + count : at;
  return place >= 0 && place <= most
    ? place
    : context.refuse(`its position ${at} is outside of a sequence of ${count}`);
}

/** A tensor cut along an axis: into parts of given sizes, of one size (the last may be smaller), or one by one. */
function parts([x, split]: readonly Operand[], form: NodeForm, context: FormContext): Sequence {
  const whole = tensorOf(x, context);
  const axis = normalizeAxis(form.int('axis') ?? 0, whole.type.shape.length);
  const extent = whole.type.shape[axis];
  const given = split === undefined ? undefined : tensorOf(split, context);
  const sizes = given && (integersOf(given) ?? context.refuse('the sizes of its parts must be known before the run'));
  let lengths = sizes;
  if (given === undefined || given.type.shape.length === 0) {
    if (typeof extent !== 'number') return context.refuse('the extent that it splits must be known');
    const size = sizes?.[0] ?? 1;
    if (size < 1) return context.refuse(`the size of its parts is ${size}`);
    lengths = Array.from({ length: Math.ceil(extent / size) }, (_, i) => Math.min(size, extent - i * size));
  } else if (typeof extent === 'number' && lengths!.reduce((a, b) => a + b, 0) !== extent) {
    return context.refuse(`its parts of ${lengths} do not make up the extent ${extent}`);
  }
  context.unrolled(lengths!.length, 2);
  const squeezed = given === undefined && form.int('keepdims') === 0;
  let from = 0;
  return new Sequence(
    context.within(b =>
      lengths!.map(length => {
        const part = b.op('Slice', [whole, b.ints([from]), b.ints([from + length]), b.ints([axis])]);
        from += length;
        return squeezed ? b.op('Squeeze', [part, b.ints([axis])]) : part;
      }),
    ),
  );
}

export const sequences: Readonly<Record<string, SequenceRule>> = {
  SequenceEmpty: { since: 11, build: () => new Sequence([]) },
  SequenceConstruct: {
    since: 11,
    build: (operands, _, context) => new Sequence(operands.map(o => tensorOf(o, context))),
  },
  SequenceInsert: {
    since: 11,
    build([sequence, tensor, position], _, context) {
      const items = sequenceOf(sequence, context);
      // It may be inserted behind the last one.
      const at = positionOf(position, { count: items.length, most: items.length, absent: items.length }, context);
      return new Sequence(items.toSpliced(at, 0, tensorOf(tensor, context)));
    },
  },
  SequenceErase: {
    since: 11,
    build([sequence, position], _, context) {
      const items = sequenceOf(sequence, context);
      const last = items.length - 1;
      return new Sequence(
        items.toSpliced(positionOf(position, { count: items.length, most: last, absent: last }, context), 1),
      );
    },
  },
  SequenceAt: {
    since: 11,
    build([sequence, position], _, context) {
      const items = sequenceOf(sequence, context);
      const at = position ?? context.refuse('its position is missing');
      return items[positionOf(at, { count: items.length, most: items.length - 1, absent: 0 }, context)];
    },
  },
  SequenceLength: {
    since: 11,
    build([sequence], form, context) {
      const length = { ...int64s([sequenceOf(sequence, context).length]), shape: [] };
      return context.builder.constant(length, form.outputs[0]);
    },
  },
  SplitToSequence: { since: 11, build: parts },
  ConcatFromSequence: {
    since: 11,
    build([sequence], form, context) {
      const items = sequenceOf(sequence, context);
      if (items.length === 0) return context.refuse('an empty sequence has nothing to be joined');
      const joined = form.int('new_axis') === 1;
      const axis = normalizeAxis(form.int('axis') ?? 0, items[0].type.shape.length + (joined ? 1 : 0));
      const wide = joined ? context.within(b => items.map(v => b.op('Unsqueeze', [v, b.ints([axis])]))) : items;
      return context.builder.op('Concat', wide, { axis }, context.result());
    },
  },
};
