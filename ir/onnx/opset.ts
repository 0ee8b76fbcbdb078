/**
 * Which operator set a graph needs, and which IR version goes with it. A file asks for the lowest one from 17 on that
 * can say every node, so that older runtimes read it.
 */
import type { AnyNode } from '../graph.ts';
import { integersOf } from '../operator.ts';
import { type OpName, specOf } from '../ops/index.ts';
import { isReduction } from '../ops/reduction.ts';

/** Model-local functions are well supported from here on. */
export const LOWEST_OPSET = 17;

/** The IR version that came with each operator set (onnx/helper.py, the table of releases). */
const irVersions: readonly (readonly [opset: number, irVersion: number])[] = [
  [18, 8],
  [20, 9],
  [22, 10],
  [23, 11],
  [24, 12],
];

/** The IR version of files of an operator set. */
export const irVersionOf = (opset: number): number => irVersions.find(([last]) => opset <= last)?.[1] ?? 13;

/** What a node needs beyond the first version that its operator has: the newest form, a mode, a dtype. */
const needs: { readonly [K in OpName]?: (node: Extract<AnyNode, { op: K }>) => number } = {
  // Scale and bias are per channel since 21.
  GroupNormalization: () => 21,
  AveragePool: ({ attributes }) => (attributes.dilations?.some(d => d !== 1) ? 19 : 0),
  LpPool: ({ attributes }) => (attributes.dilations?.some(d => d !== 1) || attributes.ceil_mode ? 18 : 0),
  IsInf: node => (node.inputs[0]?.type.dtype === 'float16' ? 20 : 0),
  Pad: ({ inputs, attributes }) => (attributes.mode === 'wrap' ? 19 : inputs[3] ? 18 : 0),
  ReduceMax: node => (node.inputs[0]?.type.dtype === 'bool' ? 20 : reduceNeeds(node)),
  ReduceMin: node => (node.inputs[0]?.type.dtype === 'bool' ? 20 : reduceNeeds(node)),
  ReduceL1: reduceNeeds,
  ReduceL2: reduceNeeds,
  ReduceLogSum: reduceNeeds,
  ReduceLogSumExp: reduceNeeds,
  ReduceMean: reduceNeeds,
  ReduceProd: reduceNeeds,
  ReduceSumSquare: reduceNeeds,
  Range: node => (node.inputs[0]?.type.dtype === 'float16' ? 27 : 0),
  Resize({ attributes: a }) {
    if (a.coordinate_transformation_mode === 'half_pixel_symmetric') return 19;
    return a.antialias || a.axes || a.keep_aspect_ratio_policy !== 'stretch' ? 18 : 0;
  },
  ScatterElements: ({ attributes }) => (['max', 'min'].includes(attributes.reduction) ? 18 : 0),
  ScatterND: ({ attributes }) => (['max', 'min'].includes(attributes.reduction) ? 18 : 0),
  // Before 18 an even split without sizes follows from the number of outputs.
  Split({ inputs, attributes, outputs }) {
    const extent = inputs[0]?.type.shape.at(attributes.axis);
    return inputs[1] || (typeof extent === 'number' && extent % outputs.length === 0) ? 0 : 18;
  },
};

/** Axes are an input since 18; before, only known ones can be said, as an attribute. */
function reduceNeeds(node: AnyNode): number {
  const [, axes] = node.inputs;
  if (axes === undefined)
    return 'noop_with_empty_axes' in node.attributes && node.attributes.noop_with_empty_axes ? 18 : 0;
  const known = integersOf(axes);
  return axes.constant !== undefined && known !== undefined && known.length > 0 ? 0 : 18;
}

/** The operator set that a node of ONNX's own domain needs. */
export function opsetOf(node: AnyNode): number {
  const { versions } = specOf(node.op);
  // bfloat16 came to most operators with their last version.
  const recent = [...node.inputs, ...node.outputs].some(value => value?.type.dtype === 'bfloat16');
  const need = needs[node.op] as ((node: AnyNode) => number) | undefined;
  return Math.max(LOWEST_OPSET, versions[0], need?.(node) ?? 0, recent ? versions[versions.length - 1] : 0);
}

/** Whether a reduction writes its axes as an attribute at an operator set. ReduceSum has the input since 13. */
export const hasAxesAttribute = (op: OpName, opset: number): boolean =>
  opset < 18 && isReduction(op) && op !== 'ReduceSum';
