/** Linear maps of known size: Fourier transforms, and the inverses of unfolding and pooling. */
import type { GraphBuilder } from '../../builder.ts';
import type { Value } from '../../graph.ts';
import { integersOf, normalizeAxis } from '../../operator.ts';
import { tensorFromNumbers } from '../../tensor.ts';
import { type ForeignRule, type FormContext, type NodeForm, requireInputs } from '../form.ts';

interface Transform {
  /** Elements along the axis: of the input, of the output, and the length of the transform. */
  readonly from: number;
  readonly to: number;
  readonly length: number;
  /** 1 for real numbers, 2 for complex ones, in the last axis. */
  readonly parts: number;
  readonly partsOut: number;
  readonly inverse: boolean;
}

/** [from · parts, to · partsOut], to be multiplied from the right. */
function fourierMatrix({ from, to, length, parts, partsOut, inverse }: Transform): Float64Array {
  const columns = to * partsOut;
  const matrix = new Float64Array(from * parts * columns);
  // Of half a spectrum the other half is the mirror image: real signals count it by taking the inner frequencies twice.
  const half = inverse && partsOut === 1;
  for (let i = 0; i < Math.min(from, length); i++) {
    const times = half && i > 0 && 2 * i !== length ? 2 : 1;
    const weight = inverse ? times / length : 1;
    for (let k = 0; k < to; k++) {
      const angle = ((inverse ? 2 : -2) * Math.PI * ((i * k) % length)) / length;
      const [cos, sin] = [weight * Math.cos(angle), weight * Math.sin(angle)];
      const at = i * parts * columns + k * partsOut;
      matrix[at] = cos;
      if (partsOut === 2) matrix[at + 1] = sin;
      if (parts === 2) matrix[at + columns] = -sin;
      if (parts === 2 && partsOut === 2) matrix[at + columns + 1] = cos;
    }
  }
  return matrix;
}

function transformOf(form: NodeForm, axis: number, x: Value, context: FormContext): Transform {
  const { shape } = x.type;
  const [from, parts] = [shape[axis], shape[shape.length - 1]];
  if (typeof from !== 'number') return context.refuse('the extent that it transforms must be known');
  if (parts !== 1 && parts !== 2) return context.refuse('its last axis must hold one or two parts');
  const given = form.inputs[1];
  const asked = given && integersOf(given)?.[0];
  if (given && asked === undefined) return context.refuse('the length of the transform must be known');
  const [inverse, onesided] = [form.int('inverse') === 1, form.int('onesided') === 1];
  const half = inverse && onesided;
  const length = asked ?? (half ? 2 * (from - 1) : from);
  const to = onesided && !inverse ? Math.floor(length / 2) + 1 : length;
  const transform = { from, to, length, parts, partsOut: half ? 1 : 2, inverse };
  context.computes(8 * from * parts * to * transform.partsOut);
  return transform;
}

function fourier(form: NodeForm, context: FormContext): Value {
  const [x, , axisGiven] = requireInputs(form, 1, context);
  const rank = x!.type.shape.length;
  const given = axisGiven && integersOf(axisGiven)?.[0];
  if (axisGiven && given === undefined) return context.refuse('its axis must be known');
  const axis = normalizeAxis(given ?? form.int('axis') ?? (context.opset < 20 ? 1 : -2), rank);
  if (axis === rank - 1) return context.refuse('the last axis holds the parts of numbers; it can not be transformed');
  const transform = transformOf(form, axis, x!, context);
  const { from, to, parts, partsOut } = transform;
  const { dtype } = x!.type;
  // The axis comes last but one and back: the permutation is its own inverse.
  const swap = Array.from({ length: rank }, (_, i) => (i === axis ? rank - 2 : i === rank - 2 ? axis : i));
  const swapped = (b: GraphBuilder, v: Value): Value =>
    axis === rank - 2 ? v : b.op('Transpose', [v], { perm: swap });
  const kept = Array<number>(rank - 2).fill(0);
  const y = context.within(b => {
    const matrix = tensorFromNumbers(dtype, [from * parts, to * partsOut], fourierMatrix(transform));
    const flat = b.op('Reshape', [swapped(b, x!), b.ints([...kept, from * parts])]);
    const product = b.op('MatMul', [flat, b.constant(matrix, 'fourier')]);
    return swapped(b, b.op('Reshape', [product, b.ints([...kept, to, partsOut])]));
  });
  return context.builder.op('Identity', [y], {}, context.result());
}

const fill = (given: readonly number[] | undefined, length: number, value: number): readonly number[] =>
  given ?? Array<number>(length).fill(value);

/** Columns of patches are put back and summed where they overlap: a transposed convolution with a kernel for each tap. */
function columnsToImage(form: NodeForm, context: FormContext): Value {
  const [x, imageShape, blockShape] = requireInputs(form, 3, context);
  const [image, block] = [integersOf(imageShape!), integersOf(blockShape!)];
  if (!block) return context.refuse('the shape of its blocks must be known');
  const rank = block.length;
  const taps = block.reduce((a, b) => a * b, 1);
  const [strides, dilations] = [fill(form.ints('strides'), rank, 1), fill(form.ints('dilations'), rank, 1)];
  const pads = fill(form.ints('pads'), 2 * rank, 0);
  const channels = x!.type.shape[1];
  if (typeof channels !== 'number') return context.refuse('the number of its channels must be known');
  context.computes(8 * taps * taps);
  const kernel = new Float64Array(taps * taps);
  for (let k = 0; k < taps; k++) kernel[k * taps + k] = 1;
  const [before, behind] = [pads.slice(0, rank), pads.slice(rank)];
  const reach = block.map((size, i) => dilations[i] * (size - 1) + 1);
  // Places are as many as steps fit into the padded image; what is left over behind the last one is less than a step.
  const room = image?.map((size, i) => size + before[i] + behind[i] - reach[i]);
  const y = context.within(b => {
    const columns = (places: Value): Value => b.op('Reshape', [x!, places]);
    const weights = b.constant(tensorFromNumbers(x!.type.dtype, [taps, 1, ...block], kernel), 'taps');
    if (room) {
      const places = room.map((r, i) => Math.floor(r / strides[i]) + 1);
      const left = room.map((r, i) => r - (places[i] - 1) * strides[i]);
      const given = columns(b.ints([-1, taps, ...places]));
      return b.op('ConvTranspose', [given, weights], { strides, dilations, pads, output_padding: left });
    }
    const added = b.ints(reach.map((size, i) => before[i] + behind[i] - size));
    const steps = b.op('Div', [b.op('Add', [imageShape!, added]), b.ints(strides)]);
    const places = b.op('Add', [steps, b.ints(strides.map(() => 1))]);
    const given = columns(b.op('Concat', [b.ints([-1, taps]), places], { axis: 0 }));
    const most = strides.map(stride => stride - 1);
    const all = b.op('ConvTranspose', [given, weights], { strides, dilations, output_padding: most });
    const ends = b.op('Add', [imageShape!, b.ints(before)]);
    return b.op('Slice', [all, b.ints(before), ends, b.ints(before.map((_, i) => i + 2))]);
  });
  const shape = image
    ? context.ints([-1, channels / taps, ...image], 'image')
    : context.within(b => b.op('Concat', [b.ints([-1, channels / taps]), imageShape!], { axis: 0 }));
  return context.builder.op('Reshape', [y, shape], {}, context.result());
}

/** What pooling kept is put back where it was found; the rest is zero. */
function maxUnpool(form: NodeForm, context: FormContext): Value {
  const [x, indices, wanted] = requireInputs(form, 2, context);
  const { dtype, shape } = x!.type;
  const kernel = form.ints('kernel_shape') ?? context.refuse('its kernel_shape is missing');
  const rank = kernel.length;
  const [strides, pads] = [fill(form.ints('strides'), rank, 1), fill(form.ints('pads'), 2 * rank, 0)];
  const given = wanted && integersOf(wanted);
  if (wanted && !given) return context.refuse('its output shape must be known');
  const extents = (given ?? shape).slice(1).map((size, i) => {
    if (typeof size !== 'number') return context.refuse('all its extents but the batch must be known');
    return given || i === 0 ? size : (size - 1) * strides[i - 1] + kernel[i - 1] - pads[i - 1] - pads[rank + i - 1];
  });
  const filled = context.within(b => {
    const batch = b.op('Shape', [x!], { start: 0, end: 1 });
    const size = b.op('Mul', [batch, b.ints([extents.reduce((p, q) => p * q, 1)])]);
    const zeros = b.op('ConstantOfShape', [size], { value: tensorFromNumbers(dtype, [1], [0]) });
    const flat = (v: Value): Value => b.op('Reshape', [v, b.ints([-1])]);
    return b.op('ScatterElements', [zeros, flat(indices!), flat(x!)]);
  });
  return context.builder.op('Reshape', [filled, context.ints([-1, ...extents], 'shape')], {}, context.result());
}

export const transforms = {
  DFT: { since: 17, build: (form, context) => [fourier(form, context)] },
  Col2Im: { since: 18, build: (form, context) => [columnsToImage(form, context)] },
  MaxUnpool: { since: 9, build: (form, context) => [maxUnpool(form, context)] },
} satisfies Readonly<Record<string, ForeignRule>>;
