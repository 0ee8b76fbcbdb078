/** Kernels of elementwise regions, with numpy's broadcasting, and the epilogues that other kernels take such regions as. */
import { SutureError } from '../../ir/errors.ts';
import type { Value } from '../../ir/graph.ts';
import { product } from '../../ir/numbers.ts';
import { FunctionSet, type Lane } from './functions.ts';
import type { Epilogue, KernelContext, KernelPlan, Operand, OutputIndex } from './kernel.ts';
import { ModuleBuilder, single } from './module.ts';
import { type Region, regionCode } from './region.ts';
import { sizesOf } from './shape.ts';
import { storageOf } from './storage.ts';
import { add, ceilDiv, foldGrid, times, u32, unravel, zero } from './wgsl.ts';

/** A shape with some operands' strides along it; 0 where an operand is broadcast. */
interface Walk {
  readonly shape: readonly number[];
  readonly strides: readonly (readonly number[])[];
}

/** The strides of an operand of shape `from` along the axes of `to`. */
function broadcastStrides(from: readonly number[], to: readonly number[]): number[] {
  let stride = 1;
  const strides = Array<number>(to.length).fill(0);
  for (let i = 1; i <= from.length; i++) {
    const size = from[from.length - i];
    if (size !== 1) strides[to.length - i] = stride;
    stride *= size;
  }
  return strides;
}

/** The same walk over as few axes as possible: neighbours that every operand crosses evenly become one. */
function collapse(shape: readonly number[], operands: readonly (readonly number[])[]): Walk {
  const strides = operands.map(o => broadcastStrides(o, shape));
  const kept: { size: number; strides: number[] }[] = [];
  for (const [axis, size] of shape.entries()) {
    if (size === 1) continue;
    const here = strides.map(s => s[axis]);
    const last = kept.at(-1);
    if (last?.strides.every((s, k) => s === here[k] * size)) {
      last.size *= size;
      last.strides = here;
    } else kept.push({ size, strides: here });
  }
  return { shape: kept.map(k => k.size), strides: operands.map((_, k) => kept.map(axis => axis.strides[k])) };
}

const isWhole = (walk: Walk, k: number): boolean => {
  let stride = 1;
  for (let axis = walk.shape.length - 1; axis >= 0; axis--) {
    if (walk.strides[k][axis] !== stride) return false;
    stride *= walk.shape[axis];
  }
  return true;
};

/** Invocations of one workgroup, and vectors (or elements) that one invocation computes, by the class of adapter. */
const geometry = {
  gpu: { workgroup: 128, each: 1 },
  software: { workgroup: 64, each: 2 },
} as const;

/**
 * The kernel of an elementwise region: one pass over the largest of its outputs. Elements are taken by fours wherever every
 * operand lies contiguous or constant along the last axis.
 *
 * @param slots where the plan's operand of each value of the region is.
 */
export function elementwisePlan(
  region: Region,
  slots: (value: Value) => Operand,
  context: KernelContext,
  label: string,
): KernelPlan {
  const shapes = region.outputs.map(o => sizesOf(o));
  const shape = shapes.reduce((a, b) => (product(b) > product(a) ? b : a));
  const total = product(shape);
  if (total === 0) return { dispatches: [], scratch: [] };
  const values = [...region.inputs, ...region.outputs];
  const walk = collapse(
    shape,
    values.map(v => sizesOf(v)),
  );
  const last = walk.shape.length - 1;
  const lane: Lane = { width: last >= 0 && walk.shape[last] % 4 === 0 ? 4 : 1 };
  // The walk in units of lanes.
  const shapeOfLanes = walk.shape.map((n, axis) => (axis === last ? n / lane.width : n));
  const count = total / lane.width;
  const { workgroup, each } = geometry[context.adapterClass];

  const module = new ModuleBuilder();
  const names = new Map<
    Value,
    { name: string; splat: boolean; index: (flat: string, at: readonly string[]) => string }
  >();
  for (const [k, value] of values.entries()) {
    const output = k >= region.inputs.length;
    const vector = lane.width === 4 && walk.strides[k][last] !== 0;
    const type = storageOf(value.type.dtype);
    const name = output ? `y${k - region.inputs.length}` : `x${k}`;
    module.bind(name, slots(value), vector ? `vec4<${type}>` : type, output ? 'read_write' : 'read');
    const index = (flat: string, at: readonly string[]) =>
      isWhole(walk, k)
        ? flat
        : add(...walk.strides[k].map((s, axis) => times(at[axis], vector && axis !== last ? s / 4 : s)));
    names.set(value, { name, splat: lane.width === 4 && !vector, index });
  }
  const addressed = values.some((_, k) => !isWhole(walk, k));

  const functions = new FunctionSet();
  const at = shapeOfLanes.map((_, axis) => `c${axis}`);
  const code = regionCode(region, lane, functions, value => {
    const { name, splat, index } = names.get(value)!;
    const element = `${name}[${index('i', at)}]`;
    return splat ? `vec4<${storageOf(value.type.dtype)}>(${element})` : element;
  });
  const stores = region.outputs.map(value => {
    const { name, index } = names.get(value)!;
    const store = `${name}[${index('i', at)}] = ${code.stored(value)};`;
    const k = values.indexOf(value);
    // An output smaller than the walk is stored by the first of those that compute the same element.
    const repeated = at.filter((_, axis) => walk.strides[k][axis] === 0);
    return repeated.length === 0 ? store : `if (${repeated.map(c => `${c} == 0u`).join(' && ')}) { ${store} }`;
  });
  const body = [
    ...(addressed ? unravel('i', shapeOfLanes).map((e, axis) => `let c${axis} = ${e};`) : []),
    ...code.statements,
    ...stores,
  ];

  const groups = ceilDiv(count, workgroup * each);
  const grid = foldGrid(groups, context.limits);
  module.declare(functions.declarations(body.join('\n')));
  const span = workgroup * each;
  const loop = each > 1;
  const guard = grid.padded || count % span !== 0;
  const start = `let start = ${times(grid.flat('group'), span)} + local;`;
  const step = loop
    ? `for (var i = start; i < ${guard ? `min(start + ${u32(span)}, ${u32(count)})` : `start + ${u32(span)}`}; i += ${u32(workgroup)}) {\n    ${body.join('\n    ')}\n  }`
    : `let i = start;\n  ${guard ? `if (i >= ${u32(count)}) { return; }\n  ` : ''}${body.join('\n  ')}`;
  const entry = { workgroup, group: 'group', local: 'local', body: `  ${start}\n  ${step}` };
  return single(module.dispatch(label, grid.workgroups, entry));
}

/**
 * The epilogue that computes a region on the output of another kernel.
 *
 * @param anchor the value that the kernel computes; the region reads it, and stores one value of the same shape.
 * @param extras the region's other inputs, in the order of the plan's extra inputs.
 */
export function epilogueOf(region: Region, anchor: Value, extras: readonly Value[]): Epilogue {
  const [output, ...others] = region.outputs;
  if (others.length > 0) throw new SutureError('kernel-missing', 'an epilogue stores one value');
  if (storageOf(output.type.dtype) !== 'f32' || storageOf(anchor.type.dtype) !== 'f32') {
    throw new SutureError('kernel-missing', 'an epilogue takes floats and stores floats');
  }
  const shape = sizesOf(output);
  const functions = new FunctionSet();
  const lane: Lane = { width: 1 };
  const walks = extras.map(extra => collapse(shape, [sizesOf(extra)]));
  const emit = (value: string, at: OutputIndex, input: (i: number) => string) => {
    const lines: string[] = [];
    const code = regionCode(region, lane, functions, operand => {
      if (operand === anchor) return value;
      const k = extras.indexOf(operand);
      return `${input(k)}[${extraIndex(walks[k], shape, sizesOf(operand), at)}]`;
    });
    lines.push(...code.statements);
    return { statements: lines.join(' '), result: code.stored(output) };
  };
  // A trial run finds out which functions the body calls.
  const trial = emit('value', { flat: 'flat', channel: 'channel', batch: 'batch' }, i => `extra${i}`);
  return {
    inputs: extras.map(extra => storageOf(extra.type.dtype)),
    declarations: functions.declarations(trial.statements ?? ''),
    emit,
  };
}

function extraIndex(walk: Walk, shape: readonly number[], own: readonly number[], at: OutputIndex): string {
  if (isWhole(walk, 0)) return at.flat;
  if (product(own) === 1) return zero;
  // Along the channels only: the usual bias or scale.
  const full = [...Array<number>(shape.length - own.length).fill(1), ...own];
  if (full.every((n, axis) => axis === 1 || n === 1)) return at.channel;
  return add(...unravel(`(${at.flat})`, walk.shape).map((c, axis) => times(`(${c})`, walk.strides[0][axis])));
}
