/** Convolutions: which kernel computes which, and with what sizes. */
import { product } from '../../ir/numbers.ts';
import { choiceKey, chosenPlan, expectedRuns } from './choice.ts';
import { convDirect, type DirectTile } from './conv-direct.ts';
import { convTiled, convTiles } from './conv-gpu.ts';
import { axesOf, axisPattern, type ConvSpec, kernelSize } from './conv-spec.ts';
import { convWindow } from './conv-window.ts';
import type { Candidate, KernelContext, KernelPlan, Operand } from './kernel.ts';
import { planMatMul } from './matmul.ts';
import { tileName } from './matmul-gpu.ts';
import type { MatMulSpec } from './matmul-spec.ts';
import { ceilDiv } from './wgsl.ts';

/** Multiplications that one pass of an unrolled body may hold: compiling a kernel takes time in proportion, and more. */
const largestBody = 600;

/** Loads that an unrolled body may hold: each is four branches to SwiftShader, and compiling them grows with the square. */
const mostLoads = 64;

/** Sums that an invocation may keep: with more of them SwiftShader spends its time on moving them. */
const mostSums = 64;

/** What four lanes take on SwiftShader, in nanoseconds: see bench/README.md. */
const cost = { load: 15, pass: 3, mac: 1.9, sum: 1.5, store: 20, frame: 100 };

/** Processor time that SwiftShader takes to compile a direct convolution, in nanoseconds. */
function compileTime(inputs: number, weights: number, products: number, sums: number): number {
  const size = inputs + sums + weights / 4 + products / 8;
  return (size + 0.02 * size ** 2) * 1e6;
}

/** Candidates whose model time is beyond this many times the best's are not worth measuring. */
const worthMeasuring = 1.5;

/** Sizes of a direct convolution that are measured at most: each takes a compilation. */
const mostMeasured = 6;

/**
 * Blocks and channels of a direct convolution, best first: those for which compiling it and running it take least, by the model
 * above; none where no body fits. So small convolutions get small bodies: what they would gain by unrolling is less than what
 * compiling costs.
 */
function directTiles(spec: ConvSpec, context: KernelContext): readonly DirectTile[] {
  const axes = axesOf(spec);
  const [depth, height, width] = axes;
  const groupOut = spec.outChannels / spec.groups;
  const groupIn = spec.inChannels / spec.groups;
  const quads = context.features.has('subgroups');
  const taps = kernelSize(spec);
  const sizes = (output: number, stride: number, candidates: readonly number[]) => {
    const wanted = spec.transposed ? candidates.map(size => ceilDiv(size, stride) * stride) : candidates;
    return [...new Set(wanted.map(size => (spec.transposed ? size : Math.min(size, output))))];
  };
  const found: { readonly tile: DirectTile; readonly cost: number }[] = [];
  for (const d of sizes(depth.output, depth.stride, [1, 2])) {
    for (const h of sizes(height.output, height.stride, [1, 2, 3, 4, 6])) {
      for (const w of sizes(width.output, width.stride, [1, 2, 3, 4, 6, 8, 12, 16])) {
        const positions = d * h * w;
        if (positions > mostSums) continue;
        const patterns = [
          axisPattern(depth, spec.transposed, d),
          axisPattern(height, spec.transposed, h),
          axisPattern(width, spec.transposed, w),
        ];
        const products = product(patterns.map(pattern => pattern.taps.length));
        const inputs = product(patterns.map(pattern => pattern.offsets.length));
        const lanes = ceilDiv(spec.batch * product(patterns.map(pattern => pattern.tiles)), 4) * 4;
        for (const channels of [1, 2, 3, 4, 6, 8, 12, 16]) {
          const sums = channels * positions;
          if (channels > groupOut || sums > mostSums) continue;
          if (products * channels > largestBody || inputs > mostLoads) continue;
          const weights = channels * taps;
          const weightCost = quads ? (weights / 4) * cost.load + weights * cost.pass : weights * cost.load;
          const step = inputs * cost.load + weightCost + products * channels * cost.mac + sums * cost.sum;
          const each = groupIn * step + sums * cost.store + cost.frame;
          const run = (lanes / 4) * spec.groups * ceilDiv(groupOut, channels) * each;
          const workgroup = workgroupSize(lanes, ceilDiv(groupOut, channels));
          found.push({
            tile: { block: [d, h, w], channels, workgroup },
            cost: expectedRuns * run + compileTime(inputs, weights, products * channels, sums),
          });
        }
      }
    }
  }
  found.sort((a, b) => a.cost - b.cost);
  return found
    .filter(({ cost }) => cost <= worthMeasuring * found[0].cost)
    .slice(0, mostMeasured)
    .map(({ tile }) => tile);
}

/** Large workgroups have less overhead, but a few processor cores want at least some of them each. */
function workgroupSize(lanes: number, blocks: number): number {
  for (const size of [64, 32, 16, 8]) if (lanes % size === 0 && (lanes / size) * blocks >= 16) return size;
  return Math.min(lanes, 8);
}

/** Whether each output takes exactly one input of each channel, at its own place. */
function isPointwise(spec: ConvSpec): boolean {
  return (
    spec.kernel.every(k => k === 1) &&
    spec.strides.every(s => s === 1) &&
    spec.padsBegin.every(p => p === 0) &&
    spec.input.every((size, i) => size === spec.output[i])
  );
}

/** Whether the window covers the input and leaves one output: then the convolution is a matrix product. */
function isWholeWindow(spec: ConvSpec): boolean {
  return (
    !spec.transposed &&
    spec.groups === 1 &&
    spec.output.every(size => size === 1) &&
    spec.padsBegin.every(p => p === 0) &&
    spec.kernel.every((k, i) => k === spec.input[i]) &&
    spec.dilations.every((d, i) => d === 1 || spec.kernel[i] === 1)
  );
}

/** A plan, and what could be chosen instead, with inputs 0 and 1 in each other's place. */
function withSwappedInputs({ choice, ...plan }: KernelPlan): KernelPlan {
  const operand = (o: Operand): Operand => (o.kind === 'input' && o.index < 2 ? { ...o, index: 1 - o.index } : o);
  return {
    ...plan,
    dispatches: plan.dispatches.map(d => ({ ...d, operands: d.operands.map(operand) })),
    ...(choice && {
      choice: {
        ...choice,
        candidates: choice.candidates.map(({ name, plan }) => ({ name, plan: () => withSwappedInputs(plan()) })),
      },
    }),
  };
}

/** Rows are the batch, columns the output channels, and the sum runs over channels and taps. */
function wholeWindowProduct(spec: ConvSpec): MatMulSpec {
  const k = spec.inChannels * kernelSize(spec);
  return {
    batch: [],
    m: spec.batch,
    n: spec.outChannels,
    k,
    a: { batch: [], row: k, column: 1 },
    b: { batch: [], row: 1, column: k },
    alpha: 1,
    ...(spec.bias ? { c: { batch: [], row: 0, column: 1, beta: 1 } } : {}),
  };
}

/** For each element of the batch, weights times features: rows are the output channels, columns the positions. */
function pointwiseProduct(spec: ConvSpec): MatMulSpec {
  const { batch, inChannels, outChannels, transposed } = spec;
  const n = product(spec.output);
  return {
    batch: [batch],
    m: outChannels,
    n,
    k: inChannels,
    a: { batch: [0], row: transposed ? 1 : inChannels, column: transposed ? outChannels : 1 },
    b: { batch: [inChannels * n], row: n, column: 1 },
    alpha: 1,
    ...(spec.bias ? { c: { batch: [0], row: 1, column: 0, beta: 1 } } : {}),
  };
}

/** Plans a convolution or a transposed one for the adapter at hand. */
export function planConv(spec: ConvSpec, context: KernelContext): KernelPlan {
  if (spec.batch * spec.outChannels * product(spec.output) === 0) return { dispatches: [], scratch: [] };
  if (isWholeWindow(spec)) return planMatMul(wholeWindowProduct(spec), context);
  const pointwise = isPointwise(spec);
  if (context.adapterClass === 'gpu' && pointwise && spec.groups === 1) {
    return withSwappedInputs(planMatMul(pointwiseProduct(spec), context));
  }
  // Without neighbours to share there is no use for axes: one long one has the fewest remainders.
  const flat = pointwise ? flattened(spec) : spec;
  const candidates = context.adapterClass === 'gpu' ? gpuConvs(spec, context) : softwareConvs(flat, context);
  if (candidates.length === 0) return convWindow(spec, context);
  return chosenPlan(context, choiceKey('conv', spec, context.epilogue !== undefined), candidates);
}

function directCandidate(spec: ConvSpec, tile: DirectTile, context: KernelContext): Candidate {
  const name = `${tile.block.join('x')} c${tile.channels} w${tile.workgroup}`;
  return { name, plan: () => convDirect(spec, tile, context) };
}

const softwareConvs = (spec: ConvSpec, context: KernelContext): readonly Candidate[] =>
  directTiles(spec, context).map(tile => directCandidate(spec, tile, context));

/** Implicit products and, where the sum is in one piece and so has the same order, direct convolutions. */
function gpuConvs(spec: ConvSpec, context: KernelContext): readonly Candidate[] {
  const { tiles, pieces } = convTiles(spec, context);
  const tiled = tiles.map(tile => ({
    name: tileName(tile),
    plan: () => convTiled(spec, tile, pieces, context),
  }));
  // Few channels per group leave most of a workgroup's tile empty; a strided transposition most of its products zero.
  const sparse = spec.outChannels / spec.groups < 8 || (spec.transposed && spec.strides.some(s => s > 1));
  if (!sparse && pieces.count > 1) return tiled;
  const direct = gpuDirectTiles(spec).map(tile => directCandidate(spec, tile, withoutQuads(context)));
  if (!sparse) return [...tiled, ...direct];
  return pieces.count > 1 && direct.length > 0 ? direct : [...direct, ...tiled];
}

function flattened(spec: ConvSpec): ConvSpec {
  const positions = [product(spec.input)];
  return { ...spec, input: positions, output: positions, kernel: [1], strides: [1], dilations: [1], padsBegin: [0] };
}

/** On a GPU registers are scarcer and loads cheaper: few outputs per invocation, in a row where neighbours coalesce. */
function gpuDirectTiles(spec: ConvSpec): readonly DirectTile[] {
  const axes = axesOf(spec);
  const tiles: DirectTile[] = [];
  for (const [rows, most] of [
    [2, 4],
    [1, 4],
    [2, 8],
    [4, 2],
    [1, 1],
  ] as const) {
    const along = axes.map((axis, i) => (spec.transposed ? axis.stride : i === 1 ? Math.min(rows, axis.output) : 1));
    const channels = Math.min(spec.outChannels / spec.groups, most);
    const products = product(axes.map((axis, i) => axisPattern(axis, spec.transposed, along[i]).taps.length));
    if (products * channels > largestBody) continue;
    const block = [along[0], along[1], along[2]] as const;
    if (tiles.some(tile => tile.block.join() === block.join() && tile.channels === channels)) continue;
    tiles.push({ block, channels, workgroup: 64 });
  }
  return tiles;
}

/** Loads of equal addresses are cheap on GPUs: the quad need not pass weights around. */
function withoutQuads(context: KernelContext): KernelContext {
  return { ...context, features: new Set([...context.features].filter(feature => feature !== 'subgroups')) };
}
