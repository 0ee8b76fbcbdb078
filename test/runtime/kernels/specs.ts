/** Specifications of convolutions and products for property tests. */
import fc from 'fast-check';
import { product } from '../../../ir/numbers.ts';
import type { ConvSpec } from '../../../runtime/kernels/conv-spec.ts';
import type { MatMulSpec } from '../../../runtime/kernels/matmul-spec.ts';
import { numbers } from './run-plan.ts';

/** One spatial axis of a specification. */
export interface AxisChoice {
  readonly input: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly padBegin: number;
  readonly padEnd: number;
  readonly outputPadding: number;
}

export interface ConvChoice {
  readonly transposed: boolean;
  readonly batch: number;
  readonly groups: number;
  readonly groupIn: number;
  readonly groupOut: number;
  readonly bias: boolean;
  readonly axes: readonly AxisChoice[];
}

const axisChoice = fc.record({
  input: fc.integer({ min: 1, max: 9 }),
  kernel: fc.integer({ min: 1, max: 4 }),
  stride: fc.integer({ min: 1, max: 3 }),
  dilation: fc.integer({ min: 1, max: 2 }),
  padBegin: fc.integer({ min: 0, max: 2 }),
  padEnd: fc.integer({ min: 0, max: 2 }),
  outputPadding: fc.integer({ min: 0, max: 1 }),
});

const convChoice: fc.Arbitrary<ConvChoice> = fc.record({
  transposed: fc.boolean(),
  batch: fc.integer({ min: 1, max: 3 }),
  groups: fc.constantFrom(1, 1, 1, 2, 3),
  groupIn: fc.integer({ min: 1, max: 5 }),
  groupOut: fc.constantFrom(1, 2, 3, 5, 9),
  bias: fc.boolean(),
  axes: fc.array(axisChoice, { minLength: 1, maxLength: 3 }),
});

/** The output size of a convolution along one axis, as ONNX defines it. */
function convOutputSize(
  input: number,
  kernel: number,
  stride: number,
  dilation: number,
  padBegin: number,
  padEnd: number,
): number {
  return Math.floor((input + padBegin + padEnd - dilation * (kernel - 1) - 1) / stride) + 1;
}

/** The output size of a transposed convolution along one axis, as ONNX defines it. */
function convTransposeOutputSize(
  input: number,
  kernel: number,
  stride: number,
  dilation: number,
  padBegin: number,
  padEnd: number,
  outputPadding: number,
): number {
  return stride * (input - 1) + outputPadding + dilation * (kernel - 1) + 1 - padBegin - padEnd;
}

export function convSpecOf(given: ConvChoice): ConvSpec {
  const { axes, transposed } = given;
  const output = axes.map(axis => {
    const { input, kernel, stride, dilation, padBegin, padEnd } = axis;
    const outputPadding = Math.min(axis.outputPadding, stride - 1);
    return transposed
      ? convTransposeOutputSize(input, kernel, stride, dilation, padBegin, padEnd, outputPadding)
      : convOutputSize(input, kernel, stride, dilation, padBegin, padEnd);
  });
  return {
    transposed,
    batch: given.batch,
    inChannels: given.groups * given.groupIn,
    outChannels: given.groups * given.groupOut,
    groups: given.groups,
    input: axes.map(axis => axis.input),
    output,
    kernel: axes.map(axis => axis.kernel),
    strides: axes.map(axis => axis.stride),
    dilations: axes.map(axis => axis.dilation),
    padsBegin: axes.map(axis => axis.padBegin),
    bias: given.bias,
    constantWeights: false,
  };
}

/** Convolutions of one to three axes that leave an output, with strides, dilations, pads and groups. */
export const convSpecs: fc.Arbitrary<ConvSpec> = convChoice
  .map(convSpecOf)
  .filter(spec => spec.output.every(size => size > 0));

export function convOperands(spec: ConvSpec): Float32Array[] {
  const x = numbers(spec.batch * spec.inChannels * product(spec.input), 1);
  const w = numbers((spec.inChannels / spec.groups) * spec.outChannels * product(spec.kernel), 2);
  return spec.bias ? [x, w, numbers(spec.outChannels, 3)] : [x, w];
}

export const convLength = (spec: ConvSpec): number => spec.batch * spec.outChannels * product(spec.output);

/** A product of dense row-major matrices. */
export const plainProduct = (m: number, n: number, k: number): MatMulSpec => ({
  batch: [],
  m,
  n,
  k,
  a: { batch: [], row: k, column: 1 },
  b: { batch: [], row: n, column: 1 },
  alpha: 1,
});
