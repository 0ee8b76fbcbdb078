/** Determinants of [..., n, n], n known: columns are eliminated one after the other, each by its largest element. */
import type { Value } from '../../graph.ts';
import { tensorFromNumbers } from '../../tensor.ts';
import { type ForeignRule, type FormContext, type NodeForm, requireInputs } from '../form.ts';

/** Nodes that eliminating a column comes to. */
const NODES_OF_COLUMN = 30;

function determinant(form: NodeForm, context: FormContext): Value {
  const [x] = requireInputs(form, 1, context) as readonly Value[];
  const { dtype, shape } = x.type;
  const n = shape.at(-1);
  if (shape.length < 2 || typeof n !== 'number' || shape.at(-2) !== n || n === 0)
    return context.refuse('its last two extents must be known and the same');
  context.unrolled(n, NODES_OF_COLUMN);
  const pivots = context.within(b => {
    const number = (value: number) => b.number(value, dtype);
    const cut = (v: Value, axis: number, from: number, to: number) =>
      b.op('Slice', [v, b.ints([from]), b.ints([to]), b.ints([axis])]);
    const found: Value[] = [];
    let rest = x;
    for (let left = n; left > 1; left--) {
      const column = cut(rest, -1, 0, 1);
      const at = b.op('ArgMax', [b.op('Abs', [column])], { axis: -2 });
      const wide = b.op('Expand', [at, b.ints([...Array<number>(shape.length - 1).fill(1), left])]);
      const row = b.op('GatherElements', [rest, wide], { axis: -2 });
      // The first row goes where the row of the pivot was, which turns the sign.
      const places = b.constant(
        tensorFromNumbers(
          'int64',
          [left, 1],
          Array.from({ length: left }, (_, i) => i),
        ),
      );
      const swapped = b.op('Where', [b.op('Equal', [places, at]), cut(rest, -2, 0, 1), rest]);
      const pivot = cut(row, -1, 0, 1);
      const first = b.number(0, 'int64');
      found.push(b.op('Where', [b.op('Equal', [at, first]), pivot, b.op('Neg', [pivot])]));
      const divisor = b.op('Where', [b.op('Equal', [pivot, number(0)]), number(1), pivot]);
      const others = cut(swapped, -2, 1, left);
      const shares = b.op('Div', [cut(others, -1, 0, 1), divisor]);
      rest = b.op('Sub', [cut(others, -1, 1, left), b.op('Mul', [shares, cut(row, -1, 1, left)])]);
    }
    return [...found, rest].reduce((p, q) => b.op('Mul', [p, q]));
  });
  return context.builder.op('Squeeze', [pivots, context.ints([-2, -1], 'matrix')], {}, context.result());
}

export const determinants = {
  Det: { since: 11, build: (form, context) => [determinant(form, context)] },
} satisfies Readonly<Record<string, ForeignRule>>;
