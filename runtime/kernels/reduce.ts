/** Reductions over any axes, and what else goes along one: softmax, arguments of extrema, cumulative sums, the largest k. */
import { SutureError } from '../../ir/errors.ts';
import { inputAt, type Node } from '../../ir/graph.ts';
import { product } from '../../ir/numbers.ts';
import { reducedAxes } from '../../ir/ops/reduction.ts';
import { FunctionSet, literal } from './functions.ts';
import type { Dispatch, KernelContext, KernelPlan, Operand, Scratch } from './kernel.ts';
import { type Bindings, bindAll, input, mappedPlan, output, reads, writes } from './mapped.ts';
import { bindEpilogue, ModuleBuilder, single } from './module.ts';
import { type Combine, type RowShape, Rows } from './rows.ts';
import { around, sizesOf } from './shape.ts';
import { type Stored, storageOf } from './storage.ts';
import { f32, u32 } from './wgsl.ts';

/** A reduction as what is done to each element before, how two results are combined, and what is done to the last one. */
interface Reduction {
  readonly before?: (x: string) => string;
  readonly how: Combine;
  readonly after?: (r: string, count: number, functions: FunctionSet) => string;
  /** The logarithm of a sum of exponentials, about the maximum. */
  readonly exponential?: true;
}

export type ReduceOp =
  | 'ReduceL1'
  | 'ReduceL2'
  | 'ReduceLogSum'
  | 'ReduceLogSumExp'
  | 'ReduceMax'
  | 'ReduceMean'
  | 'ReduceMin'
  | 'ReduceProd'
  | 'ReduceSum'
  | 'ReduceSumSquare';

const reductions: { readonly [K in ReduceOp]: Reduction } = {
  ReduceL1: { how: 'sum', before: x => `abs(${x})` },
  ReduceL2: { how: 'sum', before: x => `${x} * ${x}`, after: r => `sqrt(${r})` },
  ReduceLogSum: { how: 'sum', after: (r, _, functions) => functions.call('log', { width: 1 }, r) },
  ReduceLogSumExp: { how: 'sum', exponential: true },
  ReduceMax: { how: 'max' },
  ReduceMean: { how: 'sum', after: (r, count) => `${r} / ${f32(count)}` },
  ReduceMin: { how: 'min' },
  ReduceProd: { how: 'product' },
  ReduceSum: { how: 'sum' },
  ReduceSumSquare: { how: 'sum', before: x => `${x} * ${x}` },
};

/** The passes that reduce `axes` of `shape`, the last axes first: each takes one run of neighbouring axes. */
function passesOf(shape: readonly number[], axes: readonly number[]): RowShape[] {
  const passes: RowShape[] = [];
  let current = shape.map((size, i) => ({ size, reduced: axes.includes(i) })).filter(a => a.size !== 1);
  while (current.some(a => a.reduced)) {
    const end = current.findLastIndex(a => a.reduced) + 1;
    let start = end;
    while (start > 0 && current[start - 1].reduced) start--;
    const size = (list: typeof current) => product(list.map(a => a.size));
    passes.push({
      outer: size(current.slice(0, start)),
      length: size(current.slice(start, end)),
      inner: size(current.slice(end)),
    });
    current = [...current.slice(0, start), ...current.slice(end)];
  }
  return passes.flatMap(cut);
}

/** Rows that keep an adapter busy; a long reduction to fewer is cut into two passes. */
const enoughRows = 256;
const longestRow = 4096;

function cut(pass: RowShape): RowShape[] {
  const { outer, length, inner } = pass;
  if (outer * inner >= enoughRows || length < 2 * longestRow) return [pass];
  const wanted = Math.min(Math.ceil(enoughRows / (outer * inner)), Math.floor(length / 64));
  for (let pieces = wanted; pieces > 1; pieces--) {
    if (length % pieces === 0) {
      return [
        { outer: outer * pieces, length: length / pieces, inner },
        { outer, length: pieces, inner },
      ];
    }
  }
  return [pass];
}

/** Whether a float is infinite or NaN: by its bits, since compilers may take either for impossible. */
const isSpecial = (x: string): string => `((bitcast<u32>(${x}) & 0x7f800000u) == 0x7f800000u)`;

const zero: Readonly<Record<Stored, string>> = { f32: '0.0', i32: '0i', u32: '0u' };

function reducePass(
  reduction: Reduction,
  shape: RowShape,
  options: {
    label: string;
    type: Stored;
    from: Operand;
    to: Operand;
    first: boolean;
    /** Set for the last pass: the elements that the whole reduction takes for one result. */
    count: number | undefined;
  },
  context: KernelContext,
): Dispatch {
  const { type, first, count } = options;
  const { how, before, after, exponential } = reduction;
  const module = new ModuleBuilder();
  module.bind('x', options.from, type);
  module.bind('y', options.to, type, 'read_write');
  const rows = new Rows(shape, context);
  const functions = new FunctionSet();
  const element = (at: string) => (first && before ? before(`x[${at}]`) : `x[${at}]`);
  const finish = (r: string) => (count !== undefined && after ? after(r, count, functions) : r);
  const extreme = (kind: Combine) => [
    `var best = ${element(rows.at(u32(0)))};`,
    rows.loop((_k, at) => `let v = ${element(at)}; best = ${Rows.join(kind, 'best', 'v', type)};`),
    rows.combine(kind, 'best', type),
  ];
  let body: string[];
  if (exponential) {
    // An infinite maximum, or NaN, is the result itself.
    body = [
      ...extreme('max'),
      rows.sums(['total'], (_k, at) => ({ terms: [`exp(x[${at}] - best)`] })),
      rows.once(`y[row] = select(log(total) + best, best, ${isSpecial('best')});`),
    ];
  } else if (how === 'sum' && type === 'f32') {
    body = [rows.sums(['total'], (_k, at) => ({ terms: [element(at)] })), rows.once(`y[row] = ${finish('total')};`)];
  } else if (how === 'sum' || how === 'product') {
    const start = how === 'sum' ? zero[type] : `${type}(1)`;
    body = [
      `var total = ${start};`,
      rows.loop((_k, at) => `total = ${Rows.join(how, 'total', element(at), type)};`),
      rows.combine(how, 'total', type),
      rows.once(`y[row] = ${type === 'f32' ? finish('total') : integral(reduction, count)};`),
    ];
  } else body = [...extreme(how), rows.once('y[row] = best;')];
  module.declare(functions.declarations(body.join('\n')));
  return rows.dispatch(options.label, module, body);

  function integral({ after: last }: Reduction, over: number | undefined): string {
    if (over === undefined || last === undefined) return 'total';
    return `${type}(${last('f32(total)', over, functions)})`;
  }
}

/** Operand 0, of a shape, reduced along axes. */
interface ReductionSpec {
  readonly reduction: Reduction;
  readonly shape: readonly number[];
  readonly axes: readonly number[];
  readonly type: Stored;
  readonly label: string;
}

/** What a reduction of no elements gives. */
function emptyReduction({ reduction, shape, axes, type, label }: ReductionSpec, context: KernelContext): KernelPlan {
  const { how, after, exponential } = reduction;
  const least = { f32: Number.NEGATIVE_INFINITY, i32: -2147483648, u32: 0 }[type];
  const most = { f32: Number.POSITIVE_INFINITY, i32: 2147483647, u32: 4294967295 }[type];
  const start = { sum: 0, product: 1, max: least, min: most }[how];
  const value = literal(exponential ? Number.NEGATIVE_INFINITY : start, type, { width: 1 });
  const functions = new FunctionSet();
  const last = after ? after('none', 0, functions) : 'none';
  return mappedPlan(
    {
      label,
      shape: shape.map((n, i) => (axes.includes(i) ? 1 : n)),
      bindings: { y: writes(output(0), type) },
      declarations: functions.declarations(value),
      element: i => `let none = ${value}; y[${i}] = ${last};`,
    },
    context,
  );
}

/** Plans a reduction of operand 0 to output 0. */
function planReduction(spec: ReductionSpec, context: KernelContext): KernelPlan {
  const { reduction, shape, axes, type, label } = spec;
  const count = product(axes.map(a => shape[a]));
  if (count === 0) return emptyReduction(spec, context);
  const found = passesOf(shape, axes);
  const passes = found.length > 0 ? found : [{ outer: product(shape), length: 1, inner: 1 }];
  const scratch: Scratch[] = [];
  const dispatches = passes.map((pass, i) => {
    const from: Operand = i === 0 ? input(0) : { kind: 'scratch', index: i - 1 };
    const last = i === passes.length - 1;
    if (!last) scratch.push({ bytes: 4 * pass.outer * pass.inner, lifetime: 'run' });
    const to: Operand = last ? output(0) : { kind: 'scratch', index: i };
    return reducePass(
      reduction,
      pass,
      { label, type, from, to, first: i === 0, count: last ? count : undefined },
      context,
    );
  });
  return { dispatches, scratch };
}

export function reduce(node: Node<ReduceOp>, context: KernelContext): KernelPlan {
  const [data, axesOperand] = node.inputs;
  const { noop_with_empty_axes } = node.attributes;
  const shape = sizesOf(data!);
  const axes = reducedAxes(shape.length, axesOperand, noop_with_empty_axes);
  if (axes === undefined) throw new SutureError('kernel-missing', 'its axes must be known before the run');
  const type = storageOf(data!.type.dtype);
  if (reductions[node.op].exponential && type !== 'f32')
    throw new SutureError('kernel-missing', 'its kernel takes floats');
  const label = `${node.op} ${shape.join('x')}`;
  return planReduction({ reduction: reductions[node.op], shape, axes, type, label }, context);
}

/** A pooling over all spatial axes. */
export function globalPool(node: Node<'GlobalAveragePool' | 'GlobalMaxPool'>, context: KernelContext): KernelPlan {
  const shape = sizesOf(inputAt(node, 0));
  const axes = shape.map((_, i) => i).slice(2);
  const reduction = reductions[node.op === 'GlobalMaxPool' ? 'ReduceMax' : 'ReduceMean'];
  return planReduction({ reduction, shape, axes, type: 'f32', label: `${node.op} ${shape.join('x')}` }, context);
}

interface SerialSpec {
  readonly label: string;
  readonly shape: RowShape;
  readonly bindings: Bindings;
  readonly body: (rows: Rows) => readonly string[];
}

/** An invocation for each row, which looks at its elements in their order. */
function alongAxis({ label, shape, bindings, body }: SerialSpec, context: KernelContext): KernelPlan {
  const module = new ModuleBuilder();
  bindAll(module, bindings);
  const rows = new Rows(shape, context, true);
  return single(rows.dispatch(label, module, body(rows)));
}

const rowsAlong = (shape: readonly number[], axis: number): RowShape => {
  const { outer, axis: length, inner } = around(shape, axis);
  return { outer, length, inner };
};

export function softmax(node: Node<'Softmax' | 'LogSoftmax'>, context: KernelContext): KernelPlan {
  const shape = sizesOf(inputAt(node, 0));
  const module = new ModuleBuilder();
  module.bind('x', input(0));
  const store = bindEpilogue(module, context, 1);
  module.bind('y', output(0), 'f32', 'read_write');
  const rows = new Rows(rowsAlong(shape, node.attributes.axis), context);
  const value =
    node.op === 'Softmax' ? (at: string) => `exp(x[${at}] - best) / total` : (at: string) => `x[${at}] - best - offset`;
  const [n = 1, c = 1, ...rest] = shape;
  const inner = product(rest);
  const place = {
    flat: 'at',
    channel: `(at / ${u32(inner)} % ${u32(c)})`,
    batch: `(at / ${u32(inner * c)} % ${u32(n)})`,
  };
  const body = [
    `var best = x[${rows.at(u32(0))}];`,
    rows.loop((_k, at) => `let v = x[${at}]; best = ${Rows.join('max', 'best', 'v')};`),
    rows.combine('max', 'best'),
    rows.sums(['total'], (_k, at) => ({ terms: [`exp(x[${at}] - best)`] })),
    // Where the largest is infinite or NaN, the differences to it are NaN.
    `total = select(total, bitcast<f32>(bitcast<u32>(best) | 0x7fc00000u), ${isSpecial('best')});`,
    ...(node.op === 'LogSoftmax' ? [`let offset = select(log(total), total, ${isSpecial('best')});`] : []),
    rows.loop((_k, at) => `let at = ${at}; let value = ${value('at')}; ${store('value', place, 'y')}`),
  ];
  const label = `${node.op} ${shape.join('x')} axis ${node.attributes.axis}`;
  return single(rows.dispatch(label, module, body));
}

export function hardmax(node: Node<'Hardmax'>, context: KernelContext): KernelPlan {
  const shape = sizesOf(inputAt(node, 0));
  return alongAxis(
    {
      label: `Hardmax ${shape.join('x')}`,
      shape: rowsAlong(shape, node.attributes.axis),
      bindings: { x: reads(input(0)), y: writes(output(0)) },
      body: rows => [
        `var best = x[${rows.at(u32(0))}]; var position = 0u;`,
        rows.loop((k, at) => `let v = x[${at}]; if (v > best) { best = v; position = ${k}; }`),
        rows.loop((k, at) => `y[${at}] = select(0.0, 1.0, ${k} == position);`),
      ],
    },
    context,
  );
}

export function argument(node: Node<'ArgMax' | 'ArgMin'>, context: KernelContext): KernelPlan {
  const [x] = node.inputs;
  const shape = sizesOf(x!);
  const { axis, select_last_index } = node.attributes;
  const better = `${node.op === 'ArgMax' ? '>' : '<'}${select_last_index ? '=' : ''}`;
  return alongAxis(
    {
      label: `${node.op} ${shape.join('x')}`,
      shape: rowsAlong(shape, axis),
      bindings: { x: reads(input(0), storageOf(x!.type.dtype)), y: writes(output(0), 'i32') },
      body: rows => [
        `var best = x[${rows.at(u32(0))}]; var position = 0u;`,
        rows.loop((k, at) => `let v = x[${at}]; if (v ${better} best) { best = v; position = ${k}; }`),
        'y[row] = i32(position);',
      ],
    },
    context,
  );
}

/** An axis that is an operand must be a constant. */
function axisOperand(node: Node, i: number): number {
  const constant = node.inputs[i]?.constant;
  if (!constant) throw new SutureError('kernel-missing', 'its axis must be known before the run');
  return Number(constant.data[0]);
}

export function cumulative(node: Node<'CumSum' | 'CumProd'>, context: KernelContext): KernelPlan {
  const [x] = node.inputs;
  const shape = sizesOf(x!);
  const type = storageOf(x!.type.dtype);
  const { exclusive, reverse } = node.attributes;
  const rowShape = rowsAlong(shape, axisOperand(node, 1));
  const operator = node.op === 'CumSum' ? '+' : '*';
  return alongAxis(
    {
      label: `${node.op} ${shape.join('x')}`,
      shape: rowShape,
      bindings: { x: reads(input(0), type), y: writes(output(0), type) },
      body: rows => [
        `var total = ${type}(${node.op === 'CumSum' ? 0 : 1});`,
        rows.loop(k => {
          const position = reverse ? `(${u32(rowShape.length - 1)} - ${k})` : k;
          const at = `let at = ${rows.at(position)};`;
          const step = `total = total ${operator} x[at];`;
          return exclusive ? `${at} y[at] = total; ${step}` : `${at} ${step} y[at] = total;`;
        }),
      ],
    },
    context,
  );
}

/** The next element in order is found by a pass over the row, k passes in all: k is small where TopK is used. */
export function topK(node: Node<'TopK'>, context: KernelContext): KernelPlan {
  const [x] = node.inputs;
  const [values, indices] = node.outputs;
  const shape = sizesOf(x!);
  const type = storageOf(x!.type.dtype);
  const { axis, largest } = node.attributes;
  const rowShape = rowsAlong(shape, axis);
  const { axis: k } = around(sizesOf(values), axis);
  const better = largest ? '>' : '<';
  const { inner } = rowShape;
  const bindings = { x: reads(input(0), type), y: writes(output(0), type) };
  return alongAxis(
    {
      label: `TopK ${shape.join('x')}`,
      shape: rowShape,
      bindings: { ...bindings, ...(indices && { indices: writes(output(1), 'i32') }) },
      body: rows => [
        `var last = ${type}(0); var position = 0u;`,
        `let first = row / ${u32(inner)} * ${u32(k * inner)} + row % ${u32(inner)};`,
        `for (var j = 0u; j < ${u32(k)}; j++) {
    var best = ${type}(0); var found = ${u32(rowShape.length)};
    ${rows.loop((i, at) => `let v = x[${at}]; let open = j == 0u || v ${largest ? '<' : '>'} last || (v == last && ${i} > position); if (open && (found == ${u32(rowShape.length)} || v ${better} best)) { best = v; found = ${i}; }`)}
    last = best; position = found;
    y[first + j * ${u32(inner)}] = best;
    ${indices ? `indices[first + j * ${u32(inner)}] = i32(found);` : ''}
  }`,
      ],
    },
    context,
  );
}
