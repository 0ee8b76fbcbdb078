/** Old forms of normalisations, and training mode read as inference. */
import type { GraphBuilder } from '../../builder.ts';
import { pick } from '../../evaluate/layout.ts';
import type { Value } from '../../graph.ts';
import { typeText } from '../../type.ts';
import { ALWAYS, type FormContext, type NodeForm, requireInputs, type Upgrade } from '../form.ts';
import { dropsConsumedInputs } from './elementwise.ts';

/**
 * A graph holds the inference form, which normalises by the running statistics. Training form: `training_mode` since 14;
 * before that more outputs than one, or until 7 `is_test = 0`.
 */
const inference: Upgrade = {
  since: ALWAYS,
  apply(form, context) {
    if (form.outputs.some((_, i) => i > 0 && context.isUsed(i)))
      return context.refuse('its running or saved statistics are used, which only training computes');
    if (inTraining(form, context)) {
      context.report.warn(
        'training-mode',
        `${context.where} is in training mode; it was read as inference: normalised by the running statistics.`,
      );
    }
    if (form.int('spatial') === 0) return perPosition(form, context);
    return form.without('spatial', 'is_test', 'training_mode', 'consumed_inputs').withOutputs(form.outputs.slice(0, 1));
  },
};

function inTraining(form: NodeForm, context: FormContext): boolean {
  if (context.opset >= 14) return form.int('training_mode') === 1;
  if (context.opset < 7 && form.int('is_test') === 1) return false;
  return form.outputs.slice(1).some(o => o !== '') || (context.opset < 7 && form.int('is_test') === 0);
}

/** `spatial = 0`, until version 9: statistics [C, H, W, ...], one for each position, which broadcast over the batch. */
function perPosition(form: NodeForm, context: FormContext): readonly Value[] {
  const [x, scale, bias, mean, variance] = requireInputs(form, 5, context) as readonly Value[];
  const { builder } = context;
  const epsilon = context.scalar(x.type.dtype, form.float('epsilon') ?? 1e-5, 'epsilon');
  const scaled = context.within(b => {
    const deviation = b.op('Sqrt', [b.op('Add', [variance, epsilon])]);
    return b.op('Mul', [b.op('Div', [b.op('Sub', [x, mean]), deviation]), scale]);
  });
  return [builder.op('Add', [scaled, bias], {}, context.result())];
}

/** Until version 21 scale and bias were given for each group: each is repeated for the channels of its group. */
const perGroup: Upgrade = {
  since: 21,
  apply(form, context) {
    const groups = form.int('num_groups');
    const [x, scale, bias] = requireInputs(form, 3, context) as readonly Value[];
    const channels = x.type.shape[1];
    if (groups === undefined || typeof channels !== 'number' || channels % groups !== 0) {
      return context.refuse('the number of its groups is missing, or is no divisor of a known number of channels');
    }
    const perChannel = (value: Value, what: string): Value => {
      const [length] = value.type.shape;
      if (value.type.shape.length !== 1 || (typeof length === 'number' && length !== groups)) {
        return context.refuse(`its ${what} is ${typeText(value.type)}, not one number for each of ${groups} groups`);
      }
      const wide = (b: GraphBuilder): Value => {
        const column = b.op('Unsqueeze', [value, b.ints([1])]);
        return b.op('Reshape', [b.op('Expand', [column, b.ints([groups, channels / groups])]), b.ints([-1])]);
      };
      const { constant } = value;
      if (constant === undefined) return context.within(wide);
      const group = Int32Array.from({ length: channels }, (_, c) => Math.floor((c * groups) / channels));
      return context.constant(pick(constant, [channels], group), what);
    };
    return form.withInputs({ 1: perChannel(scale, 'scale'), 2: perChannel(bias, 'bias') });
  },
};

export const normalizationUpgrades = {
  BatchNormalization: [inference],
  InstanceNormalization: [dropsConsumedInputs],
  GroupNormalization: [perGroup],
};
