/**
 * Reading and writing at places that data names. Negative indices count from the end; others are clamped to the axis, so that
 * a kernel never leaves its buffers.
 */
import { SutureError } from '../../ir/errors.ts';
import type { Node, Value } from '../../ir/graph.ts';
import { product, stridesOf } from '../../ir/numbers.ts';
import { normalizeAxis } from '../../ir/operator.ts';
import type { KernelContext, KernelPlan } from './kernel.ts';
import { input, mappedPlan, output, reads, writes } from './mapped.ts';
import { around, sizesOf } from './shape.ts';
import { type Stored, storageOf } from './storage.ts';
import { add, i32, times, u32, zero } from './wgsl.ts';

/** An index of either sign as a position on an axis. */
const position = (index: string, size: number): string =>
  `u32(clamp(select(${index}, ${index} + ${i32(size)}, ${index} < 0), 0, ${i32(Math.max(0, size - 1))}))`;

function requireIntegers(indices: Value): void {
  if (storageOf(indices.type.dtype) !== 'i32') {
    throw new SutureError('kernel-missing', `its indices must be signed integers, not ${indices.type.dtype}`);
  }
}

export function gather(node: Node<'Gather'>, context: KernelContext): KernelPlan {
  const [data, indices] = node.inputs as readonly Value[];
  requireIntegers(indices);
  const { outer, axis, inner } = around(sizesOf(data), node.attributes.axis);
  const type = storageOf(data.type.dtype);
  const count = product(sizesOf(indices));
  return mappedPlan(
    {
      label: `gather ${sizesOf(data).join('x')} by ${count}`,
      shape: [outer, count, inner],
      bindings: { x: reads(input(0), type), indices: reads(input(1), 'i32'), y: writes(output(0), type) },
      element: (flat, [o, k, i]) =>
        `let at = indices[${k}]; y[${flat}] = x[${add(times(`(${o} * ${u32(axis)} + ${position('at', axis)})`, inner), i)}];`,
    },
    context,
  );
}

export function gatherElements(node: Node<'GatherElements'>, context: KernelContext): KernelPlan {
  const [data, indices] = node.inputs as readonly Value[];
  requireIntegers(indices);
  const shape = sizesOf(data);
  const axis = normalizeAxis(node.attributes.axis, shape.length);
  const strides = stridesOf(shape);
  const type = storageOf(data.type.dtype);
  return mappedPlan(
    {
      label: `gatherElements ${sizesOf(indices).join('x')}`,
      shape: sizesOf(indices),
      bindings: { x: reads(input(0), type), indices: reads(input(1), 'i32'), y: writes(output(0), type) },
      element: (flat, at) =>
        `let k = indices[${flat}]; y[${flat}] = x[${add(
          ...at.map((c, i) => times(i === axis ? position('k', shape[axis]) : c, strides[i])),
        )}];`,
    },
    context,
  );
}

/** Statements that leave in `base` where the tuple of indices `tuple` (an expression of its number) points to. */
function tupleBase(shape: readonly number[], first: number, length: number, tuple: string): string {
  const strides = stridesOf(shape);
  const terms = Array.from({ length }, (_, i) => {
    const size = shape[first + i];
    return `let t${i} = indices[${tuple} * ${u32(length)} + ${u32(i)}]; base += ${position(`t${i}`, size)} * ${u32(strides[first + i])};`;
  });
  return terms.join(' ');
}

export function gatherND(node: Node<'GatherND'>, context: KernelContext): KernelPlan {
  const [data, indices] = node.inputs as readonly Value[];
  requireIntegers(indices);
  const { batch_dims } = node.attributes;
  const shape = sizesOf(data);
  const where = sizesOf(indices);
  const length = where[where.length - 1];
  const batch = product(shape.slice(0, batch_dims));
  const perBatch = product(where.slice(batch_dims, -1));
  const inner = product(shape.slice(batch_dims + length));
  const type = storageOf(data.type.dtype);
  return mappedPlan(
    {
      label: `gatherND ${shape.join('x')}`,
      shape: [batch, perBatch, inner],
      bindings: { x: reads(input(0), type), indices: reads(input(1), 'i32'), y: writes(output(0), type) },
      element: (flat, [b, k, i]) => `var base = ${times(b, product(shape.slice(batch_dims)))};
  ${tupleBase(shape, batch_dims, length, `(${b} * ${u32(perBatch)} + ${k})`)}
  y[${flat}] = x[base + ${i}];`,
    },
    context,
  );
}

/** How an update meets what is there. */
function reduced(reduction: string, old: string, update: string): string {
  switch (reduction) {
    case 'none':
      return update;
    case 'add':
      return `${old} + ${update}`;
    case 'mul':
      return `${old} * ${update}`;
    case 'max':
    case 'min':
      return `${reduction}(${old}, ${update})`;
    default:
      throw new SutureError('kernel-missing', `the reduction '${reduction}' is unknown`);
  }
}

const scatterBindings = (type: Stored) => ({
  indices: reads(input(1), 'i32'),
  updates: reads(input(2), type),
  y: writes(output(0), type),
});

/** One invocation makes all updates of a line along the axis, in order: no two write the same element. */
export function scatterElements(node: Node<'ScatterElements'>, context: KernelContext): KernelPlan {
  const [data, indices] = node.inputs as readonly Value[];
  requireIntegers(indices);
  const shape = sizesOf(data);
  const where = sizesOf(indices);
  const axis = normalizeAxis(node.attributes.axis, shape.length);
  const strides = stridesOf(shape);
  const own = stridesOf(where);
  const lines = where.map((n, i) => (i === axis ? 1 : n));
  const plan = mappedPlan(
    {
      label: `scatterElements ${where.join('x')}`,
      shape: lines,
      bindings: scatterBindings(storageOf(data.type.dtype)),
      element: (_flat, at) => {
        const along = (list: readonly number[]) => add(...at.map((c, i) => (i === axis ? zero : times(c, list[i]))));
        return `for (var k = 0u; k < ${u32(where[axis])}; k++) {
    let source = ${add(along(own), times('k', own[axis]))};
    let index = indices[source];
    let target_at = ${add(along(strides), times(position('index', shape[axis]), strides[axis]))};
    y[target_at] = ${reduced(node.attributes.reduction, 'y[target_at]', 'updates[source]')};
  }`;
      },
    },
    context,
  );
  return { ...plan, inPlace: [{ input: 0, output: 0 }] };
}

/** One invocation makes all updates of one element of the slices, in order. */
export function scatterND(node: Node<'ScatterND'>, context: KernelContext): KernelPlan {
  const [data, indices] = node.inputs as readonly Value[];
  requireIntegers(indices);
  const shape = sizesOf(data);
  const where = sizesOf(indices);
  const length = where[where.length - 1];
  const count = product(where.slice(0, -1));
  const inner = product(shape.slice(length));
  const plan = mappedPlan(
    {
      label: `scatterND ${where.join('x')}`,
      shape: [inner],
      bindings: scatterBindings(storageOf(data.type.dtype)),
      element: i => `for (var k = 0u; k < ${u32(count)}; k++) {
    var base = 0u;
    ${tupleBase(shape, 0, length, 'k')}
    let target_at = base + ${i};
    y[target_at] = ${reduced(node.attributes.reduction, 'y[target_at]', `updates[k * ${u32(inner)} + ${i}]`)};
  }`,
    },
    context,
  );
  return { ...plan, inPlace: [{ input: 0, output: 0 }] };
}

export function oneHot(node: Node<'OneHot'>, context: KernelContext): KernelPlan {
  const [indices, , values] = node.inputs as readonly Value[];
  const shape = sizesOf(node.outputs[0]);
  const axis = normalizeAxis(node.attributes.axis, shape.length);
  const count = shape[axis];
  const type = storageOf(values.type.dtype);
  const own = stridesOf(sizesOf(indices));
  return mappedPlan(
    {
      label: `oneHot ${shape.join('x')}`,
      shape,
      bindings: {
        indices: reads(input(0), storageOf(indices.type.dtype)),
        values: reads(input(2), type),
        y: writes(output(0), type),
      },
      element: (flat, at) => {
        const rest = at.filter((_, i) => i !== axis);
        const index = add(...rest.map((c, i) => times(c, own[i])));
        return `let k = i32(indices[${index}]); let at = select(k, k + ${i32(count)}, k < 0);
  y[${flat}] = values[select(0u, 1u, at == i32(${at[axis]}))];`;
      },
    },
    context,
  );
}
