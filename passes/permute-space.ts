/** Networks whose images have their axes of space in another order than those that they share with others. */
import { offsets, pick } from '../ir/evaluate/layout.ts';
import {
  type AnyNode,
  type AttributesOf,
  divideExactly,
  type Graph,
  type GraphBuilder,
  inputAt,
  isElementwise,
  isStatic,
  type Node,
  nodeWith,
  type OpName,
  printable,
  productOf,
  rewrite,
  type Shape,
  SutureError,
  sameShape,
  specOf,
  typeText,
  Value,
} from '../ir/index.ts';
import { range, stridesOf } from '../ir/numbers.ts';
import { integersOf, normalizeAxis } from '../ir/operator.ts';
import { isReduction, reducedAxes } from '../ir/ops/reduction.ts';

/** The i-th axis of a value is the one that was the `layout[i]`-th of the same value before. */
type Layout = readonly number[];

/**
 * Rows that hold all places of some channels one after the other: `Reshape(%x, [0, groups, -1])`, as group normalisation is written. What they
 * hold is in another order than before, and their shape is the same.
 */
interface Rows {
  /** What they were made of, as it was before. */
  readonly shape: Shape;
  readonly layout: Layout;
}

/** A node that reads values in another layout, and what it has in its hands. */
interface Step {
  readonly node: AnyNode;
  /** Of the operand with the most axes that has one. */
  readonly layout: Layout;
  readonly to: GraphBuilder;
  readonly layoutOf: (value: Value) => Layout;
  /** A value, or a constant, brought into a layout. */
  readonly placed: (value: Value, layout: Layout) => Value;
}

/** What changes of a node; its results have the layout. */
interface Moved {
  readonly inputs?: readonly (Value | undefined)[];
  readonly attributes?: object;
  readonly layout: Layout;
}

/** Undefined where the operator takes places in the order in which they lie. A value stands for the node. */
type Rule = (step: Step) => Moved | Value | undefined;

/**
 * A network for images whose axes of space are in another order, with its answers in that order: kernels, strides, pads, axes of operators
 * and constants are permuted, and a `Transpose` is left only of operands that are no constants.
 *
 *     %y = Conv(%x, W) {strides = [1, 2, 2]}     →     %y = Conv(%x, Wᵀ) {strides = [2, 2, 1]}       order = [1, 2, 0]
 *     %z = Softmax(%y) {axis = 1}                      %z = Softmax(%y) {axis = 1}
 *
 * Guarantees: the same names, and the same numbers up to the order in which sums are taken. The same object where nothing moves.
 *
 * @param order the i-th axis of space of the new images is the `order[i]`-th of the old ones.
 * @param what how messages name the network.
 * @throws SutureError `parents-incompatible`, naming the first operator that takes places in the order in which they lie (tokens of them, a
 *   matrix product over them), or an answer whose axes are not the image's.
 */
export function permuteSpace(graph: Graph, order: readonly number[], what: string): Graph {
  if (isIdentity(order)) return graph;
  const [old] = graph.inputs;
  const { dtype, shape } = old.type;
  const fail = (problem: string): never => {
    throw new SutureError(
      'parents-incompatible',
      `${what} has its axes of space in another order, and ${problem}: prepare the data as its plans say, with it as the own network, ` +
        'or export it for the order of the own plans.',
    );
  };
  if (shape.length !== order.length + 2) return fail(`takes ${typeText(old.type)}`);
  const layouts = new Map<Value, Layout>();
  const layoutOf = (value: Value): Layout => layouts.get(value) ?? range(rankOf(value));
  const note = (value: Value, layout: Layout): void => {
    if (moves(value, layout)) layouts.set(value, layout);
  };
  const first = natural(shape.length, 2, order);
  const input = new Value(old.name, { dtype, shape: first.map(axis => shape[axis]) });
  note(input, first);
  const constants = new Map<Value, Map<string, Value>>();
  const rows = new Map<Value, Rows>();
  const permuted = rewrite(
    graph,
    (node, to) => {
      const held = node.inputs.map(v => v && rows.get(v));
      const [some] = held.filter(v => v !== undefined);
      const refuse = (): never => fail(`${node.op} '${printable(node.name)}' depends on the order in which places lie`);
      if (some) {
        const { node: made, result } = onRows(node, held, some, to) ?? refuse();
        const outputs = to.reinfer(made);
        for (const output of outputs) {
          if (result === 'rows') rows.set(output, some);
          if (result === 'places') note(output, some.layout);
        }
        return outputs;
      }
      const moved = node.inputs.flatMap(v => (v && layouts.has(v) ? [layoutOf(v)] : []));
      if (moved.length === 0) return undefined;
      const layout = moved.reduce((most, other) => (other.length > most.length ? other : most));
      const placed = (value: Value, target: Layout): Value => {
        const perm = target.map(axis => layoutOf(value).indexOf(axis));
        if (!moves(value, perm)) return value;
        if (!value.constant) {
          const made = to.op('Transpose', [value], { perm });
          note(made, target);
          return made;
        }
        const known = constants.get(value) ?? new Map<string, Value>();
        constants.set(value, known);
        const made = known.get(String(perm)) ?? to.constant(turned(value.constant, perm), value.name);
        known.set(String(perm), made);
        return made;
      };
      if (node.op === 'Reshape') {
        const data = inputAt(node, 0);
        const made = layoutOf(data) === layout && toRows(node, layout) ? to.reinfer(node) : refuse();
        if (!sameShape(made[0].type.shape, node.outputs[0].type.shape)) return refuse();
        const now = data.type.shape;
        rows.set(made[0], { shape: now.map((_, axis) => now[layout.indexOf(axis)]), layout });
        return made;
      }
      const found = ruleOf(node.op)?.({ node, layout, to, layoutOf, placed });
      if (!found) return refuse();
      if (found instanceof Value) return found;
      const { inputs = node.inputs, attributes } = found;
      const outputs = to.reinfer(nodeWith(node, { inputs, attributes: { ...node.attributes, ...attributes } }));
      for (const output of outputs) note(output, found.layout);
      return outputs;
    },
    { inputs: new Map([[old.name, input]]) },
  );
  for (const { name, value } of permuted.outputs) {
    const layout = layouts.get(value);
    const asImage = [2, 1].some(at => layout && String(layout) === String(natural(layout.length, at, order)));
    if (layout && !asImage) fail(`its answer '${printable(name)}' does not have the axes of the image`);
  }
  return permuted;
}

const rankOf = (value: Value): number => value.type.shape.length;

const isIdentity = (layout: Layout): boolean => layout.every((axis, i) => axis === i);

/** The axes of space from one on in the new order, all others in their places. */
const natural = (rank: number, from: number, order: readonly number[]): Layout =>
  range(rank).map(axis => (axis < from || axis >= from + order.length ? axis : from + order[axis - from]));

/** Whether a permutation changes a value: not where all that it moves has one place. */
const moves = ({ type }: Value, layout: Layout): boolean => layout.some((axis, i) => axis !== i && type.shape[i] !== 1);

/** Whether each row of a Reshape's result holds all of what moves. */
function toRows({ inputs, outputs }: Node<'Reshape'>, layout: Layout): boolean {
  const first = layout.findIndex((axis, i) => axis !== i);
  const before = productOf((inputs[0] as Value).type.shape.slice(0, first));
  const count = productOf(outputs[0].type.shape.slice(0, -1));
  return rankOf(outputs[0]) > 1 && divideExactly(before, count) !== undefined;
}

/** A node that reads rows, and what its results are: rows, the places again, or as they were. Undefined where that is not known. */
function onRows(
  node: AnyNode,
  held: readonly (Rows | undefined)[],
  { shape, layout }: Rows,
  to: GraphBuilder,
): { readonly node: AnyNode; readonly result: 'rows' | 'places' | 'same' } | undefined {
  const [x, second] = node.inputs as readonly [Value, Value | undefined];
  const rank = rankOf(x);
  if (node.op === 'InstanceNormalization' && rank > 2) return { node, result: 'rows' };
  if (specOf(node.op).measures) return { node, result: 'same' };
  if (node.op === 'Reshape' && sameShape(node.outputs[0].type.shape, shape)) {
    const target = to.op('Gather', [second as Value, to.ints(layout)]);
    return { node: nodeWith(node, { inputs: [x, target] }), result: 'places' };
  }
  if (isReduction(node.op)) {
    const { noop_with_empty_axes: noop } = node.attributes as AttributesOf<'ReduceSum'>;
    return reducedAxes(rank, second, noop)?.includes(rank - 1) ? { node, result: 'same' } : undefined;
  }
  const wide = Math.max(...node.inputs.map(v => (v ? rankOf(v) : 0)));
  const apart = node.inputs.every((v, i) =>
    held[i] ? rankOf(v as Value) === wide && sameShape(held[i].shape, shape) : (v?.type.shape.at(-1) ?? 1) === 1,
  );
  return isElementwise(node.op) && apart ? { node, result: 'rows' } : undefined;
}

type Constant = NonNullable<Value['constant']>;

function turned(source: Constant, perm: Layout): Constant {
  const strides = stridesOf(source.shape);
  const shape = perm.map(axis => source.shape[axis]);
  return pick(
    source,
    shape,
    offsets(
      shape,
      perm.map(axis => strides[axis]),
    ),
  );
}

/** A layout with axes in front that stay. */
const behind = (layout: Layout, rank: number): Layout => {
  const front = rank - layout.length;
  return [...range(front), ...layout.map(axis => axis + front)];
};

/** A layout without some of the old axes. */
const without = (layout: Layout, gone: readonly number[]): Layout =>
  layout.filter(axis => !gone.includes(axis)).map(axis => axis - gone.filter(other => other < axis).length);

const keepsChannels = (layout: Layout): boolean => layout[0] === 0 && layout[1] === 1;

/** An operand that is broadcast to a layout of at least as many axes. */
function broadcastTo({ to, layoutOf, placed }: Step, value: Value, layout: Layout): Value {
  const front = layout.length - rankOf(value);
  const shape = [...Array<number>(front).fill(1), ...value.type.shape];
  const perm = layout.map(axis => behind(layoutOf(value), layout.length).indexOf(axis));
  if (perm.every((axis, i) => axis === i || shape[i] === 1)) return value;
  const own = layout.slice(front);
  if (own.every(axis => axis >= front)) return placed(value, without(own, range(front)));
  return to.op('Transpose', [to.op('Unsqueeze', [value, to.ints(range(front))])], { perm });
}

const elementwise: Rule = step => {
  const { node } = step;
  const rank = Math.max(...node.inputs.map(v => (v ? rankOf(v) : 0)));
  const layout = behind(step.layout, rank);
  return { inputs: node.inputs.map(v => v && broadcastTo(step, v, layout)), layout };
};

/** Lists with a number for each axis of space, or two. */
const windowLists = ['kernel_shape', 'strides', 'dilations', 'output_padding', 'output_shape', 'pads'] as const;

function windowAttributes({ attributes }: AnyNode, layout: Layout): object {
  const order = without(layout, [0, 1]);
  const lists = attributes as { readonly [name in (typeof windowLists)[number]]?: readonly number[] };
  return Object.fromEntries(
    windowLists.flatMap(name => {
      const list = lists[name];
      if (!list) return [];
      // An `output_shape` may have the batch and the channels in front.
      const last = name === 'pads' ? list : list.slice(-order.length);
      const parts = name === 'pads' ? [last.slice(0, order.length), last.slice(order.length)] : [last];
      return [[name, parts.flatMap(part => order.map(axis => part[axis]))]];
    }),
  );
}

const convolution: Rule = ({ node, layout, placed }) => {
  const [x, w, ...others] = node.inputs as readonly [Value, Value, ...(Value | undefined)[]];
  if (!keepsChannels(layout) || rankOf(x) !== layout.length) return undefined;
  return {
    inputs: [placed(x, layout), placed(w, layout), ...others],
    attributes: windowAttributes(node, layout),
    layout,
  };
};

/** Indices of a MaxPool count places in their order. */
const pooling: Rule = ({ node, layout }) =>
  keepsChannels(layout) && node.outputs.length === 1
    ? { attributes: windowAttributes(node, layout), layout }
    : undefined;

const channelwise: Rule = ({ layout }) => (keepsChannels(layout) ? { layout } : undefined);

/** Over all axes from one on. */
const fromAxis: Rule = step => {
  const { node, layout } = step;
  const first = normalizeAxis((node.attributes as AttributesOf<'LayerNormalization'>).axis, layout.length);
  const [x, ...parameters] = node.inputs;
  if (layout.slice(first).some(axis => axis < first)) return undefined;
  return { inputs: [x, ...parameters.map(v => v && broadcastTo(step, v, layout))], layout };
};

const newAxis = (layout: Layout, axis: number): number => layout.indexOf(normalizeAxis(axis, layout.length));

const alongAttribute: Rule = ({ node, layout }) => {
  const { axis, keepdims = 1 } = node.attributes as { readonly axis: number; readonly keepdims?: number };
  const old = normalizeAxis(axis, layout.length);
  return { attributes: { axis: newAxis(layout, axis) }, layout: keepdims === 0 ? without(layout, [old]) : layout };
};

const concat: Rule = ({ node, layout, placed }) => ({
  inputs: node.inputs.map(v => v && placed(v, layout)),
  attributes: { axis: newAxis(layout, (node.attributes as AttributesOf<'Concat'>).axis) },
  layout,
});

const reduction: Rule = ({ node, layout, to }) => {
  const { keepdims, noop_with_empty_axes: noop } = node.attributes as AttributesOf<'ReduceSum'>;
  const axes = reducedAxes(layout.length, node.inputs[1], noop);
  if (!axes) return undefined;
  return {
    ...(axes.length > 0 && { inputs: [node.inputs[0], to.ints(axes.map(axis => layout.indexOf(axis)))] }),
    layout: keepdims === 0 ? without(layout, axes) : layout,
  };
};

const overAttribute: Rule = ({ node, layout }) => {
  const { axes } = node.attributes as AttributesOf<'MeanVarianceNormalization'>;
  return { attributes: { axes: axes.map(axis => newAxis(layout, axis)) }, layout };
};

const transpose: Rule = ({ node, layout }) => {
  const { perm = range(layout.length).toReversed() } = node.attributes as AttributesOf<'Transpose'>;
  return { layout: perm.map(axis => perm.indexOf(layout[axis])) };
};

const squeeze: Rule = ({ node, layout, to }) => {
  const [x, axes] = node.inputs as readonly [Value, Value | undefined];
  const given = axes
    ? integersOf(axes)?.map(axis => normalizeAxis(axis, layout.length))
    : layout.filter((_, i) => x.type.shape[i] === 1);
  if (!given) return undefined;
  return { inputs: [x, to.ints(given.map(axis => layout.indexOf(axis)))], layout: without(layout, given) };
};

const unsqueeze: Rule = ({ node, layout }) => {
  const given = integersOf(node.inputs[1]);
  if (!given) return undefined;
  const rank = layout.length + given.length;
  const added = given.map(axis => normalizeAxis(axis, rank));
  const others = range(rank).filter(axis => !added.includes(axis));
  const rest = layout.map(axis => others[axis]);
  return { layout: range(rank).map(axis => (added.includes(axis) ? axis : rest.shift()!)) };
};

/** The axes that an operand lists, or else so many from the first on. */
const listed = (axes: Value | undefined, count: number): readonly number[] | undefined =>
  axes ? integersOf(axes) : range(count);

const slice: Rule = ({ node, layout, to }) => {
  const [x, starts, ends, axes, steps] = node.inputs;
  const given = listed(axes, starts!.type.shape[0] as number);
  return given && { inputs: [x, starts, ends, to.ints(given.map(axis => newAxis(layout, axis))), steps], layout };
};

const pad: Rule = ({ node, layout, to }) => {
  const [x, pads, value, axes] = node.inputs;
  const given = listed(axes, layout.length);
  return given && { inputs: [x, pads, value, to.ints(given.map(axis => newAxis(layout, axis)))], layout };
};

const resize: Rule = ({ node, layout }) => {
  const { axes = range(layout.length) } = node.attributes as AttributesOf<'Resize'>;
  return { attributes: { axes: axes.map(axis => newAxis(layout, axis)) }, layout };
};

/** A shape or numbers of repetitions, one for each axis. */
const byAxis: Rule = ({ node, layout, to }) => {
  const [x, list] = node.inputs as readonly [Value, Value];
  const [count] = list.type.shape;
  if (!isStatic(count) || count < layout.length) return undefined;
  const wide = behind(layout, count);
  return { inputs: [x, to.op('Gather', [list, to.ints(wide)])], layout: wide };
};

const gather: Rule = ({ node, layout, layoutOf }) => {
  const [data, indices] = node.inputs as readonly [Value, Value];
  const { axis } = node.attributes as AttributesOf<'Gather'>;
  if (layoutOf(data) !== layout || rankOf(indices) > 1) return undefined;
  const old = normalizeAxis(axis, layout.length);
  return {
    attributes: { axis: newAxis(layout, axis) },
    layout: rankOf(indices) === 0 ? without(layout, [old]) : layout,
  };
};

/** The same matrix at every place. */
const matmul: Rule = ({ node, layout, layoutOf }) => {
  const [a, b] = node.inputs as readonly [Value, Value];
  const last = layout.length - 1;
  return layoutOf(a) === layout && rankOf(b) === 2 && isIdentity(layoutOf(b)) && layout[last] === last
    ? { layout }
    : undefined;
};

/** Of the value as it was, so that what is computed from it stays. */
const shape: Rule = ({ node, layout, to }) => {
  const { start, end } = node.attributes as AttributesOf<'Shape'>;
  const axes = range(layout.length).slice(start, end);
  const found = to.op('Shape', [node.inputs[0] as Value]);
  return to.op('Gather', [found, to.ints(axes.map(axis => layout.indexOf(axis)))], {}, { name: node.name });
};

/** What is known of an operator beside the elementwise ones and the reductions. One that has no rule may take places in their order. */
const rules: { readonly [op in OpName]?: Rule } = {
  Identity: ({ layout }) => ({ layout }),
  Conv: convolution,
  ConvTranspose: convolution,
  MaxPool: pooling,
  AveragePool: pooling,
  LpPool: pooling,
  GlobalAveragePool: channelwise,
  GlobalMaxPool: channelwise,
  BatchNormalization: channelwise,
  InstanceNormalization: channelwise,
  GroupNormalization: channelwise,
  LRN: channelwise,
  LayerNormalization: fromAxis,
  RMSNormalization: fromAxis,
  MeanVarianceNormalization: overAttribute,
  LpNormalization: alongAttribute,
  Softmax: alongAttribute,
  LogSoftmax: alongAttribute,
  Hardmax: alongAttribute,
  ArgMax: alongAttribute,
  ArgMin: alongAttribute,
  TopK: alongAttribute,
  Split: alongAttribute,
  Concat: concat,
  Transpose: transpose,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Slice: slice,
  Pad: pad,
  Resize: resize,
  Expand: byAxis,
  Tile: byAxis,
  Gather: gather,
  MatMul: matmul,
  Shape: shape,
};

const ruleOf = (op: OpName): Rule | undefined =>
  rules[op] ?? (isElementwise(op) ? elementwise : isReduction(op) ? reduction : undefined);
