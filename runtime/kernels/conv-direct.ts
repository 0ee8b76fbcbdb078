/**
 * Direct convolution with register tiles: each invocation computes some output channels of a small block of outputs, and
 * nothing is shared between invocations but what a quad can pass between its lanes.
 *
 * This is what a software adapter wants. There a subgroup is one SIMD register, arithmetic on registers is cheap, barriers
 * are costly, and above all a load from a buffer is one scalar load per lane, about twenty multiplications dear. Hence:
 * each input is loaded once per block and serves all taps, outputs and channels; and since every lane needs the same
 * weights, each lane of a quad loads one of four and the quad passes them around.
 */
import { product, range } from '../../ir/numbers.ts';
import {
  type AxisPattern,
  alwaysInside,
  axesOf,
  axisPattern,
  type ConvSpec,
  convLabel,
  convMacs,
} from './conv-spec.ts';
import type { Dispatch, KernelContext, KernelPlan } from './kernel.ts';
import { bindEpilogue, ModuleBuilder } from './module.ts';
import { add, ceilDiv, foldGrid, i32, times, u32, unravel } from './wgsl.ts';

/** The sizes of a direct convolution. */
export interface DirectTile {
  /** Outputs per invocation along depth, height and width; transposed, rounded up to whole strides. */
  readonly block: readonly [number, number, number];
  /** Output channels per invocation. */
  readonly channels: number;
  /** Invocations per workgroup. */
  readonly workgroup: number;
}

/** One multiplication of the unrolled body: output `position` of the block takes input `input`, weighted by `tap`. */
interface Product {
  readonly position: number;
  readonly input: number;
  readonly tap: number;
}

interface Body {
  readonly patterns: readonly [AxisPattern, AxisPattern, AxisPattern];
  /** The block's inputs: per axis, the index into the pattern's offsets. */
  readonly inputs: readonly (readonly [number, number, number])[];
  readonly products: readonly Product[];
  readonly positions: number;
}

function unrolledBody(spec: ConvSpec, tile: DirectTile): Body {
  const axes = axesOf(spec);
  const pattern = (i: 0 | 1 | 2) => axisPattern(axes[i], spec.transposed, tile.block[i]);
  const patterns = [pattern(0), pattern(1), pattern(2)] as const;
  const inputs: [number, number, number][] = [];
  const inputIndex = new Map<string, number>();
  const products: Product[] = [];
  const [pd, ph, pw] = patterns;
  for (const d of pd.taps) {
    for (const h of ph.taps) {
      for (const w of pw.taps) {
        const at: [number, number, number] = [
          pd.offsets.indexOf(d.offset),
          ph.offsets.indexOf(h.offset),
          pw.offsets.indexOf(w.offset),
        ];
        let input = inputIndex.get(at.join());
        if (input === undefined) {
          input = inputs.push(at) - 1;
          inputIndex.set(at.join(), input);
        }
        const position = (d.t * ph.tile + h.t) * pw.tile + w.t;
        const tap = (d.k * axes[1].kernel + h.k) * axes[2].kernel + w.k;
        products.push({ position, input, tap });
      }
    }
  }
  return { patterns, inputs, products, positions: pd.tile * ph.tile * pw.tile };
}

/** Blocks of output channels in all groups, and weights per block and input channel, padded to whole quads. */
function packedLayout(spec: ConvSpec, tile: DirectTile) {
  const groupOut = spec.outChannels / spec.groups;
  const groupIn = spec.inChannels / spec.groups;
  const blocksPerGroup = ceilDiv(groupOut, tile.channels);
  const taps = product(spec.kernel);
  const row = ceilDiv(tile.channels * taps, 4) * 4;
  return { groupOut, groupIn, blocksPerGroup, taps, row, total: spec.groups * blocksPerGroup * groupIn * row };
}

/** The dispatch that brings weights from ONNX's layout to `[group, block of channels, input channel, channel, tap]`. */
function packWeights(spec: ConvSpec, tile: DirectTile, context: KernelContext): Dispatch {
  const { groupOut, groupIn, blocksPerGroup, taps, row, total } = packedLayout(spec, tile);
  const builder = new ModuleBuilder();
  builder.bind('w', { kind: 'input', index: 1 });
  builder.bind('packed', { kind: 'scratch', index: 0 }, 'f32', 'read_write');
  const grid = foldGrid(ceilDiv(total, 64), context.limits);
  const source = spec.transposed
    ? `((g * ${u32(groupIn)} + ic) * ${u32(groupOut)} + oc) * ${u32(taps)} + tap`
    : `((g * ${u32(groupOut)} + oc) * ${u32(groupIn)} + ic) * ${u32(taps)} + tap`;
  const body = `  let i = ${grid.flat('wid')} * 64u + lid;
  if (i >= ${u32(total)}) { return; }
  let element = i % ${u32(row)};
  let ic = (i / ${u32(row)}) % ${u32(groupIn)};
  let block = (i / ${u32(row * groupIn)}) % ${u32(blocksPerGroup)};
  let g = i / ${u32(row * groupIn * blocksPerGroup)};
  let oc = block * ${u32(tile.channels)} + element / ${u32(taps)};
  let tap = element % ${u32(taps)};
  var value = 0.0;
  if (element < ${u32(tile.channels * taps)} && oc < ${u32(groupOut)}) { value = w[${source}]; }
  packed[i] = value;`;
  const label = `pack weights for ${convLabel(spec)}`;
  const packing = builder.dispatch(label, grid.workgroups, { workgroup: 64, group: 'wid', local: 'lid', body });
  return { ...packing, once: spec.constantWeights };
}

const axisNames = ['d', 'h', 'w'] as const;

/**
 * A plan that packs the weights and convolves. Any specification is accepted; the text grows with
 * `block * channels * kernel`, so callers keep that product in the hundreds.
 */
export function convDirect(spec: ConvSpec, tile: DirectTile, context: KernelContext): KernelPlan {
  const layout = packedLayout(spec, tile);
  const { groupOut, groupIn, blocksPerGroup, taps, row } = layout;
  const body = unrolledBody(spec, tile);
  const { patterns } = body;
  const counts = patterns.map(pattern => pattern.tiles);
  const invocations = spec.batch * product(counts);
  const quads = context.features.has('subgroups');
  const exact = context.subgroups?.min === 4 && context.subgroups.max === 4;
  const broadcast = exact ? 'subgroupBroadcast' : 'quadBroadcast';
  const perBlock = ceilDiv(invocations, tile.workgroup);
  const grid = foldGrid(perBlock * blocksPerGroup * spec.groups, context.limits);

  const builder = new ModuleBuilder();
  if (quads) builder.enable('subgroups');
  builder.bind('x', { kind: 'input', index: 0 });
  builder.bind('w', { kind: 'scratch', index: 0 });
  if (spec.bias) builder.bind('bias', { kind: 'input', index: 2 });
  builder.bind('y', { kind: 'output', index: 0 }, 'f32', 'read_write');
  const store = bindEpilogue(builder, context, spec.bias ? 3 : 2);

  const lines: string[] = [];
  const emit = (line: string) => lines.push(`  ${line}`);
  const groups = perBlock * blocksPerGroup * spec.groups;
  emit(`let group = ${grid.padded ? `min(${grid.flat('wid')}, ${u32(groups - 1)})` : grid.flat('wid')};`);
  emit(`let block = group / ${u32(perBlock)};`);
  emit(`let linear = (group % ${u32(perBlock)}) * ${u32(tile.workgroup)} + lid;`);
  // Lanes beyond the last block repeat it up to the store: a quad must stay whole to pass weights around.
  emit(`let tile = min(linear, ${u32(invocations - 1)});`);
  const [n, ...at] = unravel('tile', [spec.batch, ...counts]);
  emit(`let n = ${n};`);
  emit(`let g = block / ${u32(blocksPerGroup)};`);
  emit(`let oc = (block % ${u32(blocksPerGroup)}) * ${u32(tile.channels)};`);

  // Where the block's inputs lie along each axis, clamped into the input, and whether they exist.
  const inputStrides = [patterns[1].input * patterns[2].input, patterns[2].input, 1];
  patterns.forEach((pattern, axis) => {
    const name = axisNames[axis];
    emit(`let t${name} = ${at[axis]};`);
    pattern.offsets.forEach((offset, i) => {
      const position = `${times(`t${name}`, pattern.step)}`;
      const stride = inputStrides[axis];
      if (alwaysInside(pattern, offset)) {
        emit(`let ${name}${i} = (${add(position, u32(offset))}) * ${u32(stride)};`);
      } else {
        emit(`let ${name}${i}s = i32(${position}) + ${i32(offset)};`);
        emit(`let ${name}${i}v = (${name}${i}s >= 0i) & (${name}${i}s < ${i32(pattern.input)});`);
        emit(`let ${name}${i} = u32(clamp(${name}${i}s, 0i, ${i32(pattern.input - 1)})) * ${u32(stride)};`);
      }
    });
  });
  const exists = body.inputs.map((at, i) => {
    const terms = at.flatMap((offset, axis) => {
      const pattern = patterns[axis];
      return alwaysInside(pattern, pattern.offsets[offset]) ? [] : [`${axisNames[axis]}${offset}v`];
    });
    emit(`let p${i} = d${at[0]} + h${at[1]} + w${at[2]};`);
    if (terms.length > 0) emit(`let e${i} = ${terms.join(' & ')};`);
    return terms.length > 0;
  });

  const accumulator = (c: number, position: number) => `a${c}_${position}`;
  for (const c of range(tile.channels)) {
    for (const position of range(body.positions)) emit(`var ${accumulator(c, position)} = 0.0;`);
  }

  const plane = product(patterns.map(pattern => pattern.input));
  emit(`var xi = (n * ${u32(spec.inChannels)} + g * ${u32(groupIn)}) * ${u32(plane)};`);
  emit(`var wi = block * ${u32(groupIn * row)}${quads ? ' + (lane & 3u)' : ''};`);
  emit(`for (var ic = 0u; ic < ${u32(groupIn)}; ic++) {`);
  body.inputs.forEach((_, i) => {
    emit(`  let x${i} = ${exists[i] ? `select(0.0, x[xi + p${i}], e${i})` : `x[xi + p${i}]`};`);
  });
  const byPosition = range(body.positions).map(position => body.products.filter(p => p.position === position));
  const usedTaps = new Set(body.products.map(p => p.tap));
  const loadedQuads = new Set<number>();
  for (const c of range(tile.channels)) {
    for (const tap of range(taps).filter(tap => usedTaps.has(tap))) {
      const element = c * taps + tap;
      let weight = `w[wi + ${u32(element)}]`;
      if (quads) {
        const quad = element >> 2;
        if (!loadedQuads.has(quad)) emit(`  let q${quad} = w[wi + ${u32(quad * 4)}];`);
        loadedQuads.add(quad);
        weight = `${broadcast}(q${quad}, ${element & 3}u)`;
      }
      emit(`  let f${element} = ${weight};`);
    }
    // One statement per output and channel: on SwiftShader each store to a variable costs several instructions.
    byPosition.forEach((products, position) => {
      if (products.length === 0) return;
      const sum = accumulator(c, position);
      emit(`  ${sum} = ${products.reduce((rest, p) => `fma(x${p.input}, f${c * taps + p.tap}, ${rest})`, sum)};`);
    });
  }
  emit(`  xi += ${u32(plane)};`);
  emit(`  wi += ${u32(row)};`);
  emit('}');

  emitStores();
  function emitStores(): void {
    const guards: string[] = [];
    if (perBlock * tile.workgroup !== invocations) guards.push(`linear < ${u32(invocations)}`);
    if (grid.padded) guards.push(`${grid.flat('wid')} < ${u32(groups)}`);
    if (guards.length > 0) emit(`if (${guards.join(' && ')}) {`);
    const outputPlane = product(patterns.map(pattern => pattern.output));
    emit(`let yi = ((n * ${u32(spec.groups)} + g) * ${u32(groupOut)} + oc) * ${u32(outputPlane)};`);
    const outputStrides = [patterns[1].output * patterns[2].output, patterns[2].output, 1];
    patterns.forEach((pattern, axis) => {
      const name = axisNames[axis];
      emit(`let o${name} = ${times(`t${name}`, pattern.tile)};`);
    });
    const start = patterns.map((_, axis) => times(`o${axisNames[axis]}`, outputStrides[axis]));
    emit(`let y0 = ${add('yi', ...start)};`);
    // From channel to channel, so that the code holds few numbers that depend on the shape (see webgpu/sharing.ts).
    for (const c of range(tile.channels - 1)) emit(`let y${c + 1} = y${c} + ${u32(outputPlane)};`);
    for (const c of range(tile.channels)) {
      const partial = groupOut % tile.channels !== 0 && c > 0;
      if (partial) emit(`if (oc + ${u32(c)} < ${u32(groupOut)}) {`);
      if (spec.bias) emit(`let b${c} = bias[g * ${u32(groupOut)} + oc + ${u32(c)}];`);
      for (const position of range(body.positions)) {
        const w = position % patterns[2].tile;
        const h = Math.floor(position / patterns[2].tile) % patterns[1].tile;
        const d = Math.floor(position / (patterns[2].tile * patterns[1].tile));
        const offsets = [d, h, w];
        const inside = patterns.flatMap((pattern, axis) => {
          const offset = offsets[axis];
          const whole = (pattern.tiles - 1) * pattern.tile + offset < pattern.output;
          return whole ? [] : [`o${axisNames[axis]} + ${u32(offset)} < ${u32(pattern.output)}`];
        });
        const row = d * outputStrides[0] + h * outputStrides[1];
        if (spec.bias) emit(`${accumulator(c, position)} += b${c};`);
        const statement = store(
          accumulator(c, position),
          {
            flat: add(`y${c}`, u32(row), u32(w)),
            channel: `(g * ${u32(groupOut)} + oc + ${u32(c)})`,
            batch: 'n',
          },
          'y',
        );
        emit(inside.length > 0 ? `if (${inside.join(' && ')}) { ${statement} }` : statement);
      }
      if (partial) emit('}');
    }
    if (guards.length > 0) emit('}');
  }

  const entry = {
    workgroup: tile.workgroup,
    group: 'wid',
    local: 'lid',
    lane: quads ? 'lane' : undefined,
    body: lines.join('\n'),
  };
  const dispatch = { ...builder.dispatch(convLabel(spec), grid.workgroups, entry), macs: convMacs(spec) };
  return {
    dispatches: [packWeights(spec, tile, context), dispatch],
    scratch: [{ bytes: layout.total * 4, lifetime: spec.constantWeights ? 'session' : 'run' }],
  };
}
