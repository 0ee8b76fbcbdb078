/** Losses of classes: scores [N, C, d...], labels [N, d...], weights [C]. */
import type { Value } from '../../graph.ts';
import { type ForeignRule, type FormContext, type NodeForm, requireInputs } from '../form.ts';

/** `-weight[label] · logProbability[label]`, summed up as `reduction` says; labels of `ignore_index` count nothing. */
function negativeLogLikelihood(
  [logProbability, labels, weight]: readonly [Value, Value, Value | undefined],
  form: NodeForm,
  context: FormContext,
): Value {
  const reduction = form.string('reduction') ?? 'mean';
  const ignored = form.int('ignore_index');
  const { dtype } = logProbability.type;
  const [loss, weights] = context.within(b => {
    const skipped = ignored === undefined ? undefined : b.op('Equal', [labels, b.number(ignored, labels.type.dtype)]);
    const valid = skipped === undefined ? labels : b.op('Where', [skipped, b.number(0, labels.type.dtype), labels]);
    const picked = b.op('GatherElements', [logProbability, b.op('Unsqueeze', [valid, b.ints([1])])], { axis: 1 });
    const each = b.op('Neg', [b.op('Squeeze', [picked, b.ints([1])])]);
    const given = weight === undefined ? undefined : b.op('Gather', [weight, valid]);
    if (skipped === undefined) return [each, given];
    return [each, b.op('Where', [skipped, b.number(0, dtype), given ?? b.number(1, dtype)])];
  });
  const b = context.builder;
  const scaled = (): Value =>
    weights === undefined ? loss : context.within(inner => inner.op('Mul', [loss, weights]));
  switch (reduction) {
    case 'none':
      return weights === undefined
        ? b.op('Identity', [loss], {}, context.result())
        : b.op('Mul', [loss, weights], {}, context.result());
    case 'sum':
      return b.op('ReduceSum', [scaled()], { keepdims: 0 }, context.result());
    case 'mean': {
      if (weights === undefined) return b.op('ReduceMean', [loss], { keepdims: 0 }, context.result());
      const [sum, total] = context.within(inner => [
        inner.op('ReduceSum', [scaled()], { keepdims: 0 }),
        inner.op('ReduceSum', [weights], { keepdims: 0 }),
      ]);
      return b.op('Div', [sum, total], {}, context.result());
    }
    default:
      return context.refuse(`its reduction '${reduction}' is not known`);
  }
}

export const losses = {
  NegativeLogLikelihoodLoss: {
    since: 12,
    build(form, context) {
      const [x, labels, weight] = requireInputs(form, 2, context);
      return [negativeLogLikelihood([x!, labels!, weight], form, context)];
    },
  },

  SoftmaxCrossEntropyLoss: {
    since: 12,
    build(form, context) {
      const [scores, labels, weight] = requireInputs(form, 2, context);
      const logs = context.isUsed(1)
        ? context.builder.op('LogSoftmax', [scores!], { axis: 1 }, context.result(1))
        : context.within(b => b.op('LogSoftmax', [scores!], { axis: 1 }));
      return [negativeLogLikelihood([logs, labels!, weight], form, context), logs];
    },
  },
} satisfies Readonly<Record<string, ForeignRule>>;
