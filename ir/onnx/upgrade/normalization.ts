/** Old forms of normalisations, and training mode read as inference. */
import { ALWAYS, type FormContext, type NodeForm, type Upgrade } from '../form.ts';
import { dropsConsumedInputs } from './elementwise.ts';

/**
 * A graph holds the inference form, which normalises by the running statistics. Training form: `training_mode` since 14;
 * before that more outputs than one, or until 7 `is_test = 0`.
 */
const inference: Upgrade = {
  since: ALWAYS,
  apply(form, context) {
    if (form.int('spatial') === 0)
      return context.refuse('statistics for each position (spatial = 0) are not supported');
    if (form.outputs.some((_, i) => i > 0 && context.isUsed(i)))
      return context.refuse('its running or saved statistics are used, which only training computes');
    if (inTraining(form, context)) {
      context.report.warn(
        'training-mode',
        `${context.where} is in training mode; it was read as inference: normalised by the running statistics.`,
      );
    }
    return form.without('spatial', 'is_test', 'training_mode', 'consumed_inputs').withOutputs(form.outputs.slice(0, 1));
  },
};

function inTraining(form: NodeForm, context: FormContext): boolean {
  if (context.opset >= 14) return form.int('training_mode') === 1;
  return form.outputs.slice(1).some(o => o !== '') || (context.opset < 7 && form.int('is_test') === 0);
}

/** Until version 21 scale and bias were given for each group. */
const perGroup: Upgrade = {
  since: 21,
  apply(form, context) {
    const groups = form.int('num_groups');
    const [x, scale, bias] = form.inputs;
    const channels = x?.type.shape[1];
    if (groups === undefined || scale === undefined || bias === undefined || typeof channels !== 'number') {
      return context.refuse('its groups, scale, bias or channels are missing or not known');
    }
    const { builder } = context;
    const size = context.ints([groups, channels / groups], 'groups');
    const flat = context.ints([-1], 'channels');
    const perChannel = (value: typeof scale, what: string): typeof scale => {
      const column = builder.op(
        'Unsqueeze',
        [value, context.ints([1], `${what}_axis`)],
        {},
        context.named(`${what}_column`),
      );
      const wide = builder.op('Expand', [column, size], {}, context.named(`${what}_groups`));
      return builder.op('Reshape', [wide, flat], {}, context.named(what));
    };
    return form.withInputs({ 1: perChannel(scale, 'scale'), 2: perChannel(bias, 'bias') });
  },
};

export const normalizationUpgrades = {
  BatchNormalization: [inference],
  InstanceNormalization: [dropsConsumedInputs],
  GroupNormalization: [perGroup],
};
