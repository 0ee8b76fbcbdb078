/** Old forms of the elementwise operators. */
import type { Value } from '../../graph.ts';
import { ALWAYS, type Upgrade } from '../form.ts';
import { DataType } from '../proto/schema.ts';

/** Until version 6, operators could say which inputs they overwrite. */
export const dropsConsumedInputs: Upgrade = { since: 6, apply: form => form.without('consumed_inputs') };

/**
 * Until version 7 two operands were broadcast on request only: with `broadcast`, B's axes line up with A's from `axis` on,
 * or with A's last ones. Since then numpy's rules hold.
 */
const broadcasts: Upgrade = {
  since: 7,
  apply(form, context) {
    const [a, b] = form.inputs;
    const axis = form.int('axis');
    const rest = form.without('axis', 'broadcast', 'consumed_inputs');
    if (!form.int('broadcast') || axis === undefined || a === undefined || b === undefined) return rest;
    const [ranked, rank] = [a.type.shape.length, b.type.shape.length];
    const from = axis < 0 ? axis + ranked : axis;
    const missing = ranked - from - rank;
    if (missing < 0) return context.refuse(`its second operand does not fit the first at axis ${axis}`);
    if (missing === 0) return rest;
    const axes = context.ints(
      Array.from({ length: missing }, (_, i) => rank + i),
      'axes',
    );
    return rest.withInputs({ 1: context.builder.op('Unsqueeze', [b, axes], {}, context.named('broadcast')) });
  },
};

/** Until version 7 a slope of more than one element held for axis 1. */
const perChannelSlope: Upgrade = {
  since: 7,
  apply(form, context) {
    const [x, slope] = form.inputs;
    const rest = form.without('consumed_inputs');
    if (x === undefined || slope === undefined || slope.type.shape.length !== 1 || slope.type.shape[0] === 1)
      return rest;
    const trailing = x.type.shape.length - 2;
    if (trailing <= 0) return rest;
    const axes = context.ints(
      Array.from({ length: trailing }, (_, i) => 1 + i),
      'axes',
    );
    return rest.withInputs({ 1: context.builder.op('Unsqueeze', [slope, axes], {}, context.named('slope')) });
  },
};

const variadic: Upgrade = { since: 8, apply: form => form.without('consumed_inputs') };

/** Bounds were attributes until version 11. */
const clipBounds: Upgrade = {
  since: 11,
  apply(form, context) {
    const [x] = form.inputs;
    const bound = (name: 'min' | 'max'): Value | undefined => {
      const value = form.float(name);
      return value === undefined || x === undefined ? undefined : context.scalar(x.type.dtype, value, name);
    };
    return form.without('min', 'max', 'consumed_inputs').withInputs({ 1: bound('min'), 2: bound('max') });
  },
};

/** A dtype was the name of an enumeration value in version 1. */
const castByName: Upgrade = {
  since: 6,
  apply(form, context) {
    const name = form.string('to');
    if (name === undefined) return form;
    const code: unknown = Reflect.get(DataType, name.toUpperCase());
    if (typeof code !== 'number') return context.refuse(`it casts to '${name}', which is no element type`);
    return form.withAttribute('to', { kind: 'int', value: code });
  },
};

/** Saturation and rounding modes concern 8-bit floats only, which no graph holds. */
const castModes: Upgrade = { since: ALWAYS, apply: form => form.without('saturate', 'round_mode') };

/** Version 1 rounded the constants. */
const seluConstants: Upgrade = {
  since: 6,
  apply(form) {
    const alpha = form.float('alpha') ?? Math.fround(1.6732);
    const gamma = form.float('gamma') ?? Math.fround(1.0507);
    return form
      .without('consumed_inputs')
      .withAttribute('alpha', { kind: 'float', value: alpha })
      .withAttribute('gamma', { kind: 'float', value: gamma });
  },
};

const unaries = [
  'Abs',
  'Ceil',
  'Elu',
  'Exp',
  'Floor',
  'HardSigmoid',
  'LeakyRelu',
  'Log',
  'Neg',
  'Reciprocal',
  'Relu',
  'Sigmoid',
  'Sqrt',
  'Tanh',
] as const;
const binaries = ['Add', 'Sub', 'Mul', 'Div', 'Pow', 'And', 'Or', 'Xor', 'Equal', 'Greater', 'Less'] as const;
const many = ['Max', 'Min', 'Mean', 'Sum'] as const;

const each = <K extends string>(names: readonly K[], upgrades: readonly Upgrade[]) =>
  Object.fromEntries(names.map(name => [name, upgrades])) as { readonly [N in K]: readonly Upgrade[] };

export const elementwiseUpgrades = {
  ...each(unaries, [dropsConsumedInputs]),
  ...each(binaries, [broadcasts]),
  ...each(many, [variadic]),
  PRelu: [perChannelSlope],
  Selu: [seluConstants],
  Clip: [clipBounds],
  Cast: [castByName, castModes],
};
