/** Pooling over windows. Each output element goes through its window; the bounds of the input are checked where pads exist. */
import { SutureError } from '../../ir/errors.ts';
import type { Node } from '../../ir/graph.ts';
import { product, stridesOf } from '../../ir/numbers.ts';
import { type Window, windowOf } from '../../ir/ops/spatial.ts';
import type { KernelContext, KernelPlan } from './kernel.ts';
import { input, mappedPlan, output, reads, writes } from './mapped.ts';
import { sizesOf } from './shape.ts';
import { storageOf } from './storage.ts';
import { f32, i32, u32 } from './wgsl.ts';

interface Geometry {
  readonly window: Window;
  readonly spatial: readonly number[];
  readonly out: readonly number[];
}

function geometryOf(
  attributes: Parameters<typeof windowOf>[0] & { readonly kernel_shape: readonly number[] },
  x: readonly number[],
  y: readonly number[],
): Geometry {
  const spatial = x.slice(2);
  return { window: windowOf(attributes, attributes.kernel_shape, spatial), spatial, out: y.slice(2) };
}

/**
 * Loops over the window of an output element. `body` sees `p0`, `p1`, ... (i32 positions in the input) and `at` (the flat index
 * within the spatial extents), for positions inside of the input; `outside` is put where a position lies beyond it.
 */
function overWindow({ window, spatial }: Geometry, at: readonly string[], body: string, outside = ''): string {
  const strides = stridesOf(spatial);
  const { kernel, dilations, pads } = window;
  const start = kernel.map((_, i) => `let s${i} = i32(${at[i + 2]}) * ${i32(window.strides[i])} - ${i32(pads[i])};`);
  const position = kernel.map((_, i) => `let p${i} = s${i} + w${i} * ${i32(dilations[i])};`).join(' ');
  const inside = kernel.map((_, i) => `p${i} >= 0 && p${i} < ${i32(spatial[i])}`).join(' && ');
  const index = kernel.map((_, i) => `u32(p${i}) * ${u32(strides[i])}`).join(' + ');
  const innermost = `${position} if (${inside}) { let at = ${index}; ${body} }${outside ? ` else { ${outside} }` : ''}`;
  const loops = kernel.reduceRight(
    (inner, size, i) => `for (var w${i} = 0; w${i} < ${i32(size)}; w${i}++) { ${inner} }`,
    innermost,
  );
  return `${start.join(' ')} ${loops}`;
}

const planeBase = (x: readonly number[], at: readonly string[]): string => {
  const size = product(x.slice(2));
  return `let plane = (${at[0]} * ${u32(x[1])} + ${at[1]}) * ${u32(size)};`;
};

export function maxPool(node: Node<'MaxPool'>, context: KernelContext): KernelPlan {
  const [x] = node.inputs;
  const [y, indices] = node.outputs;
  const [xs, ys] = [sizesOf(x!), sizesOf(y)];
  const geometry = geometryOf(node.attributes, xs, ys);
  const type = storageOf(x!.type.dtype);
  const index = node.attributes.storage_order === 0 ? 'at' : columnMajor(geometry.spatial);
  return mappedPlan(
    {
      label: `maxPool ${xs.join('x')} k${geometry.window.kernel.join('x')}`,
      shape: ys,
      bindings: {
        x: reads(input(0), type),
        y: writes(output(0), type),
        ...(indices && { indices: writes(output(1), 'i32') }),
      },
      element: (flat, at) => `${planeBase(xs, at)}
  var best = ${type}(0); var found = false; var best_at = 0u;
  ${overWindow(geometry, at, `let v = x[plane + at]; if (!found || v > best || v != v) { best = v; best_at = ${index}; found = true; }`)}
  y[${flat}] = best;
  ${indices ? `indices[${flat}] = i32(plane + best_at);` : ''}`,
    },
    context,
  );
}

function columnMajor(spatial: readonly number[]): string {
  let stride = 1;
  return spatial
    .map((size, i) => {
      const term = `u32(p${i}) * ${u32(stride)}`;
      stride *= size;
      return term;
    })
    .join(' + ');
}

export function averagePool(node: Node<'AveragePool'>, context: KernelContext): KernelPlan {
  const [x] = node.inputs;
  const [y] = node.outputs;
  const [xs, ys] = [sizesOf(x!), sizesOf(y)];
  const geometry = geometryOf(node.attributes, xs, ys);
  const { pads } = geometry.window;
  const rank = geometry.spatial.length;
  // Pads count, but what a ceiling adds beyond them does not.
  const inPads = geometry.spatial.map((size, i) => `p${i} < ${i32(size + pads[rank + i])}`).join(' && ');
  const outside = node.attributes.count_include_pad ? `if (${inPads}) { count += 1.0; }` : '';
  return mappedPlan(
    {
      label: `averagePool ${xs.join('x')} k${geometry.window.kernel.join('x')}`,
      shape: ys,
      bindings: { x: reads(input(0)), y: writes(output(0)) },
      element: (flat, at) => `${planeBase(xs, at)}
  var total = 0.0; var count = 0.0;
  ${overWindow(geometry, at, 'total += x[plane + at]; count += 1.0;', outside)}
  y[${flat}] = total / count;`,
    },
    context,
  );
}

export function lpPool(node: Node<'LpPool'>, context: KernelContext): KernelPlan {
  const [x] = node.inputs;
  const [y] = node.outputs;
  const [xs, ys] = [sizesOf(x!), sizesOf(y)];
  const geometry = geometryOf(node.attributes, xs, ys);
  const { p } = node.attributes;
  const term = p === 1 ? 'abs(v)' : p === 2 ? 'v * v' : `pow(abs(v), ${f32(p)})`;
  const root = p === 1 ? 'total' : p === 2 ? 'sqrt(total)' : `pow(total, ${f32(1 / p)})`;
  return mappedPlan(
    {
      label: `lpPool ${xs.join('x')} k${geometry.window.kernel.join('x')}`,
      shape: ys,
      bindings: { x: reads(input(0)), y: writes(output(0)) },
      element: (flat, at) => `${planeBase(xs, at)}
  var total = 0.0;
  ${overWindow(geometry, at, `let v = x[plane + at]; total += ${term};`)}
  y[${flat}] = ${root};`,
    },
    context,
  );
}

/**
 * Each input element gathers the gradients of the windows of which it is the first maximum: it is greater than all before it
 * in the window, and no less than all after it. Nothing is scattered, so nothing needs atomics.
 */
export function maxPoolGrad(node: Node<'MaxPoolGrad'>, context: KernelContext): KernelPlan {
  const [dy, x] = node.inputs;
  const [xs, ys] = [sizesOf(x!), sizesOf(dy!)];
  const geometry = geometryOf(node.attributes, xs, ys);
  const { window, spatial, out } = geometry;
  const rank = spatial.length;
  if (rank > 3) throw new SutureError('kernel-missing', `it has ${rank} spatial axes, and its kernel takes 3`);
  const outStrides = stridesOf(out);
  const outSize = product(out);
  const element = (flat: string, at: readonly string[]): string => {
    // Window `o` starts at `o * stride - pad` and holds this element if the distance is a multiple of the dilation.
    const distance = spatial.map((_, i) => {
      const { strides, pads } = window;
      return `let e${i} = i32(${at[i + 2]}) + ${i32(pads[i])} - o${i} * ${i32(strides[i])};`;
    });
    const holds = spatial.map((_, i) => {
      const { kernel, dilations } = window;
      const reach = dilations[i] * (kernel[i] - 1);
      const whole = dilations[i] === 1 ? '' : ` && e${i} % ${i32(dilations[i])} == 0`;
      return `e${i} >= 0 && e${i} <= ${i32(reach)}${whole}`;
    });
    const origin = spatial.map((_, i) => `u32(o${i})`);
    const own = spatial.map((_, i) => `e${i} / ${i32(window.dilations[i])}`);
    const earlier = orderOf(
      spatial.map((_, i) => `w${i}`),
      own,
    );
    const compare = `let v = x[plane + at]; if (${earlier}) { if (v >= mine) { first = false; } } else if (v > mine) { first = false; }`;
    const outIndex = spatial.map((_, i) => `u32(o${i}) * ${u32(outStrides[i])}`).join(' + ');
    const inner = `${distance.join(' ')} if (${holds.join(' && ')}) {
    var first = true;
    ${overWindow(geometry, ['', '', ...origin], compare)}
    if (first) { total += dy[windows + ${outIndex}]; }
  }`;
    const loops = spatial.reduceRight((body, _, i) => {
      const { kernel, dilations, strides, pads } = window;
      const reach = dilations[i] * (kernel[i] - 1);
      const low = `max(0, (i32(${at[i + 2]}) + ${i32(pads[i])} - ${i32(reach)} + ${i32(strides[i] - 1)}) / ${i32(strides[i])})`;
      const high = `min(${i32(out[i] - 1)}, (i32(${at[i + 2]}) + ${i32(pads[i])}) / ${i32(strides[i])})`;
      return `for (var o${i} = ${low}; o${i} <= ${high}; o${i}++) { ${body} }`;
    }, inner);
    return `${planeBase(xs, at)}
  let windows = (${at[0]} * ${u32(xs[1])} + ${at[1]}) * ${u32(outSize)};
  let mine = x[${flat}];
  var total = 0.0;
  ${loops}
  dx[${flat}] = total;`;
  };
  return mappedPlan(
    {
      label: `maxPoolGrad ${xs.join('x')} k${window.kernel.join('x')}`,
      shape: xs,
      bindings: { dy: reads(input(0)), x: reads(input(1)), dx: writes(output(0)) },
      element,
    },
    context,
  );
}

/** Whether position `a` comes before position `b` in row-major order. */
function orderOf(a: readonly string[], b: readonly string[]): string {
  return a
    .map((_, i) => {
      const equal = a.slice(0, i).map((w, k) => `${w} == ${b[k]}`);
      return `(${[...equal, `${a[i]} < ${b[i]}`].join(' && ')})`;
    })
    .join(' || ');
}
