import type { Node } from '../../ir/graph.ts';
import { product, range } from '../../ir/numbers.ts';
import { channelAxis } from '../../ir/ops/stitching.ts';
import type { KernelContext, KernelPlan } from './kernel.ts';
import { input, mappedPlan, output, reads, scratch, writes } from './mapped.ts';
import { piecesOf } from './rows.ts';
import { sizesOf } from './shape.ts';
import { times, u32 } from './wgsl.ts';

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
      bindings: { g: reads(input(0)), x: reads(input(1)), parts: writes(scratch(0)) },
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
      bindings: { parts: reads(scratch(0)), dw: writes(output(0)), db: writes(output(1)) },
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
