import {
  type AnyNode,
  type AttributesOf,
  divideExactly,
  equalDims,
  type Graph,
  GraphBuilder,
  inputAt,
  isElementwise,
  isStatic,
  nodeWith,
  type OpName,
  productOf,
  type Shape,
  SutureError,
  specOf,
  symbol,
  symbolsOf,
  Value,
} from '../ir/index.ts';
import { integersOf, normalizeAxis } from '../ir/operator.ts';
import { isReduction } from '../ir/ops/reduction.ts';

/**
 * A network that was exported for a fixed batch, as one for any batch, where that can be proven:
 *
 *     %x: [1, 8, 4, 4]                                     %x: [N, 8, 4, 4]
 *     %y: [1, 128] = Reshape(%x, [1, -1])             →    %y: [N, 128] = Reshape(%x, [-1, 128])
 *
 * The proof follows the samples through the graph. Each value either does not depend on the input, or holds the samples one after the
 * other along one axis, each in a block of the same extent (windows of an image: `[64·N, 49, 8]`); the axis is where the type says N.
 * An operator must have a rule that says that it treats the blocks one by one; where none says so, nothing is claimed. Shapes that
 * hold the batch are rewritten, and constants with an axis for it are repeated.
 *
 * Guarantees: the same names; with N at the old batch, the old graph's numbers; each sample of a batch gives what it gives alone. Every
 * input and output has N as its first extent.
 *
 * @returns undefined where it cannot be proven, or the inputs differ in their first extents, or these are no numbers.
 */
export function freeBatch(graph: Graph): Graph | undefined {
  const [batch, ...others] = graph.inputs.map(v => v.type.shape[0]);
  if (batch === undefined || !isStatic(batch) || others.some(other => other !== batch)) return undefined;
  try {
    return new Freeing(graph, batch).run();
  } catch (error) {
    // A type that does not fit is a batch that was built in where no rule looks for it.
    if (error instanceof SutureError && error.code === 'type-mismatch') return undefined;
    throw error;
  }
}

/** How a value depends on the samples: not at all, on their number only, or it holds them along this axis. */
type Kind = 'free' | 'counted' | number;

/** A node that is looked at: with its new operands, and as it was. */
interface Step {
  readonly node: AnyNode;
  readonly old: AnyNode;
  readonly kinds: readonly (Kind | undefined)[];
  readonly to: GraphBuilder;
  /** The extent that the file has for the batch. */
  readonly batch: number;
}

/** The node to put in the place of one whose samples stay apart: itself or a rewritten one. Undefined where that is not known. */
type Rule = (step: Step) => AnyNode | undefined;

class Freeing {
  readonly #graph: Graph;
  readonly #batch: number;
  readonly #to: GraphBuilder;
  readonly #symbol: string;
  readonly #values = new Map<Value, Value>();
  readonly #kinds = new Map<Value, Kind>();

  constructor(graph: Graph, batch: number) {
    this.#graph = graph;
    this.#batch = batch;
    this.#to = new GraphBuilder(graph.name, graph.info);
    const symbols = new Set<string>();
    for (const { name, type } of graph.values()) {
      this.#to.reserve(name);
      this.#to.reserveSymbols(type);
      for (const dim of type.shape) symbolsOf(dim, symbols);
    }
    for (const { name } of graph.nodes) this.#to.reserve(name, 'node');
    let free = 'N';
    for (let i = 1; symbols.has(free); i++) free = `N_${i}`;
    this.#symbol = free;
  }

  run(): Graph | undefined {
    for (const input of this.#graph.inputs) {
      const { dtype, shape } = input.type;
      const made = new Value(input.name, { dtype, shape: [symbol(this.#symbol), ...shape.slice(1)] });
      this.#set(input, this.#to.adoptInput(made), 0);
    }
    for (const node of this.#graph.nodes) if (!this.#add(node)) return undefined;
    for (const { name, value } of this.#graph.outputs) {
      const made = this.#read(value);
      if (this.#kind(made) !== 0 || !equalDims(made.type.shape[0], symbol(this.#symbol))) return undefined;
      this.#to.output(name, made);
    }
    return this.#to.build();
  }

  #read = (value: Value): Value => this.#values.get(value) ?? value;
  #kind = (value: Value): Kind => this.#kinds.get(value) ?? 'free';

  #set(old: Value, made: Value, kind: Kind): void {
    this.#values.set(old, made);
    this.#kinds.set(made, kind);
  }

  /** Adds a node; false where it may mix samples. */
  #add(old: AnyNode): boolean {
    const inputs = old.inputs.map(v => v && this.#read(v));
    const kinds = inputs.map(v => v && this.#kind(v));
    const shown = nodeWith(old, { inputs });
    if (kinds.every(k => k === undefined || k === 'free')) {
      // What reads an extent that no sample decides reads the one of the new graph.
      for (const [i, made] of this.#to.reinfer(shown, old).entries()) this.#set(old.outputs[i], made, 'free');
      return true;
    }
    const samples = kinds.some(k => typeof k === 'number');
    const step = { node: shown, old, kinds, to: this.#to, batch: this.#batch };
    const { measures, view } = specOf(old.op);
    const counts = countOperators[old.op] ?? (isElementwise(old.op) ? 'moves' : undefined);
    const node = samples ? ruleOf(old.op)?.(step) : counts && shown;
    if (!node) return false;
    for (const [i, made] of this.#to.reinfer(node).entries()) {
      const kind = this.#kindOf(made, samples && !measures);
      if (kind === undefined || (!samples && typeof kind === 'number' && counts !== 'fills')) return false;
      if (made.type.shape.length !== old.outputs[i].type.shape.length) return false;
      if (samples && view && !sameBlocks(inputAt(shown, 0), kinds[0] as number, made, kind as number)) {
        return false;
      }
      this.#set(old.outputs[i], made, kind);
    }
    return true;
  }

  /** The kind of a value by its type; undefined where it depends on samples and does not hold them along one axis. */
  #kindOf({ type, elements }: Value, samples: boolean): Kind | undefined {
    const mentioned = type.shape.some(dim => symbolsOf(dim).has(this.#symbol));
    if (mentioned) return this.#axisOf(type.shape);
    if (samples) return undefined;
    return elements?.every(isStatic) ? 'free' : 'counted';
  }

  /** The only axis with N in it, a whole multiple of N. */
  #axisOf(shape: Shape): number | undefined {
    const axes = shape.flatMap((dim, i) => (symbolsOf(dim).has(this.#symbol) ? [i] : []));
    const [axis, ...more] = axes;
    if (axis === undefined || more.length > 0) return undefined;
    const block = divideExactly(shape[axis], symbol(this.#symbol));
    return block !== undefined && isStatic(block) ? axis : undefined;
  }
}

/** Whether the samples lie in memory as they did: what is before their axis has the same extent. */
const sameBlocks = (from: Value, fromAxis: number, to: Value, toAxis: number): boolean =>
  equalDims(productOf(from.type.shape.slice(0, fromAxis)), productOf(to.type.shape.slice(0, toAxis)));

/**
 * What shape arithmetic does with the number of samples, beside elementwise: it moves it, or fills a shape with the same for every sample. An
 * operator that is not named may tell samples apart by their place.
 */
const countOperators: { readonly [op in OpName]?: 'moves' | 'fills' } = {
  ConstantOfShape: 'fills',
  Expand: 'fills',
  Tile: 'fills',
  Gather: 'moves',
  Slice: 'moves',
  Concat: 'moves',
  Unsqueeze: 'moves',
  Squeeze: 'moves',
  Reshape: 'moves',
  Identity: 'moves',
  Shape: 'moves',
};

const rankOf = (value: Value | undefined): number => value?.type.shape.length ?? 0;

/** Operands past the first must not depend on the samples. */
const othersFree = ({ kinds }: Step): boolean => kinds.slice(1).every(k => k === undefined || k === 'free');

/** Whether the operands of a broadcast hold the samples along one axis of the result, and others have no extent there. */
function aligned(inputs: readonly (Value | undefined)[], kinds: Step['kinds']): boolean {
  const rank = Math.max(...inputs.map(rankOf));
  const places = new Set<number>();
  for (const [i, kind] of kinds.entries()) if (typeof kind === 'number') places.add(kind + rank - rankOf(inputs[i]));
  const [place, ...more] = places;
  if (place === undefined || more.length > 0) return false;
  const held = inputs.flatMap((v, i) => (v && typeof kinds[i] === 'number' ? [v.type.shape[kinds[i]]] : []));
  return (
    inputs.every((v, i) => {
      if (!v || typeof kinds[i] === 'number') return true;
      const dim = v.type.shape[place - rank + rankOf(v)];
      return kinds[i] === 'free' && (dim === undefined || dim === 1);
    }) && held.every(dim => equalDims(dim, held[0]))
  );
}

const broadcast: Rule = ({ node, kinds }) => (aligned(node.inputs, kinds) ? node : undefined);

/** Operators on [N, C, ...] by definition, each sample by itself. */
const batchFirst: Rule = step =>
  step.kinds[0] === 0 && othersFree(step) && step.node.outputs.length === 1 ? step.node : undefined;

/** Operators along axes that must not be that of the samples. */
const along =
  (axesOf: (node: AnyNode) => readonly number[] | undefined): Rule =>
  step => {
    const { node, kinds } = step;
    const [axis] = kinds;
    const axes = axesOf(node);
    if (typeof axis !== 'number' || axes === undefined || !othersFree(step)) return undefined;
    const rank = rankOf(node.inputs[0]);
    return axes.some(a => normalizeAxis(a, rank) === axis) ? undefined : node;
  };

/** Along the axis that the attribute names. */
const alongAttribute = along(({ attributes }) => {
  const { axis } = attributes as { readonly axis?: number };
  return axis === undefined ? undefined : [axis];
});

/** From an axis to the last one. */
const fromAttribute = along(({ inputs, attributes }) => {
  const { axis } = attributes as { readonly axis: number };
  const rank = rankOf(inputs[0]);
  const first = normalizeAxis(axis, rank);
  return Array.from({ length: rank - first }, (_, i) => first + i);
});

const alongOperand = along(({ inputs }) => integersOf(inputs[1]));

/** Over the axes of an operand; over all without one. */
const reduction = along(node => {
  const axes = integersOf(node.inputs[1]);
  const { noop_with_empty_axes: noop } = node.attributes as { readonly noop_with_empty_axes: number };
  if (node.inputs[1] && axes === undefined) return undefined;
  if (axes && axes.length > 0) return axes;
  return noop === 0 ? Array.from({ length: rankOf(node.inputs[0]) }, (_, i) => i) : [];
});

/** The last two axes are a matrix. */
const matrices = along(() => [-1, -2]);

/** A Reshape whose constant target holds the batch gets one that keeps it open. */
const reshape: Rule = ({ node, old, kinds, to, batch }) => {
  const [data, target] = node.inputs as readonly [Value, Value];
  const axis = kinds[0];
  if (typeof axis !== 'number') return undefined;
  // A target that is computed follows the batch by itself.
  if (kinds[1] !== 'free') return node;
  const given = integersOf(target);
  const { allowzero } = node.attributes as { readonly allowzero: number };
  if (!given || allowzero !== 0) return undefined;
  const before = productOf(data.type.shape.slice(0, axis));
  const shape = old.outputs[0].type.shape;
  const at = shape.findIndex((_, i) => equalDims(productOf(shape.slice(0, i)), before));
  const extent = shape[at];
  if (at < 0 || !isStatic(extent) || extent % batch !== 0) return undefined;
  // As many samples in blocks of the same extent: copied where the place is the same too.
  const copied = at === axis && equalDims(extent, inputAt(old, 0).type.shape[axis]);
  const open = given.map((d, i) => (i === at ? (copied ? 0 : -1) : d === -1 && isStatic(shape[i]) ? shape[i] : d));
  if (open.filter(d => d === -1).length > 1) return undefined;
  return nodeWith(node, { inputs: [data, to.ints(open)] });
};

/** Changes of shape by attributes or axes: the type says where the samples are. */
const reshaping: Rule = step => (typeof step.kinds[0] === 'number' && othersFree(step) ? step.node : undefined);

/** Operands without samples, such as a token that all of them get, are repeated for each. */
const concat: Rule = ({ node, kinds, to, batch }) => {
  const { axis } = node.attributes as { readonly axis: number };
  const [first, second] = [...new Set(kinds.filter(k => typeof k === 'number'))];
  const leader = node.inputs[kinds.indexOf(first)];
  if (first === undefined || second !== undefined || !leader) return undefined;
  if (normalizeAxis(axis, rankOf(leader)) === first) return undefined;
  const held = leader.type.shape[first];
  const inputs = node.inputs.map((v, i) => {
    if (!v || typeof kinds[i] === 'number') return v && equalDims(v.type.shape[first as number], held) ? v : undefined;
    if (kinds[i] !== 'free' || batch !== 1 || v.type.shape[first as number] !== 1) return undefined;
    const ones = (count: number): Value => to.ints(Array<number>(count).fill(1));
    const count = to.op('Gather', [to.op('Shape', [leader]), to.ints([first as number])]);
    const parts = [ones(first as number), count, ones(rankOf(v) - (first as number) - 1)].filter(
      p => p.type.shape[0] !== 0,
    );
    return to.op('Expand', [v, to.op('Concat', parts, { axis: 0 })], {}, { name: `${node.name}/repeated` });
  });
  return inputs.every(v => v !== undefined) ? nodeWith(node, { inputs }) : undefined;
};

/** From the start to the end, in steps of one, a Slice may go along the samples: exporters write such slices. */
const slice: Rule = step => {
  const { node, kinds } = step;
  const [data, starts, ends, axes, steps] = node.inputs;
  const [axis] = kinds;
  if (typeof axis !== 'number' || !othersFree(step) || !data || !starts) return undefined;
  const rank = rankOf(data);
  const given = axes ? integersOf(axes) : Array.from({ length: starts.type.shape[0] as number }, (_, i) => i);
  const at = given?.findIndex(a => normalizeAxis(a, rank) === axis);
  if (at === undefined) return undefined;
  if (at < 0) return node;
  const whole = integersOf(starts)?.[at] === 0 && (integersOf(ends)?.[at] ?? 0) >= endOfAxis;
  const unit = steps === undefined || integersOf(steps)?.[at] === 1;
  return whole && unit ? node : undefined;
};

const endOfAxis = 2 ** 31 - 1;

/** Data or indices hold the samples: rows of a table, or elements of each sample. */
const gather: Rule = ({ node, kinds }) => {
  const { axis } = node.attributes as { readonly axis: number };
  const [data, indices] = kinds;
  if (data === 'free' && typeof indices === 'number') return node;
  if (typeof data !== 'number' || indices !== 'free') return undefined;
  return normalizeAxis(axis, rankOf(node.inputs[0])) === data ? undefined : node;
};

/** All hold the samples along one axis, which is not the one that is gathered along. */
const gatherElements: Rule = ({ node, kinds: [data, indices] }) => {
  const { axis } = node.attributes as { readonly axis: number };
  if (typeof data !== 'number' || data !== indices) return undefined;
  const [held, taken] = node.inputs.map(v => v!.type.shape[data]);
  return normalizeAxis(axis, rankOf(node.inputs[0])) !== data && equalDims(held, taken) ? node : undefined;
};

/** Rows, columns or stacked matrices hold the samples, never the axis that is summed over. */
const matmul: Rule = ({ node, kinds }) => {
  const [a, b] = node.inputs as readonly [Value, Value];
  const [x, y] = kinds;
  if (x === rankOf(a) - 1 || y === rankOf(b) - 2 || rankOf(a) < 2 || rankOf(b) < 2) return undefined;
  if (x === rankOf(a) - 2) return y === 'free' ? node : undefined;
  if (y === rankOf(b) - 1) return x === 'free' ? node : undefined;
  return aligned([a, b], kinds) ? node : undefined;
};

/**
 * Rows hold the samples. Where each row holds all samples beside each other, as where tokens come before samples (`MultiheadAttention` of
 * PyTorch), they become rows of their own: `Reshape(Gemm(Reshape(%x, [-1, K])), [T, -1])`.
 */
const gemm: Rule = ({ node, kinds, to, batch }) => {
  const [a, b, c] = kinds;
  const attributes = node.attributes as AttributesOf<'Gemm'>;
  const { transA, transB } = attributes;
  const [rows, weight, bias] = node.inputs as readonly [Value, Value, Value | undefined];
  if (b !== 'free') return undefined;
  const shared = c === 'free' && bias !== undefined && (rankOf(bias) < 2 || bias.type.shape[0] === 1);
  if (a === (transA === 0 ? 0 : 1)) return bias === undefined || c === 0 || shared ? node : undefined;
  const [tokens] = rows.type.shape;
  const summed = weight.type.shape[transB === 0 ? 0 : 1];
  if (batch !== 1 || transA !== 0 || !(bias === undefined || shared) || !isStatic(tokens) || !isStatic(summed)) {
    return undefined;
  }
  const apart = to.op('Reshape', [rows, to.ints([-1, summed])]);
  const made = to.op('Gemm', [apart, weight, bias], attributes, { name: `${node.name}/apart` });
  return nodeWith(node, { op: 'Reshape', inputs: [made, to.ints([tokens, -1])], attributes: { allowzero: 0 } });
};

const pad: Rule = step => {
  const { node, kinds } = step;
  const [data, pads, , axes] = node.inputs;
  const [axis] = kinds;
  const by = integersOf(pads);
  if (typeof axis !== 'number' || !othersFree(step) || !by) return undefined;
  const listed = axes ? integersOf(axes) : Array.from({ length: rankOf(data) }, (_, i) => i);
  const at = listed?.findIndex(a => normalizeAxis(a, rankOf(data)) === axis);
  if (at === undefined || (at >= 0 && (by[at] !== 0 || by[at + by.length / 2] !== 0))) return undefined;
  return node;
};

/** The extent of the samples in a target keeps what is there. */
const expand: Rule = ({ node, kinds, to, batch }) => {
  const [data, shape] = node.inputs as readonly [Value, Value];
  const [axis] = kinds;
  if (typeof axis !== 'number' || kinds[1] !== 'free') return undefined;
  const given = integersOf(shape);
  if (!given) return undefined;
  const at = axis + given.length - rankOf(data);
  if (at < 0 || given[at] === 1) return node;
  if (given[at] % batch !== 0) return undefined;
  const kept = given.map((d, i) => (i === at ? 1 : d));
  return nodeWith(node, { inputs: [data, to.ints(kept)] });
};

const tile: Rule = ({ node, kinds: [axis, repeats] }) => {
  if (typeof axis !== 'number' || repeats !== 'free') return undefined;
  return integersOf(node.inputs[1])?.[axis] === 1 ? node : undefined;
};

/** Sizes that hold the batch become those of the other axes. */
const resize: Rule = step => {
  const { node, old, kinds, to } = step;
  const [data, roi, scales, sizes] = node.inputs;
  const [axis] = kinds;
  const attributes = node.attributes as AttributesOf<'Resize'>;
  if (!data || typeof axis !== 'number' || kinds.slice(1).some(k => typeof k === 'number')) return undefined;
  const rank = rankOf(data);
  const axes = attributes.axes?.map(a => normalizeAxis(a, rank)) ?? Array.from({ length: rank }, (_, i) => i);
  if (!axes.includes(axis)) return node;
  const same = equalDims(inputAt(old, 0).type.shape[axis], old.outputs[0].type.shape[axis]);
  const cropped = attributes.coordinate_transformation_mode === 'tf_crop_and_resize';
  if (!same || cropped || (roi && roi.type.shape[0] !== 0)) return undefined;
  const listed = integersOf(sizes);
  if (listed === undefined || listed.length === 0) return node;
  if (scales && scales.type.shape[0] !== 0) return undefined;
  const kept = axes.flatMap((a, i) => (a === axis ? [] : [i]));
  return nodeWith(node, {
    inputs: [data, undefined, undefined, to.ints(kept.map(i => listed[i]))],
    attributes: { ...attributes, axes: kept.map(i => axes[i]) },
  });
};

const stays: Rule = ({ node }) => node;

/** What is known of an operator's treatment of samples, beside the elementwise ones and the reductions. One that has no rule may mix them. */
const rules: { readonly [op in OpName]?: Rule } = {
  Conv: batchFirst,
  ConvTranspose: batchFirst,
  BatchNormalization: batchFirst,
  InstanceNormalization: batchFirst,
  GroupNormalization: batchFirst,
  LRN: batchFirst,
  MaxPool: batchFirst,
  AveragePool: batchFirst,
  LpPool: batchFirst,
  GlobalAveragePool: batchFirst,
  GlobalMaxPool: batchFirst,
  DepthToSpace: batchFirst,
  SpaceToDepth: batchFirst,
  LayerNormalization: fromAttribute,
  RMSNormalization: fromAttribute,
  LpNormalization: alongAttribute,
  MeanVarianceNormalization: along(({ attributes }) => (attributes as AttributesOf<'MeanVarianceNormalization'>).axes),
  ArgMax: alongAttribute,
  ArgMin: alongAttribute,
  Softmax: alongAttribute,
  LogSoftmax: alongAttribute,
  Hardmax: alongAttribute,
  TopK: alongAttribute,
  Split: alongAttribute,
  CumSum: alongOperand,
  CumProd: alongOperand,
  Trilu: matrices,
  Identity: reshaping,
  Transpose: reshaping,
  Flatten: reshaping,
  Squeeze: reshaping,
  Unsqueeze: reshaping,
  Reshape: reshape,
  Concat: concat,
  Slice: slice,
  Gather: gather,
  GatherElements: gatherElements,
  MatMul: matmul,
  Gemm: gemm,
  Pad: pad,
  Expand: expand,
  Tile: tile,
  Resize: resize,
  Shape: stays,
  Size: stays,
};

const ruleOf = (op: OpName): Rule | undefined =>
  rules[op] ?? (isElementwise(op) ? broadcast : isReduction(op) ? reduction : undefined);
