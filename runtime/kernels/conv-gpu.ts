/** Convolution on GPUs as an implicit matrix product: channels are rows, positions columns, and taps of channels the sum. */
import { axesOf, type ConvSpec, convLabel, convMacs, kernelSize } from './conv-spec.ts';
import { convFinish } from './conv-store.ts';
import type { Dispatch, Epilogue, KernelContext, KernelPlan } from './kernel.ts';
import { splitsOf } from './matmul.ts';
import { chooseWorkgroupTile, type TiledBody, tiledGrid, tiledLoop, tiledMain, tiledStore } from './matmul-gpu.ts';
import { ceilDiv, i32, ModuleBuilder, product, u32, unravel } from './wgsl.ts';

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
      lines.push(`let s${i} = i32(${at[i]!}) + ${i32(pad)} - i32(${kernelAt[i]!}) * ${i32(dilation)};`);
      if (stride > 1) lines.push(`if (s${i} < 0i || s${i} % ${i32(stride)} != 0i) { return 0.0; }`);
      lines.push(`let i${i} = s${i} / ${i32(stride)};`);
    } else {
      lines.push(
        `let i${i} = i32(${at[i]!}) * ${i32(stride)} + i32(${kernelAt[i]!}) * ${i32(dilation)} - ${i32(pad)};`,
      );
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

export function convTiled(spec: ConvSpec, context: KernelContext, epilogue?: Epilogue): KernelPlan {
  const groupOut = spec.outChannels / spec.groups;
  const groupIn = spec.inChannels / spec.groups;
  const taps = kernelSize(spec);
  const positions = product(spec.output);
  const [m, n, k] = [groupOut, spec.batch * positions, groupIn * taps];
  const tile = chooseWorkgroupTile(m, n);
  const tiles = ceilDiv(m, tile.rows) * ceilDiv(n, tile.columns) * spec.groups;
  const splits = splitsOf(k, tiles, 128, 256);
  const piece = ceilDiv(ceilDiv(k, splits), tile.depth) * tile.depth;
  const pieces = ceilDiv(k, piece);

  const builder = new ModuleBuilder();
  builder.bind('x', { kind: 'input', index: 0 });
  builder.bind('w', { kind: 'input', index: 1 });
  const finish = convFinish(spec, builder, pieces, context, epilogue);
  builder.declare(inputReader(spec, groupIn));
  const place = tiledGrid({ m, n, batch: spec.groups, pieces }, tile, context);
  const body: TiledBody = {
    m,
    n,
    tile,
    prologue: [
      `let begin = ${pieces === 1 ? '0u' : `split * ${u32(piece)}`};`,
      `let end = ${pieces === 1 ? u32(k) : `min(begin + ${u32(piece)}, ${u32(k)})`};`,
    ],
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
  builder.declare(tiledMain(threads, [...place.lines, ...lines, ...stores]));
  const dispatch: Dispatch = {
    label: convLabel(spec),
    wgsl: builder.text(),
    workgroups: place.workgroups,
    operands: builder.operands,
    macs: convMacs(spec),
  };
  return { dispatches: [dispatch, ...finish.dispatches], scratch: finish.scratch };
}
