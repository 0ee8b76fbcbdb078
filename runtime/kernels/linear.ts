/** Convolutions and matrix products: from nodes to the specifications of their kernels. */
import { SutureError } from '../../ir/errors.ts';
import { inputAt, type Node } from '../../ir/graph.ts';
import { product, stridesOf } from '../../ir/numbers.ts';
import { convTransposeWindow, convWindow } from '../../ir/ops/linear.ts';
import type { Window } from '../../ir/ops/spatial.ts';
import { channelAxis } from '../../ir/ops/stitching.ts';
import { planConv } from './conv.ts';
import type { Epilogue, KernelContext, KernelPlan } from './kernel.ts';
import { input, mappedPlan, output, reads, writes } from './mapped.ts';
import { planMatMul } from './matmul.ts';
import type { MatMulSpec, MatrixStrides } from './matmul-spec.ts';
import { sizesOf } from './shape.ts';
import { storageOf } from './storage.ts';
import { add, times, u32, unravel, zero } from './wgsl.ts';

export function conv(node: Node<'Conv'>, context: KernelContext): KernelPlan {
  const [x, w] = node.inputs;
  const window = convWindow(node.attributes, sizesOf(x!), sizesOf(w!));
  return windowed(node, window, false, context);
}

export function convTranspose(node: Node<'ConvTranspose'>, context: KernelContext): KernelPlan {
  const [x, w] = node.inputs;
  const window = convTransposeWindow(node.attributes, sizesOf(x!), sizesOf(w!));
  return windowed(node, window, true, context);
}

function windowed(
  node: Node<'Conv' | 'ConvTranspose'>,
  window: Window,
  transposed: boolean,
  context: KernelContext,
): KernelPlan {
  const [x, w, bias] = node.inputs;
  const [batch, inChannels, ...input] = sizesOf(x!);
  const [, outChannels, ...output] = sizesOf(node.outputs[0]);
  requireFloat(node);
  if (input.length > 3) {
    throw new SutureError('kernel-missing', `it has ${input.length} spatial axes, and its kernel takes 3`);
  }
  return planConv(
    {
      transposed,
      batch,
      inChannels,
      outChannels,
      groups: node.attributes.group,
      input,
      output,
      kernel: window.kernel,
      strides: window.strides,
      dilations: window.dilations,
      padsBegin: window.pads.slice(0, input.length),
      bias: bias !== undefined,
      constantWeights: w!.constant !== undefined,
    },
    context,
  );
}

function requireFloat(node: Node): void {
  const { dtype } = inputAt(node, 0).type;
  if (storageOf(dtype) !== 'f32') throw new SutureError('kernel-missing', `its kernel takes floats, not ${dtype}`);
}

/** The strides of batch axes of `shape` (without its matrices) along those of the output; 0 where it is broadcast. */
function batchStrides(shape: readonly number[], strides: readonly number[], to: readonly number[]): number[] {
  return to.map((_, i) => {
    const axis = i - (to.length - shape.length);
    return axis < 0 || shape[axis] === 1 ? 0 : strides[axis];
  });
}

/** The operand `[..., rows, columns]` of a product. */
function matrix(shape: readonly number[], batch: readonly number[]): MatrixStrides {
  const strides = stridesOf(shape);
  return {
    batch: batchStrides(shape.slice(0, -2), strides, batch),
    row: strides[shape.length - 2],
    column: strides[shape.length - 1],
  };
}

/** For a product whose axes are not those of the node's output: the epilogue finds its place from the flat index alone. */
function reindexed({ epilogue, ...context }: KernelContext, shape: readonly number[]): KernelContext {
  if (epilogue === undefined) return context;
  const emit: Epilogue['emit'] = (value, { flat }, input) => {
    const [batch = zero, channel = zero] = unravel('flat', shape).map(e => `(${e})`);
    const { statements = '', result } = epilogue.emit(value, { flat: 'flat', channel, batch }, input);
    return { statements: `let flat = ${flat}; ${statements}`, result };
  };
  return { ...context, epilogue: { ...epilogue, emit } };
}

export function matMul(node: Node<'MatMul'>, context: KernelContext): KernelPlan {
  const type = storageOf(inputAt(node, 0).type.dtype);
  if (type !== 'f32' && context.epilogue)
    throw new SutureError('kernel-missing', 'a product of integers takes no epilogue');
  const [left, right] = node.inputs.map(v => sizesOf(v!));
  const a = left.length === 1 ? [1, ...left] : left;
  const b = right.length === 1 ? [...right, 1] : right;
  const output = [...sizesOf(node.outputs[0])];
  if (left.length === 1) output.splice(output.length - (right.length === 1 ? 0 : 1), 0, 1);
  if (right.length === 1) output.push(1);
  const batch = output.slice(0, -2);
  const [m, n, k] = [a[a.length - 2], b[b.length - 1], a[a.length - 1]];
  if (type !== 'f32') {
    return integerProduct({ batch, m, n, k, a: matrix(a, batch), b: matrix(b, batch), alpha: 1 }, type, context);
  }
  // One matrix for all of the batch, as in linear layers, is one tall product.
  if (batch.length > 0 && b.slice(0, -2).every(d => d === 1) && product(a.slice(0, -2)) === product(batch)) {
    const rows = product(batch) * m;
    const spec: MatMulSpec = {
      batch: [],
      m: rows,
      n,
      k,
      a: { batch: [], row: k, column: 1 },
      b: { batch: [], row: n, column: 1 },
      alpha: 1,
    };
    return planMatMul(spec, reindexed(context, sizesOf(node.outputs[0])));
  }
  return planMatMul({ batch, m, n, k, a: matrix(a, batch), b: matrix(b, batch), alpha: 1 }, context);
}

/** A product of integers, an element to an invocation. Sums wrap around at 32 bits. */
function integerProduct(spec: MatMulSpec, type: 'i32' | 'u32', context: KernelContext): KernelPlan {
  const { batch, m, n, k, a, b } = spec;
  const start = (at: readonly string[], strides: readonly number[]) => add(...strides.map((s, i) => times(at[i], s)));
  return mappedPlan(
    {
      label: `matmul ${type} ${[...batch, m, n, k].join('x')}`,
      shape: [...batch, m, n],
      bindings: { a: reads(input(0), type), b: reads(input(1), type), y: writes(output(0), type) },
      element: (flat, at) => `var total = ${type}(0);
  let row = ${start(at, [...a.batch, a.row, 0])};
  let column = ${start(at, [...b.batch, 0, b.column])};
  for (var j = 0u; j < ${u32(k)}; j++) {
    total += a[row + ${times('j', a.column)}] * b[column + ${times('j', b.row)}];
  }
  y[${flat}] = total;`,
    },
    context,
  );
}

export function gemm(node: Node<'Gemm'>, context: KernelContext): KernelPlan {
  requireFloat(node);
  const [a, b, c] = node.inputs;
  const { alpha, beta, transA, transB } = node.attributes;
  const [m, n] = sizesOf(node.outputs[0]);
  const left = sizesOf(a!);
  const right = sizesOf(b!);
  const k = transA ? left[0] : left[1];
  const addend = c && [1, 1, ...sizesOf(c)].slice(-2);
  return planMatMul(
    {
      batch: [],
      m,
      n,
      k,
      a: transA ? { batch: [], row: 1, column: left[1] } : { batch: [], row: left[1], column: 1 },
      b: transB ? { batch: [], row: 1, column: right[1] } : { batch: [], row: right[1], column: 1 },
      alpha,
      ...(addend && {
        c: { batch: [], row: addend[0] === 1 ? 0 : addend[1], column: addend[1] === 1 ? 0 : 1, beta },
      }),
    },
    context,
  );
}

/** A 1×1 convolution, or a matrix product where the channels come last. */
export function stitch(node: Node<'Stitch'>, context: KernelContext): KernelPlan {
  requireFloat(node);
  const [x, weight] = node.inputs;
  const shape = sizesOf(x!);
  const [outChannels, inChannels] = sizesOf(weight!);
  if (channelAxis(shape.length) === shape.length - 1) {
    return planMatMul(
      {
        batch: [],
        m: product(shape.slice(0, -1)),
        n: outChannels,
        k: inChannels,
        a: { batch: [], row: inChannels, column: 1 },
        b: { batch: [], row: 1, column: inChannels },
        alpha: 1,
        c: { batch: [], row: 0, column: 1, beta: 1 },
      },
      reindexed(context, shape),
    );
  }
  const size = product(shape.slice(2));
  return planConv(
    {
      transposed: false,
      batch: shape[0],
      inChannels,
      outChannels,
      groups: 1,
      input: [size],
      output: [size],
      kernel: [1],
      strides: [1],
      dilations: [1],
      padsBegin: [0],
      bias: true,
      constantWeights: weight!.constant !== undefined,
    },
    context,
  );
}
