/** Convolution on GPUs as an implicit matrix product: channels are rows, positions columns, and taps of channels the sum. */
import { product } from '../../ir/numbers.ts';
import { axesOf, type ConvSpec, convLabel, convMacs, kernelSize } from './conv-spec.ts';
import { convFinish } from './conv-store.ts';
import type { KernelContext, KernelPlan } from './kernel.ts';
import {
  type TiledBody,
  tiledEntry,
  tiledGrid,
  tiledLoop,
  tiledPieces,
  tiledStore,
  type WorkgroupTile,
  workgroupTiles,
} from './matmul-gpu.ts';
import { type Pieces, pieceRange } from './matmul-parts.ts';
import { ModuleBuilder } from './module.ts';
import { i32, u32, unravel } from './wgsl.ts';

/** WGSL of the function that reads the input for element `k` of the sum and column `column` of the output. */
function inputReader(spec: ConvSpec, groupIn: number): string {
  const axes = axesOf(spec);
  const positions = product(spec.output);
  const taps = kernelSize(spec);
  const lines = [
    `let n = column / ${u32(positions)};`,
    `let position = column % ${u32(positions)};`,
    `let ic = k / ${u32(taps)};`,
    `let tap = k % ${u32(taps)};`,
  ];
  const at = unravel(
    'position',
    axes.map(axis => axis.output),
  );
  const kernelAt = unravel(
    'tap',
    axes.map(axis => axis.kernel),
  );
  axes.forEach((axis, i) => {
    const { stride, dilation, pad, input } = axis;
    if (spec.transposed) {
      lines.push(`let s${i} = i32(${at[i]}) + ${i32(pad)} - i32(${kernelAt[i]}) * ${i32(dilation)};`);
      if (stride > 1) lines.push(`if (s${i} < 0i || s${i} % ${i32(stride)} != 0i) { return 0.0; }`);
      lines.push(`let i${i} = s${i} / ${i32(stride)};`);
    } else {
      lines.push(`let i${i} = i32(${at[i]}) * ${i32(stride)} + i32(${kernelAt[i]}) * ${i32(dilation)} - ${i32(pad)};`);
    }
    lines.push(`if (i${i} < 0i || i${i} >= ${i32(input)}) { return 0.0; }`);
  });
  const [d, h, w] = axes;
  lines.push(`let channel = n * ${u32(spec.inChannels)} + g * ${u32(groupIn)} + ic;`);
  lines.push(
    `return x[((channel * ${u32(d.input)} + u32(i0)) * ${u32(h.input)} + u32(i1)) * ${u32(w.input)} + u32(i2)];`,
  );
  return `fn input(g: u32, k: u32, column: u32) -> f32 {\n  ${lines.join('\n  ')}\n}`;
}

/** Rows, columns and terms of the product that one group of channels is. */
function productShape(spec: ConvSpec) {
  const groupIn = spec.inChannels / spec.groups;
  const taps = kernelSize(spec);
  return { m: spec.outChannels / spec.groups, n: spec.batch * product(spec.output), k: groupIn * taps };
}

/** The tiles that a convolution as a product may have, the standard one first, and the pieces that its sum is cut into. */
export function convTiles(spec: ConvSpec, context: KernelContext) {
  const { m, n, k } = productShape(spec);
  return { tiles: workgroupTiles(m, n, context), pieces: tiledPieces(m, n, k, spec.groups) };
}

export function convTiled(spec: ConvSpec, tile: WorkgroupTile, pieces: Pieces, context: KernelContext): KernelPlan {
  const groupOut = spec.outChannels / spec.groups;
  const groupIn = spec.inChannels / spec.groups;
  const taps = kernelSize(spec);
  const positions = product(spec.output);
  const { m, n, k } = productShape(spec);

  const builder = new ModuleBuilder();
  builder.bind('x', { kind: 'input', index: 0 });
  builder.bind('w', { kind: 'input', index: 1 });
  const finish = convFinish(spec, builder, pieces.count, context);
  builder.declare(inputReader(spec, groupIn));
  const place = tiledGrid({ m, n, batch: spec.groups, pieces }, tile, context);
  const body: TiledBody = {
    m,
    n,
    tile,
    prologue: pieceRange(k, pieces),
    a: (row, at) =>
      spec.transposed
        ? `w[((element * ${u32(groupIn)} + ${at} / ${u32(taps)}) * ${u32(groupOut)} + ${row}) * ${u32(taps)} + ${at} % ${u32(taps)}]`
        : `w[(element * ${u32(groupOut)} + ${row}) * ${u32(k)} + ${at}]`,
    b: (at, column) => `input(element, ${at}, ${column})`,
    alongK: { a: !spec.transposed, b: false },
  };
  const { lines, threads } = tiledLoop(builder, body);
  const stores = tiledStore(body, (value, row, column) =>
    finish.store(
      value,
      `((${column}) / ${u32(positions)})`,
      `(element * ${u32(groupOut)} + ${row})`,
      `((${column}) % ${u32(positions)})`,
    ),
  );
  const entry = tiledEntry(threads, [...place.lines, ...lines, ...stores]);
  const dispatch = { ...builder.dispatch(convLabel(spec), place.workgroups, entry), macs: convMacs(spec) };
  return { dispatches: [dispatch, ...finish.dispatches], scratch: finish.scratch };
}
