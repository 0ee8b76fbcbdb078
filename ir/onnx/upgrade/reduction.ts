/** Old forms of reductions and of what runs along an axis. */

import type { Value } from '../../graph.ts';
import type { OpName } from '../../ops/index.ts';
import type { Upgrade } from '../form.ts';
import { attributeToInput } from './movement.ts';

const axes = [attributeToInput(18, 'axes')];

/** The count was an attribute. */
const countInput: Upgrade = {
  since: 10,
  apply(form, context) {
    const k = form.int('k');
    if (k === undefined) return context.refuse('its count k is missing');
    return form.without('k').withInputs({ 1: context.ints([k], 'k') });
  },
};

/**
 * Until version 13 these ran over the input seen as a matrix: the axes before `axis` (1 where none is given), and the rest.
 * Where only one axis of the rest is longer than 1 that is the same as running along it; elsewhere the matrix is made.
 */
const alongMatrixRows = (op: 'Softmax' | 'LogSoftmax' | 'Hardmax'): Upgrade => ({
  since: 13,
  apply(form, context): ReturnType<Upgrade['apply']> {
    const [x] = form.inputs;
    if (x === undefined) return form;
    const { shape } = x.type;
    const given = form.int('axis') ?? 1;
    const axis = given < 0 ? given + shape.length : given;
    const long = shape.map((d, i) => (i >= axis && d !== 1 ? i : -1)).filter(i => i >= 0);
    if (long.length <= 1) {
      return form.withAttribute('axis', { kind: 'int', value: long[0] ?? Math.min(axis, shape.length - 1) });
    }
    const { builder } = context;
    const matrix = builder.op('Flatten', [x], { axis }, context.named('flatten'));
    const rows: Value = builder.op(op, [matrix], { axis: 1 }, context.named('rows'));
    const back = builder.op('Shape', [x], {}, context.named('shape'));
    return [builder.op('Reshape', [rows, back], {}, context.result())];
  },
});

export const reductionUpgrades = {
  ReduceL1: axes,
  ReduceL2: axes,
  ReduceLogSum: axes,
  ReduceLogSumExp: axes,
  ReduceMax: axes,
  ReduceMean: axes,
  ReduceMin: axes,
  ReduceProd: axes,
  ReduceSum: [attributeToInput(13, 'axes')],
  ReduceSumSquare: axes,
  Softmax: [alongMatrixRows('Softmax')],
  LogSoftmax: [alongMatrixRows('LogSoftmax')],
  Hardmax: [alongMatrixRows('Hardmax')],
  TopK: [countInput],
} satisfies { readonly [K in OpName]?: readonly Upgrade[] };
