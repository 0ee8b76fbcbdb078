import { addDims, multiplyDims, subtractDims } from '../../../ir/dim.ts';
import type { Value } from '../../../ir/graph.ts';
import { product, range } from '../../../ir/numbers.ts';
import { convTransposeWindow, convWindow } from '../../../ir/ops/linear.ts';
import type { Window } from '../../../ir/ops/spatial.ts';
import { arrayFor, type Tensor } from '../../../ir/tensor.ts';
import type { Shape } from '../../../ir/type.ts';
import { type Emit, known } from '../emit.ts';
import type { AdjointArguments, AdjointTable } from '../rule.ts';

const spatialAxes = (rank: number): number[] => range(2, rank);
const extentOf = (window: Window, i: number): number => window.dilations[i] * (window.kernel[i] - 1) + 1;

/** Sums over the batch and all positions. */
export const overPositions = (e: Emit, g: Value): Value => e.sum(g, [0, ...spatialAxes(g.type.shape.length)], 0);

/**
 * The kernel of the adjoint: [M, C/g, k...] as [C, M/g, k...], each kernel turned around in every spatial axis. A convolution with
 * it is the adjoint of one with the original where the stride is 1.
 */
function flippedKernel(t: Tensor, group: number): Tensor {
  const [m, perGroup, ...kernel] = t.shape;
  const [outputs, size] = [m / group, product(kernel)];
  const data = arrayFor(t.dtype, t.data.length);
  for (let g = 0; g < group; g++) {
    for (let o = 0; o < outputs; o++) {
      for (let i = 0; i < perGroup; i++) {
        const from = ((g * outputs + o) * perGroup + i) * size;
        const to = ((g * perGroup + i) * outputs + o) * size;
        // Turning every axis around is reading the kernel backwards.
        for (let k = 0; k < size; k++) data[to + k] = t.data[from + size - 1 - k];
      }
    }
  }
  return { dtype: t.dtype, shape: [perGroup * group, outputs, ...kernel], data };
}

/** {@link flippedKernel} of a kernel that is trained, of one group. */
function flippedAsComputed(e: Emit, w: Value): Value {
  const axes = spatialAxes(w.type.shape.length);
  const each = (value: number): Value => e.b.ints(axes.map(() => value));
  const lowest = -(2 ** 31);
  const turned = e.b.op('Slice', [w, each(-1), each(lowest), e.b.ints(axes), each(-1)]);
  return e.b.op('Transpose', [turned], { perm: [1, 0, ...axes] });
}

/** How a ConvTranspose must pad so that it gives `wanted` extents out of `given` ones. */
export function transposedPadding(given: Shape, wanted: Shape, window: Window, of: Value) {
  const rank = window.kernel.length;
  const pads = [...window.pads];
  const outputPadding = wanted.map((extent, i) => {
    const stretched = subtractDims(given[i], 1);
    const full = addDims(
      typeof stretched === 'number' ? stretched * window.strides[i] : times(stretched, window.strides[i]),
      extentOf(window, i),
    );
    const missing = known(subtractDims(extent, addDims(full, -pads[i] - pads[rank + i])), of);
    // A last window that reached past the padding: what it saw there is cut off again.
    if (missing < 0) pads[rank + i] -= missing;
    return Math.max(0, missing);
  });
  return { pads, output_padding: outputPadding };
}

const times = (dim: Shape[number], by: number): Shape[number] =>
  range(0, by).reduce<Shape[number]>(sum => addDims(sum, dim), 0);

/** The gradient of a convolution's input: see `passes/differentiate/index.ts` for why which form is chosen. */
function convInput({ e, node, x: [x, w], dy }: AdjointArguments<'Conv'>): Value {
  const { group } = node.attributes;
  const window = convWindow(node.attributes, x.type.shape, w.type.shape);
  const rank = window.kernel.length;
  const turned = window.pads.map((p, i) => extentOf(window, i % rank) - 1 - p);
  const { dilations, strides } = window;
  if ((w.constant || group === 1) && strides.every(s => s === 1) && turned.every(p => p >= 0)) {
    const weight = w.constant
      ? e.derived(w, group === 1 ? 'flipped' : `flipped${group}`, t => flippedKernel(t, group))
      : flippedAsComputed(e, w);
    return e.b.op('Conv', [dy, weight], { dilations, group, pads: turned, strides });
  }
  const padding = transposedPadding(dy.type.shape.slice(2), x.type.shape.slice(2), window, x);
  return e.b.op('ConvTranspose', [dy, w], { dilations, group, strides, ...padding });
}

/** [N, G·C, ...] as [C, G·N, ...]: channels become the batch, the batch what is summed over, in each group. */
function byChannel(e: Emit, x: Value, group: number): Value {
  const [n, channels, ...spatial] = x.type.shape;
  const axes = spatialAxes(x.type.shape.length);
  if (group === 1) return e.b.op('Transpose', [x], { perm: [1, 0, ...axes] });
  const perGroup = known(channels, x) / group;
  const apart = e.reshape(x, [n, group, perGroup, ...spatial]);
  const turned = e.b.op('Transpose', [apart], { perm: [2, 1, 0, ...axes.map(i => i + 1)] });
  return e.reshape(turned, [perGroup, multiplyDims(group, n), ...spatial]);
}

/** [N, G·C, ...] as a kernel [G·C, N, ...]. */
const asKernel = (e: Emit, x: Value): Value =>
  e.b.op('Transpose', [x], { perm: [1, 0, ...spatialAxes(x.type.shape.length)] });

/**
 * The gradient of a kernel as a convolution: channels are the batch, the batch is what is summed over, and the output's gradient is
 * the kernel, so that strides and dilations trade places.
 */
function kernelGradient(e: Emit, image: Value, kernel: Value, window: Window, group: number): Value {
  const rank = window.kernel.length;
  const full = e.b.op('Conv', [byChannel(e, image, group), asKernel(e, kernel)], {
    dilations: window.strides,
    group,
    pads: window.pads,
    strides: window.dilations,
  });
  // Rows that no window reached make the result longer than the kernel.
  const axes = range(2, 2 + rank);
  const longer = axes.some((axis, i) => full.type.shape[axis] !== window.kernel[i]);
  const cut = longer
    ? e.b.op('Slice', [full, e.b.ints(axes.map(() => 0)), e.b.ints(window.kernel), e.b.ints(axes)])
    : full;
  return asKernel(e, cut);
}

/** numpy's matmul takes vectors: as a row on the left, as a column on the right. */
function matMul({ e, x: [a, b], dy }: AdjointArguments<'MatMul'>) {
  const row = a.type.shape.length === 1;
  const column = b.type.shape.length === 1;
  const wide = (v: Value, axis: number): Value => e.b.op('Unsqueeze', [v, e.b.ints([axis])]);
  let gradient = dy;
  if (column) gradient = wide(gradient, -1);
  if (row) gradient = wide(gradient, -2);
  const narrow = (g: Value, to: Value, vector: boolean): Value =>
    vector ? e.reshapeLike(e.reduceTo(g, pair(to)), to) : g;
  const pair = (v: Value): Shape => (v === a ? [1, v.type.shape[0]] : [v.type.shape[0], 1]);
  return [
    () => narrow(e.b.op('MatMul', [gradient, e.transposed(column ? wide(b, -1) : b)]), a, row),
    () => narrow(weightGradient(e, row ? wide(a, 0) : a, gradient, b), b, column),
  ];
}

/** `Aᵀ · dY`. Where B is one matrix for all rows of A, the rows are put together first instead of summed over after. */
function weightGradient(e: Emit, a: Value, dy: Value, b: Value): Value {
  const [left, right] = [a.type.shape, dy.type.shape];
  const [k, n] = [left[left.length - 1], right[right.length - 1]];
  if (b.type.shape.length !== 2 || left.length < 3 || typeof k !== 'number' || typeof n !== 'number') {
    return e.b.op('MatMul', [e.transposed(a), dy]);
  }
  const rows = (v: Value, columns: number): Value => e.b.op('Reshape', [v, e.b.ints([-1, columns])]);
  return e.b.op('Gemm', [rows(a, k), rows(dy, n)], { transA: 1 });
}

export const linear: AdjointTable<'Conv' | 'ConvTranspose' | 'MatMul' | 'Gemm'> = {
  Conv: given => {
    const { e, node, x, dy } = given;
    const [image, w] = x;
    return [
      () => convInput(given),
      () => {
        const window = convWindow(node.attributes, image.type.shape, w.type.shape);
        return kernelGradient(e, image, dy, window, node.attributes.group);
      },
      () => overPositions(e, dy),
    ];
  },

  /** The adjoint of a transposed convolution is the convolution that it was the adjoint of. */
  ConvTranspose: ({ e, node, x: [x, w], dy }) => {
    const { group } = node.attributes;
    const window = convTransposeWindow(node.attributes, x.type.shape, w.type.shape);
    const { dilations, strides, pads } = window;
    return [
      () => {
        const g = e.b.op('Conv', [dy, w], { dilations, group, pads, strides });
        // With output padding past the stride the convolution finds room for more windows than there were.
        const axes = range(2, x.type.shape.length);
        const cut = axes.filter(i => typeof x.type.shape[i] === 'number' && g.type.shape[i] !== x.type.shape[i]);
        if (cut.length === 0) return g;
        const ends = cut.map(i => known(x.type.shape[i], x));
        return e.b.op('Slice', [g, e.b.ints(cut.map(() => 0)), e.b.ints(ends), e.b.ints(cut)]);
      },
      () => kernelGradient(e, dy, x, window, group),
      () => overPositions(e, dy),
    ];
  },

  MatMul: matMul,

  Gemm: ({ e, node, x: [a, b], dy }) => {
    const { alpha, beta, transA, transB } = node.attributes;
    return [
      () =>
        transA
          ? e.b.op('Gemm', [b, dy], { alpha, transA: transB, transB: 1 })
          : e.b.op('Gemm', [dy, b], { alpha, transB: 1 - transB }),
      () =>
        transB
          ? e.b.op('Gemm', [dy, a], { alpha, transA: 1, transB: transA })
          : e.b.op('Gemm', [a, dy], { alpha, transA: 1 - transA }),
      () => e.mul(dy, beta),
    ];
  },
};
