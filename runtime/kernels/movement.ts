/** Moving elements about: each output element is one input element (or a filling) that its coordinates point to. */
import { SutureError } from '../../ir/errors.ts';
import { inputAt, type Node, type Value } from '../../ir/graph.ts';
import { stridesOf } from '../../ir/numbers.ts';
import { integersOf, normalizeAxis } from '../../ir/operator.ts';
import { sliceRanges } from '../../ir/ops/movement.ts';
import { numbersOf } from '../../ir/tensor.ts';
import { literal, specialNumbers } from './functions.ts';
import type { KernelContext, KernelPlan } from './kernel.ts';
import { input, mappedPlan, output, reads, writes } from './mapped.ts';
import { sizesOf } from './shape.ts';
import { storageOf } from './storage.ts';
import { add, i32, times, u32, zero } from './wgsl.ts';

/** What an operand holds, where kernels need it before the run. */
function knownIntegers(value: Value | undefined, what: string): readonly number[] {
  const known = value && integersOf(value);
  if (known === undefined) throw new SutureError('kernel-missing', `its ${what} must be known before the run`);
  return known;
}

/** A kernel that copies to each output element the input element at `index`. It walks over `shape`, the output's own or fewer axes. */
function moved(
  node: Node,
  label: string,
  context: KernelContext,
  index: (at: readonly string[]) => { statements?: string; index: string; inside?: string; filling?: string },
  shape: readonly number[] = sizesOf(node.outputs[0]),
): KernelPlan {
  const [x] = node.inputs;
  const [y] = node.outputs;
  const type = storageOf(y.type.dtype);
  const filled = node.op === 'Pad' && node.inputs[2] !== undefined && node.inputs[2].constant === undefined;
  return mappedPlan(
    {
      label: `${label} ${sizesOf(x!).join('x')} -> ${sizesOf(y).join('x')}`,
      shape,
      bindings: {
        x: reads(input(0), type),
        ...(filled && { filling: reads(input(2), type) }),
        y: writes(output(0), type),
      },
      declarations: specialNumbers,
      element(flat, at) {
        const { statements = '', index: from, inside, filling = `${type}(0)` } = index(at);
        if (inside === undefined) return `${statements} y[${flat}] = x[${from}];`;
        return `${statements} if (${inside}) { y[${flat}] = x[${from}]; } else { y[${flat}] = ${filling}; }`;
      },
    },
    context,
  );
}

const dot = (at: readonly string[], strides: readonly number[]): string =>
  add(...at.map((c, i) => times(c, strides[i])));

export function transpose(node: Node<'Transpose'>, context: KernelContext): KernelPlan {
  const shape = sizesOf(inputAt(node, 0));
  const perm = node.attributes.perm ?? shape.map((_, i) => shape.length - 1 - i);
  const strides = stridesOf(shape);
  return moved(node, 'transpose', context, at => ({
    index: dot(
      at,
      perm.map(p => strides[p]),
    ),
  }));
}

export function slice(node: Node<'Slice'>, context: KernelContext): KernelPlan {
  const [x, starts, ends, axes, steps] = node.inputs;
  const shape = sizesOf(x!);
  const from = knownIntegers(starts, 'starts');
  const ranges = sliceRanges(
    shape,
    from,
    knownIntegers(ends, 'ends'),
    axes ? knownIntegers(axes, 'axes') : from.map((_, i) => i),
    steps ? knownIntegers(steps, 'steps') : from.map(() => 1),
  );
  if (!ranges) throw new SutureError('kernel-missing', 'its ranges must be known before the run');
  const strides = stridesOf(shape);
  const sizes = sizesOf(node.outputs[0]);
  // An axis that is taken whole is one with the axis before it, unless that is taken in steps: finding coordinates is dear.
  const walk: { size: number; start: number; step: number; stride: number }[] = [];
  for (const [axis, size] of sizes.entries()) {
    const { start, step } = ranges.find(r => r.axis === axis) ?? { start: 0, step: 1 };
    const last = walk.at(-1);
    if (last?.step === 1 && start === 0 && step === 1 && size === shape[axis]) {
      last.size *= size;
      last.start *= size;
      last.stride = strides[axis];
    } else walk.push({ size, start, step, stride: strides[axis] });
  }
  const index = (at: readonly string[]) =>
    add(
      ...walk.map(({ start, step, stride }, axis) => {
        const c = at[axis];
        return times(step > 0 ? add(u32(start), times(c, step)) : `(${u32(start)} - ${times(c, -step)})`, stride);
      }),
    );
  const walked = walk.map(({ size }) => size);
  return moved(node, 'slice', context, at => ({ index: index(at) }), walked);
}

export function expand(node: Node<'Expand' | 'Tile'>, context: KernelContext): KernelPlan {
  const from = sizesOf(inputAt(node, 0));
  const to = sizesOf(node.outputs[0]);
  const own = [...Array<number>(to.length - from.length).fill(1), ...from];
  const strides = stridesOf(own);
  return moved(node, node.op.toLowerCase(), context, at => ({
    index: add(
      ...at.map((c, axis) =>
        own[axis] === 1 ? zero : times(own[axis] === to[axis] ? c : `(${c} % ${u32(own[axis])})`, strides[axis]),
      ),
    ),
  }));
}

export function pad(node: Node<'Pad'>, context: KernelContext): KernelPlan {
  const [x, pads, value, axes] = node.inputs;
  const shape = sizesOf(x!);
  const by = knownIntegers(pads, 'pads');
  const along = axes ? knownIntegers(axes, 'axes').map(a => normalizeAxis(a, shape.length)) : shape.map((_, i) => i);
  const begins = shape.map((_, axis) => (along.includes(axis) ? by[along.indexOf(axis)] : 0));
  const strides = stridesOf(shape);
  const type = storageOf(x!.type.dtype);
  const filling = !value
    ? `${type}(0)`
    : value.constant
      ? literal(numbersOf(value.constant)[0] ?? 0, type, { width: 1 })
      : 'filling[0]';
  const { mode } = node.attributes;
  const to = sizesOf(node.outputs[0]);
  return moved(node, `pad ${mode}`, context, at => {
    const changed = shape.map((size, axis) => begins[axis] !== 0 || to[axis] !== size);
    const places = at.flatMap((c, axis) =>
      changed[axis] ? [`let p${axis} = ${reflected(mode, `i32(${c}) - ${i32(begins[axis])}`, shape[axis])};`] : [],
    );
    const index = add(...at.map((c, axis) => times(changed[axis] ? `u32(p${axis})` : c, strides[axis])));
    if (mode !== 'constant') return { statements: places.join(' '), index };
    const inside = at.flatMap((_, axis) => (changed[axis] ? [`p${axis} >= 0 && p${axis} < ${i32(shape[axis])}`] : []));
    return inside.length === 0
      ? { index }
      : { statements: places.join(' '), index, inside: inside.join(' && '), filling };
  });
}

/** The position that a padded position takes its element from. */
function reflected(mode: string, position: string, size: number): string {
  switch (mode) {
    case 'constant':
      return position;
    case 'edge':
      return `clamp(${position}, 0i, ${i32(size - 1)})`;
    case 'wrap':
      return `((${position}) % ${i32(size)} + ${i32(size)}) % ${i32(size)}`;
    case 'reflect': {
      if (size === 1) return i32(0);
      const period = 2 * (size - 1);
      const folded = `(((${position}) % ${i32(period)} + ${i32(period)}) % ${i32(period)})`;
      return `${i32(size - 1)} - abs(${folded} - ${i32(size - 1)})`;
    }
    default:
      throw new SutureError('kernel-missing', `the mode '${mode}' is unknown`);
  }
}

export function depthToSpace(node: Node<'DepthToSpace'>, context: KernelContext): KernelPlan {
  const [, c, h, w] = sizesOf(inputAt(node, 0));
  const { blocksize: b, mode } = node.attributes;
  const channels = c / (b * b);
  const strides = stridesOf([1, c, h, w]);
  return moved(node, 'depthToSpace', context, ([n, k, y, x]) => {
    const block = `(${y} % ${u32(b)} * ${u32(b)} + ${x} % ${u32(b)})`;
    const channel = mode === 'DCR' ? `(${block} * ${u32(channels)} + ${k})` : `(${k} * ${u32(b * b)} + ${block})`;
    return { index: dot([n, channel, `(${y} / ${u32(b)})`, `(${x} / ${u32(b)})`], strides) };
  });
}

export function spaceToDepth(node: Node<'SpaceToDepth'>, context: KernelContext): KernelPlan {
  const [, c, h, w] = sizesOf(inputAt(node, 0));
  const { blocksize: b } = node.attributes;
  const strides = stridesOf([1, c, h, w]);
  return moved(node, 'spaceToDepth', context, ([n, k, y, x]) => {
    const block = `(${k} / ${u32(c)})`;
    return {
      index: dot(
        [
          n,
          `(${k} % ${u32(c)})`,
          `(${y} * ${u32(b)} + ${block} / ${u32(b)})`,
          `(${x} * ${u32(b)} + ${block} % ${u32(b)})`,
        ],
        strides,
      ),
    };
  });
}

export function trilu(node: Node<'Trilu'>, context: KernelContext): KernelPlan {
  const [x, k] = node.inputs;
  const shape = sizesOf(x!);
  const shift = k ? knownIntegers(k, 'diagonal')[0] : 0;
  const limit = (n: number) => Math.min(Math.max(n, -(2 ** 30)), 2 ** 30);
  const strides = stridesOf(shape);
  return moved(node, 'trilu', context, at => {
    const [row, column] = at.slice(-2);
    const diagonal = `i32(${row}) + ${i32(limit(shift))}`;
    const inside = node.attributes.upper ? `i32(${column}) >= ${diagonal}` : `i32(${column}) <= ${diagonal}`;
    return { index: dot(at, strides), inside };
  });
}
