/** The operators of training stitches: switches, feature losses, their adjoints, and the optimiser. */
import { SutureError } from '../../ir/errors.ts';
import type { Node, Value } from '../../ir/graph.ts';
import { channelAxis } from '../../ir/ops/stitching.ts';
import type { Dispatch, KernelContext, KernelPlan, Operand } from './kernel.ts';
import { input, mappedPlan, output } from './mapped.ts';
import { ModuleBuilder } from './module.ts';
import { Rows } from './rows.ts';
import { sizesOf, stridesOf } from './shape.ts';
import { add, f32, product, times, u32, zero } from './wgsl.ts';

const scratch = (index: number): Operand => ({ kind: 'scratch', index });

/** The index of the weight of source `s` for an element; weights line up with features from the left. */
function weightIndex(weights: Value, s: number, at: readonly string[]): string {
  const shape = sizesOf(weights);
  const strides = stridesOf(shape);
  return add(u32(s * strides[0]), ...shape.slice(1).map((n, i) => times(n === 1 ? zero : at[i], strides[i + 1])));
}

export function switchPlan(node: Node<'Switch'>, context: KernelContext): KernelPlan {
  const [weights, ...features] = node.inputs as readonly Value[];
  const shape = sizesOf(node.outputs[0]);
  return mappedPlan(
    {
      label: `switch ${shape.join('x')}`,
      shape,
      bindings: [
        { name: 'w', operand: input(0), type: 'f32' },
        ...features.map((_, s) => ({ name: `x${s}`, operand: input(s + 1), type: 'f32' })),
        { name: 'y', operand: output(0), type: 'f32', access: 'read_write' as const },
      ],
      // A source of weight 0 is left out rather than multiplied, so that what is in it cannot matter.
      element: (i, at) =>
        `var total = 0.0; ${features
          .map(
            (_, s) =>
              `{ let w = w[${weightIndex(weights, s, at)}]; if (w == 1.0) { total += x${s}[${i}]; } else if (w != 0.0) { total += w * x${s}[${i}]; } }`,
          )
          .join(' ')} y[${i}] = total;`,
    },
    context,
  );
}

/** Pieces that a sum over a whole tensor is cut into; their sums are added up in a second pass. */
function piecesOf(length: number, wanted: number): number {
  for (let pieces = Math.min(wanted, Math.ceil(length / 64)); pieces > 1; pieces--)
    if (length % pieces === 0) return pieces;
  return 1;
}

/** Keeps the normalised loss of a feature that never varies finite; the same as in the operator's body. */
const varianceFloor = 1e-8;

/**
 * The moments that a normalised loss needs, by pieces: the sum of squared differences, the sum of the reference, and the
 * squared deviations of the reference from the piece's own mean. Deviations of pieces combine exactly (Chan, Golub and
 * LeVeque 1979), so one pass over memory does.
 */
function momentPass(
  length: number,
  pieces: number,
  label: string,
  operands: { readonly x: Operand | undefined; readonly reference: Operand; readonly to: Operand },
  normalize: boolean,
  context: KernelContext,
): Dispatch {
  const each = length / pieces;
  const rows = new Rows({ outer: pieces, length: each, inner: 1 }, context);
  const module = new ModuleBuilder();
  if (operands.x) module.bind('x', operands.x);
  module.bind('reference', operands.reference);
  module.bind('y', operands.to, 'f32', 'read_write');
  const names = [...(operands.x ? ['squares'] : []), ...(normalize ? ['total'] : [])];
  const body = [
    rows.sums(names, (_k, at) => ({
      statements: `let r = reference[${at}];${operands.x ? ` let d = x[${at}] - r;` : ''}`,
      terms: [...(operands.x ? ['d * d'] : []), ...(normalize ? ['r'] : [])],
    })),
    ...(normalize
      ? [
          `let mean = total / ${f32(each)};`,
          rows.sums(['deviations'], (_k, at) => ({ statements: `let e = reference[${at}] - mean;`, terms: ['e * e'] })),
        ]
      : []),
    rows.once(
      `y[row * 3u] = ${operands.x ? 'squares' : '0.0'}; ${normalize ? 'y[row * 3u + 1u] = mean; y[row * 3u + 2u] = deviations;' : ''}`,
    ),
  ];
  return rows.dispatch(label, module, body);
}

/** WGSL that combines the pieces' moments in `parts` into `squares` and `variance`. */
function combineMoments(length: number, pieces: number, normalize: boolean): string {
  const each = f32(length / pieces);
  const over = (body: string) => `for (var p = 0u; p < ${u32(pieces)}; p++) { ${body} }`;
  return [
    `var squares = 0.0; ${over('squares += parts[p * 3u];')}`,
    ...(normalize
      ? [
          `var means = 0.0; ${over('means += parts[p * 3u + 1u];')}`,
          `let mean = means / ${f32(pieces)};`,
          `var deviations = 0.0; ${over(`let e = parts[p * 3u + 1u] - mean; deviations += parts[p * 3u + 2u] + ${each} * e * e;`)}`,
          `let variance = deviations / ${f32(length)} + ${f32(varianceFloor)};`,
        ]
      : ['let variance = 1.0;']),
  ].join('\n  ');
}

const lossPieces = (context: KernelContext): number => (context.adapterClass === 'gpu' ? 256 : 64);

export function featureLoss(node: Node<'FeatureLoss'>, context: KernelContext): KernelPlan {
  const shape = sizesOf(node.inputs[0]!);
  const length = product(shape);
  const pieces = piecesOf(length, lossPieces(context));
  const normalize = node.attributes.normalize !== 0;
  const label = `featureLoss ${shape.join('x')}`;
  const first = momentPass(
    length,
    pieces,
    label,
    { x: input(0), reference: input(1), to: scratch(0) },
    normalize,
    context,
  );
  const module = new ModuleBuilder();
  module.bind('parts', scratch(0));
  module.bind('y', output(0), 'f32', 'read_write');
  const kept = node.outputs.length > 1;
  if (kept) module.bind('divisor', output(1), 'f32', 'read_write');
  const body = `  ${combineMoments(length, pieces, normalize)}
  y[0] = squares / ${f32(length)} / variance;
  ${kept ? 'divisor[0] = variance;' : ''}`;
  const second = module.dispatch(`${label} sum`, [1, 1, 1], { workgroup: 1, body });
  return { dispatches: [first, second], scratch: [{ bytes: 12 * pieces, lifetime: 'run' }] };
}

export function featureLossGrad(node: Node<'FeatureLossGrad'>, context: KernelContext): KernelPlan {
  const shape = sizesOf(node.inputs[1]!);
  const length = product(shape);
  const label = `featureLossGrad ${shape.join('x')}`;
  const normalize = node.attributes.normalize !== 0;
  const pieces = piecesOf(length, lossPieces(context));
  const given = normalize && node.inputs[3] !== undefined;
  const anew = normalize && !given;
  const moments = anew
    ? [momentPass(length, pieces, label, { x: undefined, reference: input(2), to: scratch(0) }, true, context)]
    : [];
  const factor: Dispatch[] = [];
  if (anew) {
    const module = new ModuleBuilder();
    module.bind('parts', scratch(0));
    module.bind('divisor', scratch(1), 'f32', 'read_write');
    const body = `  ${combineMoments(length, pieces, true)}
  divisor[0] = variance + 0.0 * squares;`;
    factor.push(module.dispatch(`${label} sum`, [1, 1, 1], { workgroup: 1, body }));
  }
  const scaled = mappedPlan(
    {
      label,
      shape: [length],
      bindings: [
        { name: 'dloss', operand: input(0), type: 'f32' },
        { name: 'x', operand: input(1), type: 'f32' },
        { name: 'reference', operand: input(2), type: 'f32' },
        ...(normalize ? [{ name: 'divisor', operand: given ? input(3) : scratch(1), type: 'f32' }] : []),
        { name: 'dx', operand: output(0), type: 'f32', access: 'read_write' as const },
      ],
      element: i =>
        `dx[${i}] = (x[${i}] - reference[${i}]) * (dloss[0] * ${f32(2 / length)}${normalize ? ' / divisor[0]' : ''});`,
    },
    context,
  );
  return {
    dispatches: [...moments, ...factor, ...scaled.dispatches],
    scratch: anew
      ? [
          { bytes: 12 * pieces, lifetime: 'run' },
          { bytes: 4, lifetime: 'run' },
        ]
      : [],
  };
}

/**
 * The gradient of a stitch's parameters: sums over samples and positions for each pair of channels. The positions are cut into
 * pieces; an invocation takes a tile of channel pairs over one piece, keeps the sums in registers, and a second pass adds the
 * pieces up. Nothing is shared and nothing is atomic.
 */
export function stitchGrad(node: Node<'StitchGrad'>, context: KernelContext): KernelPlan {
  const [dy, x] = node.inputs.map(v => sizesOf(v!));
  const axis = channelAxis(dy.length);
  const [m, c] = [dy[axis], x[axis]];
  const last = axis === dy.length - 1;
  const batch = last ? 1 : dy[0];
  const positions = last ? product(dy.slice(0, -1)) : product(dy.slice(2));
  const gpu = context.adapterClass === 'gpu';
  const tile = (n: number) => Math.min(n, gpu ? 4 : 8);
  const [tm, tc] = [tile(m), tile(c)];
  const [blocksM, blocksC] = [Math.ceil(m / tm), Math.ceil(c / tc)];
  const perSample = piecesOf(positions, Math.max(1, Math.ceil((gpu ? 16384 : 512) / (blocksM * blocksC * batch))));
  const pieces = batch * perSample;
  const each = positions / perSample;
  const width = m * (c + 1);
  // Position s of sample n: channels are `stride` apart.
  const place = (channels: number, channel: string) =>
    last ? `s * ${u32(channels)} + ${channel}` : `(n * ${u32(channels)} + ${channel}) * ${u32(positions)} + s`;
  const pairs = Array.from({ length: tm * tc }, (_, i) => [Math.floor(i / tc), i % tc] as const);
  const range = (n: number) => Array.from({ length: n }, (_, i) => i);
  const ragged = { m: m % tm !== 0, c: c % tc !== 0 };
  const load = (name: string, i: number, count: number, channel: string, rest: boolean) =>
    `let ${name}${i} = ${name}[${place(count, rest ? `min(${channel} + ${u32(i)}, ${u32(count - 1)})` : `(${channel} + ${u32(i)})`)}];`;
  const guarded = (statement: string, conditions: readonly (string | false)[]) => {
    const present = conditions.filter(condition => condition !== false);
    return present.length === 0 ? statement : `if (${present.join(' && ')}) { ${statement} }`;
  };
  const first = mappedPlan(
    {
      label: `stitchGrad ${m}x${c} over ${batch}x${positions}`,
      shape: [pieces, blocksM, blocksC],
      bindings: [
        { name: 'g', operand: input(0), type: 'f32' },
        { name: 'x', operand: input(1), type: 'f32' },
        { name: 'parts', operand: scratch(0), type: 'f32', access: 'read_write' },
      ],
      element: (_i, [piece, bm, bc]) => `
  let n = ${times(`(${piece} / ${u32(perSample)})`, 1)};
  let begin = ${piece} % ${u32(perSample)} * ${u32(each)};
  let m0 = ${bm} * ${u32(tm)};
  let k0 = ${bc} * ${u32(tc)};
  ${pairs.map(([i, j]) => `var s${i}_${j} = 0.0;`).join(' ')}
  ${range(tm)
    .map(i => `var b${i} = 0.0;`)
    .join(' ')}
  for (var s = begin; s < begin + ${u32(each)}; s++) {
    ${range(tm)
      .map(i => load('g', i, m, 'm0', ragged.m))
      .join(' ')}
    ${range(tc)
      .map(j => load('x', j, c, 'k0', ragged.c))
      .join(' ')}
    ${pairs.map(([i, j]) => `s${i}_${j} = fma(g${i}, x${j}, s${i}_${j});`).join(' ')}
    ${range(tm)
      .map(i => `b${i} += g${i};`)
      .join(' ')}
  }
  let base = ${piece} * ${u32(width)};
  ${pairs
    .map(([i, j]) =>
      guarded(`parts[base + (m0 + ${u32(i)}) * ${u32(c)} + k0 + ${u32(j)}] = s${i}_${j};`, [
        ragged.m && i > 0 && `m0 + ${u32(i)} < ${u32(m)}`,
        ragged.c && j > 0 && `k0 + ${u32(j)} < ${u32(c)}`,
      ]),
    )
    .join('\n  ')}
  if (k0 == 0u) { ${range(tm)
    .map(i =>
      guarded(`parts[base + ${u32(m * c)} + m0 + ${u32(i)}] = b${i};`, [
        ragged.m && i > 0 && `m0 + ${u32(i)} < ${u32(m)}`,
      ]),
    )
    .join(' ')} }`,
    },
    context,
  );
  const second = mappedPlan(
    {
      label: `stitchGrad ${m}x${c} sum`,
      shape: [width],
      bindings: [
        { name: 'parts', operand: scratch(0), type: 'f32' },
        { name: 'dw', operand: output(0), type: 'f32', access: 'read_write' },
        { name: 'db', operand: output(1), type: 'f32', access: 'read_write' },
      ],
      element: i => `var total = 0.0;
  for (var p = 0u; p < ${u32(pieces)}; p++) { total += parts[p * ${u32(width)} + ${i}]; }
  if (${i} < ${u32(m * c)}) { dw[${i}] = total; } else { db[${i} - ${u32(m * c)}] = total; }`,
    },
    context,
  );
  return {
    dispatches: [...first.dispatches, ...second.dispatches],
    scratch: [{ bytes: 4 * width * pieces, lifetime: 'run' }],
  };
}

/** `Σ dY · feature` over all axes that a weight is spread over, for each source. */
export function switchGrad(node: Node<'SwitchGrad'>, context: KernelContext): KernelPlan {
  const [dy, weights, ...features] = node.inputs as readonly Value[];
  const shape = sizesOf(dy);
  const rest = sizesOf(weights).slice(1);
  // The weights' own axes come first; the sums run over all that follow, and over those of extent 1.
  const kept = rest.filter(n => n > 1).length;
  if (kept > 1) throw new SutureError('kernel-missing', 'its weights vary along more than one axis');
  const axis = rest.findIndex(n => n > 1);
  const outer = axis < 0 ? 1 : product(shape.slice(0, axis));
  const count = axis < 0 ? 1 : rest[axis];
  const inner = product(shape) / outer / count;
  const dispatches: Dispatch[] = [];
  for (const [s] of features.entries()) {
    // Two passes: along the inner axes for each (outer, kept), then over the outer ones.
    const module = new ModuleBuilder();
    module.bind('dy', input(0));
    module.bind('x', input(s + 2));
    module.bind('y', scratch(0), 'f32', 'read_write');
    const rows = new Rows({ outer: outer * count, length: inner, inner: 1 }, context);
    const label = `switchGrad ${shape.join('x')}`;
    dispatches.push(
      rows.dispatch(label, module, [
        rows.sums(['total'], (_k, at) => ({ terms: [`dy[${at}] * x[${at}]`] })),
        rows.once('y[row] = total;'),
      ]),
    );
    dispatches.push(
      ...mappedPlan(
        {
          label: `${label} sum`,
          shape: [count],
          bindings: [
            { name: 'parts', operand: scratch(0), type: 'f32' },
            { name: 'dw', operand: output(0), type: 'f32', access: 'read_write' },
          ],
          element: i =>
            `var total = 0.0; for (var o = 0u; o < ${u32(outer)}; o++) { total += parts[o * ${u32(count)} + ${i}]; } dw[${add(u32(s * count), i)}] = total;`,
        },
        context,
      ).dispatches,
    );
  }
  return { dispatches, scratch: [{ bytes: 4 * outer * count, lifetime: 'run' }] };
}

/** The parameter and both moments are updated where they lie. */
export function adamW(node: Node<'AdamW'>, context: KernelContext): KernelPlan {
  const shape = sizesOf(node.inputs[0]!);
  const { beta1, beta2, epsilon, weight_decay } = node.attributes;
  const plan = mappedPlan(
    {
      label: `adamW ${product(shape)}`,
      shape: [product(shape)],
      bindings: [
        { name: 'gradient', operand: input(1), type: 'f32' },
        { name: 'rate', operand: input(4), type: 'f32' },
        { name: 'bias1', operand: input(5), type: 'f32' },
        { name: 'bias2', operand: input(6), type: 'f32' },
        { name: 'parameter', operand: output(0), type: 'f32', access: 'read_write' },
        { name: 'm', operand: output(1), type: 'f32', access: 'read_write' },
        { name: 'v', operand: output(2), type: 'f32', access: 'read_write' },
      ],
      element: i => `let g = gradient[${i}];
  let first = m[${i}] * ${f32(beta1)} + g * ${f32(1 - beta1)};
  let second = v[${i}] * ${f32(beta2)} + g * g * ${f32(1 - beta2)};
  m[${i}] = first;
  v[${i}] = second;
  let step = first / bias1[0] / (sqrt(second / bias2[0]) + ${f32(epsilon)});
  let p = parameter[${i}];
  parameter[${i}] = p - p * (rate[0] * ${f32(weight_decay)}) - step * rate[0];`,
    },
    context,
  );
  return {
    ...plan,
    inPlace: [
      { input: 0, output: 0 },
      { input: 2, output: 1 },
      { input: 3, output: 2 },
    ],
  };
}
