/** Old forms of the operators that move elements: most attributes became inputs. */
import { product } from '../../numbers.ts';
import { integersOf } from '../../operator.ts';
import { ALWAYS, type Upgrade } from '../form.ts';

/** An attribute of integers that became the second input. */
export const attributeToInput = (since: number, attribute: string): Upgrade => ({
  since,
  apply(form, context) {
    const values = form.ints(attribute);
    if (values === undefined || form.inputs[1] !== undefined) return form.without(attribute);
    return form.without(attribute).withInputs({ 1: context.ints(values, attribute) });
  },
});

/** The axis was 1 where none was given. */
const concatAxis: Upgrade = {
  since: 4,
  apply: form => (form.int('axis') === undefined ? form.withAttribute('axis', { kind: 'int', value: 1 }) : form),
};

/** Starts, ends and axes were attributes. */
const sliceInputs: Upgrade = {
  since: 10,
  apply(form, context) {
    const [starts, ends, axes] = ['starts', 'ends', 'axes'].map(name => form.ints(name));
    if (starts === undefined || ends === undefined) return context.refuse('its starts or ends are missing');
    return form.without('starts', 'ends', 'axes').withInputs({
      1: context.ints(starts, 'starts'),
      2: context.ints(ends, 'ends'),
      3: axes === undefined ? undefined : context.ints(axes, 'axes'),
    });
  },
};

/** Pads and the value were attributes; the pads were called paddings in version 1. */
const padInputs: Upgrade = {
  since: 11,
  apply(form, context) {
    const pads = form.ints('pads') ?? form.ints('paddings');
    const [x] = form.inputs;
    if (pads === undefined || x === undefined) return context.refuse('its pads are missing');
    const value = form.float('value');
    return form.without('pads', 'paddings', 'value').withInputs({
      1: context.ints(pads, 'pads'),
      2: value === undefined ? undefined : context.scalar(x.type.dtype, value, 'value'),
    });
  },
};

/** Version 10 had no modes: what later versions call asymmetric, rounded down. */
const resizeInputs: Upgrade = {
  since: 11,
  apply: form =>
    form
      .withAttribute('coordinate_transformation_mode', { kind: 'string', value: 'asymmetric' })
      .withAttribute('nearest_mode', { kind: 'string', value: 'floor' })
      .withInputs({ 1: undefined, 2: form.inputs[1] }),
};

/**
 * `tf_half_pixel_for_nn`, which version 13 took away and TensorFlow's exports still write, is half_pixel without its last
 * step, `- 0.5`. Rounding the other way around makes up for that: `floor(c)` is `floor((c - 0.5) + 0.5)`.
 */
const resizeTensorFlow: Upgrade = {
  since: ALWAYS,
  apply(form, context) {
    if (form.string('coordinate_transformation_mode') !== 'tf_half_pixel_for_nn') return form;
    const mode = form.string('mode') ?? 'nearest';
    const rounding = form.string('nearest_mode') ?? 'round_prefer_floor';
    const shifted = mode === 'nearest' ? halfLess.get(rounding) : undefined;
    if (shifted === undefined) {
      return context.refuse(
        `its mode tf_half_pixel_for_nn is read with 'nearest' and 'floor' or 'round_prefer_floor', not '${mode}' and '${rounding}'`,
      );
    }
    return form
      .withAttribute('coordinate_transformation_mode', { kind: 'string', value: 'half_pixel' })
      .withAttribute('nearest_mode', { kind: 'string', value: shifted });
  },
};

/** A rounding of `c` → that of `c - 0.5` which gives the same. */
const halfLess: ReadonlyMap<string, string> = new Map([
  ['floor', 'round_prefer_ceil'],
  ['round_prefer_floor', 'ceil'],
]);

/** Until version 13 an operand that is not meant is an empty tensor, which exporters still write. */
const resizeEmptyOperands: Upgrade = {
  since: ALWAYS,
  apply(form) {
    const [x, roi, scales, sizes] = form.inputs.map(v => (v?.type.shape[0] === 0 ? undefined : v));
    // The region counts for one mode only; exporters write it regardless.
    const region = form.string('coordinate_transformation_mode') === 'tf_crop_and_resize' ? roi : undefined;
    return form.withInputs({ 0: x, 1: region, 2: sizes === undefined ? scales : undefined, 3: sizes });
  },
};

/** The value has one element; exporters differ in whether its shape is [1] or []. */
const fillValue: Upgrade = {
  since: ALWAYS,
  apply(form, context) {
    const value = form.tensor('value');
    if (value === undefined) return form;
    if (value.data.length !== 1) return context.refuse(`its value has ${value.data.length} elements, not 1`);
    return form.withAttribute('value', { kind: 'tensor', value: { ...value, shape: [1] } });
  },
};

/**
 * A batch of the export that was baked into the target in spite of a symbolic batch axis: `[N, 4, 4, 4] → [2, 64]`. The
 * file is then right for one batch size only. Where all other extents are known and agree, the first one can only be the
 * batch, and is made to copy it; elsewhere the user is told.
 */
const bakedBatch: Upgrade = {
  since: ALWAYS,
  apply(form, context) {
    const [data, shape] = form.inputs;
    const target = shape?.constant && integersOf(shape);
    const [batch, ...rest] = data?.type.shape ?? [];
    const extents = rest.filter(d => typeof d === 'number');
    if (!target || typeof batch !== 'object' || extents.length < rest.length) return form;
    const [first, ...others] = target;
    if (first === undefined || first <= 0 || others.includes(0)) return form;
    const [before, after] = [product(extents), product(others.filter(d => d !== -1))];
    const open = others.includes(-1);
    const fits = open ? before % after === 0 : before === after;
    // With one extent open, the product fits any batch size; what reads the result settles it.
    const proven = fits && (!open || context.isMatrixOf(before));
    const text = `${context.where} reshapes [${data?.type.shape.join(', ')}] to [${target.join(', ')}]: the batch size ${first} of the export stands in it`;
    if (!proven) {
      if (fits || !open)
        context.report.warn('baked-batch', `${text}; it is right for that batch size only, export it anew.`);
      return form;
    }
    context.report.warn('baked-batch', `${text}; it was replaced by ${batch}.`);
    const dynamic = [form.int('allowzero') ? -1 : 0, ...others.map(d => (d === -1 ? before / after : d))];
    return form.withInputs({ 1: context.ints(dynamic, 'shape') });
  },
};

export const movementUpgrades = {
  Reshape: [attributeToInput(5, 'shape'), bakedBatch],
  Squeeze: [attributeToInput(13, 'axes')],
  Unsqueeze: [attributeToInput(13, 'axes')],
  Split: [attributeToInput(13, 'split')],
  Concat: [concatAxis],
  Slice: [sliceInputs],
  Pad: [padInputs],
  Resize: [resizeInputs, resizeTensorFlow, resizeEmptyOperands],
  ConstantOfShape: [fillValue],
};
