/**
 * Convolution with a large window, for software adapters: loops over the taps instead of unrolling them, and cuts the sum
 * into pieces where there are few outputs. The gradient of a convolution's weights is of this kind: its window is a whole
 * feature map, its outputs a handful.
 */
import { range } from '../../ir/numbers.ts';
import { axesOf, type ConvSpec, convLabel, convMacs } from './conv-spec.ts';
import { convFinish } from './conv-store.ts';
import type { KernelContext, KernelPlan } from './kernel.ts';
import { pieceRange, piecesOfSum } from './matmul-parts.ts';
import { ModuleBuilder } from './module.ts';
import { add, ceilDiv, foldGrid, i32, times, u32, unravel } from './wgsl.ts';

// Conditions are joined by `&`, which evaluates both sides: `&&` is a branch, and branches are what compiling chokes on.

/** Taps along the last axis that one turn of the inner loop takes: as many as a quad loads at once. */
const unroll = 4;

export function convWindow(spec: ConvSpec, context: KernelContext): KernelPlan {
  const axes = axesOf(spec);
  const [depth, height, width] = axes;
  const groupOut = spec.outChannels / spec.groups;
  const groupIn = spec.inChannels / spec.groups;
  const quads = context.features.has('subgroups');
  const channels = Math.min(groupOut, 8);
  const columns = Math.min(width.output, 4);
  const columnTiles = ceilDiv(width.output, columns);
  const blocks = ceilDiv(groupOut, channels);
  const lanes = spec.batch * depth.output * height.output * columnTiles;
  const workgroup = lanes >= 64 ? 32 : Math.min(16, ceilDiv(lanes, 4) * 4);
  const laneGroups = ceilDiv(lanes, workgroup);
  const rows = groupIn * depth.kernel * height.kernel;
  const pieces = piecesOfSum(rows, laneGroups * blocks * spec.groups, 16, 4, 1);
  const groups = laneGroups * blocks * spec.groups * pieces.count;
  const grid = foldGrid(groups, context.limits);

  const builder = new ModuleBuilder();
  if (quads) builder.enable('subgroups');
  builder.bind('x', { kind: 'input', index: 0 });
  builder.bind('w', { kind: 'input', index: 1 });
  const finish = convFinish(spec, builder, pieces.count, context);

  const lines: string[] = [];
  const emit = (line: string) => lines.push(`  ${line}`);
  const flat = grid.flat('wid');
  emit(`let group = ${grid.padded ? `min(${flat}, ${u32(groups - 1)})` : flat};`);
  const [split, g, block, laneGroup] = unravel('group', [pieces.count, spec.groups, blocks, laneGroups]);
  emit(`let split = ${split};`);
  emit(`let g = ${g};`);
  emit(`let oc = (${block}) * ${u32(channels)};`);
  emit(`let linear = (${laneGroup}) * ${u32(workgroup)} + lid;`);
  emit(`let place = min(linear, ${u32(lanes - 1)});`);
  const [n, od, oh, tile] = unravel('place', [spec.batch, depth.output, height.output, columnTiles]);
  emit(`let n = ${n};`);
  emit(`let od = ${od};`);
  emit(`let oh = ${oh};`);
  emit(`let ow = ${times(`(${tile})`, columns)};`);
  for (const c of range(channels)) for (const t of range(columns)) emit(`var s${c}_${t} = 0.0;`);

  const weightRow = (c: number): string => {
    // Channels beyond the edge repeat the last one; the store leaves them out.
    const channel = groupOut % channels === 0 ? add('oc', u32(c)) : `min(${add('oc', u32(c))}, ${u32(groupOut - 1)})`;
    const pair = spec.transposed
      ? `(g * ${u32(groupIn)} + ic) * ${u32(groupOut)} + ${channel}`
      : `(g * ${u32(groupOut)} + ${channel}) * ${u32(groupIn)} + ic`;
    return `((${pair}) * ${u32(depth.kernel)} + kd) * ${u32(height.kernel)} + kh`;
  };
  /** Declares `i<name>`, the input coordinate of an output at a tap, and `v<name>`, whether it exists. */
  const source = (name: string, axis: (typeof axes)[number], at: string, tap: string): string[] => {
    const { stride, dilation, pad, input } = axis;
    if (!spec.transposed) {
      const offset = `i32(${add(times(at, stride), times(tap, dilation))})`;
      return [
        `let i${name} = ${pad === 0 ? offset : `${offset} - ${i32(pad)}`};`,
        `let v${name} = (i${name} >= 0i) & (i${name} < ${i32(input)});`,
      ];
    }
    return [
      `let r${name} = i32(${at}) + ${i32(pad)} - i32(${times(tap, dilation)});`,
      `let i${name} = r${name} / ${i32(stride)};`,
      `let v${name} = (r${name} >= 0i) & (r${name} % ${i32(stride)} == 0i) & (i${name} < ${i32(input)});`,
    ];
  };
  const clamped = (name: string, axis: (typeof axes)[number]) => `u32(clamp(i${name}, 0i, ${i32(axis.input - 1)}))`;

  pieceRange(rows, pieces).forEach(emit);
  emit('for (var r = begin; r < end; r++) {');
  const [ic, kd, kh] = unravel('r', [groupIn, depth.kernel, height.kernel]);
  emit(`  let ic = ${ic};`);
  emit(`  let kd = ${kd};`);
  emit(`  let kh = ${kh};`);
  for (const line of [...source('d', depth, 'od', 'kd'), ...source('h', height, 'oh', 'kh')]) emit(`  ${line}`);
  emit(`  let channel = n * ${u32(spec.inChannels)} + g * ${u32(groupIn)} + ic;`);
  emit(
    `  let xr = ((channel * ${u32(depth.input)} + ${clamped('d', depth)}) * ${u32(height.input)} + ${clamped('h', height)}) * ${u32(width.input)};`,
  );
  for (const c of range(channels)) emit(`  let wr${c} = (${weightRow(c)}) * ${u32(width.kernel)};`);

  /** `taps` multiplications per output and channel, at taps `kw`, `kw + 1`, ...; weights through the quad or one by one. */
  const turn = (taps: number, shared: boolean) => {
    for (const c of range(channels)) if (shared) emit(`    let q${c} = w[wr${c} + kw + (lane & 3u)];`);
    const inputs = new Map<string, string>();
    const inputAt = (t: number, u: number): string => {
      const key = spec.transposed ? `${t}_${u}` : String(t * width.stride + u * width.dilation);
      const known = inputs.get(key);
      if (known !== undefined) return known;
      const name = `w${inputs.size}`;
      for (const line of source(name, width, add('ow', u32(t)), add('kw', u32(u)))) emit(`    ${line}`);
      emit(`    let x${name} = select(0.0, x[xr + ${clamped(name, width)}], vd & vh & v${name});`);
      inputs.set(key, `x${name}`);
      return `x${name}`;
    };
    const reads = range(columns).map(t => range(taps).map(u => inputAt(t, u)));
    for (const c of range(channels)) {
      for (const u of range(taps)) {
        emit(`    let f${c}_${u} = ${shared ? `quadBroadcast(q${c}, ${u}u)` : `w[wr${c} + ${add('kw', u32(u))}]`};`);
      }
      for (const t of range(columns)) {
        emit(
          `    s${c}_${t} += ${range(taps)
            .map(u => `${reads[t][u]} * f${c}_${u}`)
            .join(' + ')};`,
        );
      }
    }
  };
  emit('  var kw = 0u;');
  if (width.kernel >= unroll) {
    emit(`  for (; kw + ${u32(unroll - 1)} < ${u32(width.kernel)}; kw += ${u32(unroll)}) {`);
    turn(unroll, quads);
    emit('  }');
  }
  if (width.kernel % unroll !== 0) {
    emit(`  for (; kw < ${u32(width.kernel)}; kw++) {`);
    turn(1, false);
    emit('  }');
  }
  emit('}');

  const guards: string[] = [];
  if (laneGroups * workgroup !== lanes) guards.push(`linear < ${u32(lanes)}`);
  if (grid.padded) guards.push(`${flat} < ${u32(groups)}`);
  if (guards.length > 0) emit(`if (${guards.join(' && ')}) {`);
  const plane = height.output * width.output;
  emit(`let start = ${add(times('od', plane), times('oh', width.output), 'ow')};`);
  for (const c of range(channels)) {
    for (const t of range(columns)) {
      const inside: string[] = [];
      if (groupOut % channels !== 0 && c > 0) inside.push(`oc + ${u32(c)} < ${u32(groupOut)}`);
      if (width.output % columns !== 0 && t > 0) inside.push(`ow + ${u32(t)} < ${u32(width.output)}`);
      const channel = `(g * ${u32(groupOut)} + ${add('oc', u32(c))})`;
      const statement = finish.store(`s${c}_${t}`, 'n', channel, add('start', u32(t)));
      emit(inside.length > 0 ? `if (${inside.join(' && ')}) { ${statement} }` : statement);
    }
  }
  if (guards.length > 0) emit('}');

  const entry = { workgroup, group: 'wid', local: 'lid', lane: quads ? 'lane' : undefined, body: lines.join('\n') };
  const dispatch = { ...builder.dispatch(convLabel(spec), grid.workgroups, entry), macs: convMacs(spec) };
  return { dispatches: [dispatch, ...finish.dispatches], scratch: finish.scratch };
}
