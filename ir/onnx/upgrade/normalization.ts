/** Old forms of normalisations, and training mode, which is read as inference where nothing else is asked for. */
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
    const training = inTraining(form, context);
    const statistics = form.outputs.some((_, i) => i > 0 && context.isUsed(i));
    if (statistics && training && context.opset >= 14) return byBatch(form, context);
    if (statistics) return context.refuse('its running or saved statistics are used, which only training computes');
    if (training) {
      context.report.warn(
        'training-mode',
        'In training mode, and read as inference, normalised by the running statistics',
        context.where,
      );
    }
    if (form.int('spatial') === 0) return perPosition(form, context);
    return form.without('spatial', 'is_test', 'training_mode', 'consumed_inputs').withOutputs(form.outputs.slice(0, 1));
  },
};

/**
 * Training mode since 14, where its running statistics are asked for: x is normalised by the mean and the variance of its batch, and the
 * running ones move towards them by a share of `1 - momentum`.
 */
function byBatch(form: NodeForm, context: FormContext): readonly Value[] {
  const [x, scale, bias, mean, variance] = requireInputs(form, 5, context) as readonly Value[];
  const { builder } = context;
  context.report.warn(
    'training-mode',
    'Running statistics are given, so it is read as training, normalised by the statistics of the batch',
    context.where,
  );
  const { dtype, shape } = x.type;
  const momentum = form.float('momentum') ?? 0.9;
  const [scaled, wideBias, moved] = context.within(b => {
    const axes = b.ints(shape.flatMap((_, i) => (i === 1 ? [] : [i])));
    const wide = (value: Value): Value => {
      const cast = value.type.dtype === dtype ? value : b.op('Cast', [value], { to: dtype });
      return shape.length <= 2 ? cast : b.op('Unsqueeze', [cast, b.ints(shape.slice(2).map((_, i) => i + 1))]);
    };
    const centre = b.op('ReduceMean', [x, axes]);
    const away = b.op('Sub', [x, centre]);
    const spread = b.op('ReduceMean', [b.op('Mul', [away, away]), axes]);
    const deviation = b.op('Sqrt', [b.op('Add', [spread, b.number(form.float('epsilon') ?? 1e-5, dtype)])]);
    const towards = (before: Value, now: Value): readonly [Value, Value] => {
      const flat = b.op('Cast', [b.op('Reshape', [now, b.ints([-1])])], { to: before.type.dtype });
      return [
        b.op('Mul', [before, b.number(momentum, before.type.dtype)]),
        b.op('Mul', [flat, b.number(1 - momentum, before.type.dtype)]),
      ];
    };
    return [
      b.op('Mul', [b.op('Div', [away, deviation]), wide(scale)]),
      wide(bias),
      [towards(mean, centre), towards(variance, spread)],
    ] as const;
  });
  return [
    builder.op('Add', [scaled, wideBias], {}, context.result()),
    ...moved.map(([before, now], i) => builder.op('Add', [before, now], {}, context.result(i + 1))),
  ];
}

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
