/**
 * What matrix products share on every class of adapter: how a long sum is cut, where an element of the batch lies, scale, bias and
 * epilogue at the store, and the sum over the pieces.
 */
import { product, range } from '../../ir/numbers.ts';
import type { Dispatch, KernelContext, KernelPlan } from './kernel.ts';
import { type MatMulSpec, matmulLabel, matmulMacs } from './matmul-spec.ts';
import { bindEpilogue, ModuleBuilder, single } from './module.ts';
import { add, ceilDiv, f32, foldGrid, times, u32, unravel } from './wgsl.ts';

/** A long sum in pieces of consecutive terms: the last may be shorter. */
export interface Pieces {
  readonly count: number;
  readonly length: number;
}

/**
 * Cuts a long sum, so that a product with few elements still keeps the adapter busy. How a sum is cut decides the order of its
 * terms, so it follows from the shape and the adapter's class and not from the sizes that a kernel is given.
 *
 * @param threads invocations (or workgroups) that compute the product unsplit.
 * @param wanted as many of them as keep the adapter busy.
 * @param shortest terms that a piece has at least.
 * @param unit lengths of pieces are multiples of it.
 */
export function piecesOfSum(k: number, threads: number, wanted: number, shortest: number, unit: number): Pieces {
  const splits = Math.max(1, Math.min(Math.floor(wanted / threads), Math.floor(k / shortest)));
  const length = Math.max(1, ceilDiv(ceilDiv(k, splits), unit)) * unit;
  return { count: Math.max(1, ceilDiv(k, length)), length };
}

/** Statements for the range of the sum that piece `split` covers: `begin` to `end`. */
export const pieceRange = (k: number, { count, length }: Pieces): readonly string[] => [
  `let begin = ${count === 1 ? '0u' : `split * ${u32(length)}`};`,
  `let end = ${count === 1 ? u32(k) : `min(begin + ${u32(length)}, ${u32(k)})`};`,
];

/** Statements that find batch element `element`: its coordinates `e0`, `e1`, ..., and where its matrices begin, `ab` and `bb`. */
export function matricesOf(spec: MatMulSpec): readonly string[] {
  const base = (strides: readonly number[]) => add(...strides.map((stride, i) => times(`e${i}`, stride)));
  return [
    ...unravel('element', spec.batch).map((at, i) => `let e${i} = ${at};`),
    `let ab = ${base(spec.a.batch)};`,
    `let bb = ${base(spec.b.batch)};`,
  ];
}

/** The plan of a product, given the dispatch of its sums or of their pieces. */
export function productPlan(
  spec: MatMulSpec,
  { count }: Pieces,
  products: Dispatch,
  context: KernelContext,
): KernelPlan {
  const dispatch = { ...products, macs: matmulMacs(spec) };
  if (count === 1) return single(dispatch);
  return {
    dispatches: [dispatch, sumPieces(spec, count, context)],
    scratch: [{ bytes: count * product(spec.batch) * spec.m * spec.n * 4, lifetime: 'run' }],
  };
}

type Store = (value: string, row: string, column: string) => string;

/** Binds C, the epilogue's inputs and the output; the code may use `element` (the flat batch index) and `e0`, `e1`, .... */
function finish(builder: ModuleBuilder, spec: MatMulSpec, context: KernelContext): Store {
  const { c, alpha, m, n } = spec;
  if (c) builder.bind('c', { kind: 'input', index: 2 });
  builder.bind('y', { kind: 'output', index: 0 }, 'f32', 'read_write');
  const store = bindEpilogue(builder, context, c ? 3 : 2);
  return (value, row, column) => {
    const scaled = alpha === 1 ? value : `${f32(alpha)} * ${value}`;
    const bias = c
      ? ` + ${c.beta === 1 ? '' : `${f32(c.beta)} * `}c[${add(
          ...c.batch.map((stride, i) => times(`e${i}`, stride)),
          times(`(${row})`, c.row),
          times(`(${column})`, c.column),
        )}]`
      : '';
    // The axes of the output are [...batch, m, n]: which of them is axis 0 and axis 1 depends on how many there are.
    const axes = [...range(spec.batch.length).map(i => `e${i}`), `(${row})`, `(${column})`];
    const flat = `(element * ${u32(m)} + (${row})) * ${u32(n)} + (${column})`;
    return `{ let result = ${scaled}${bias}; ${store('result', { flat, channel: axes[1], batch: axes[0] }, 'y')} }`;
  };
}

/** The store of a product, or of one piece of it, into what comes next. */
export function storeProduct(builder: ModuleBuilder, spec: MatMulSpec, pieces: Pieces, context: KernelContext): Store {
  if (pieces.count === 1) return finish(builder, spec, context);
  builder.bind('partial', { kind: 'scratch', index: 0 }, 'f32', 'read_write');
  const { m, n } = spec;
  const batch = product(spec.batch);
  return (value, row, column) =>
    `partial[((split * ${u32(batch)} + element) * ${u32(m)} + (${row})) * ${u32(n)} + (${column})] = ${value};`;
}

/** The dispatch that adds up the pieces, in their order, and finishes the product. */
function sumPieces(spec: MatMulSpec, pieces: number, context: KernelContext): Dispatch {
  const { m, n } = spec;
  const total = product(spec.batch) * m * n;
  const grid = foldGrid(ceilDiv(total, 64), context.limits);
  const builder = new ModuleBuilder();
  builder.bind('partial', { kind: 'scratch', index: 0 });
  const store = finish(builder, spec, context);
  const batch = unravel('element', spec.batch).map((at, i) => `  let e${i} = ${at};\n`);
  const body = `  let i = ${grid.flat('wid')} * 64u + lid;
  if (i >= ${u32(total)}) { return; }
  var sum = 0.0;
  for (var piece = 0u; piece < ${u32(pieces)}; piece++) { sum += partial[piece * ${u32(total)} + i]; }
  let element = i / ${u32(m * n)};
${batch.join('')}  let row = (i / ${u32(n)}) % ${u32(m)};
  let column = i % ${u32(n)};
  ${store('sum', 'row', 'column')}`;
  const label = `sum of ${pieces} pieces of ${matmulLabel(spec)}`;
  return builder.dispatch(label, grid.workgroups, { workgroup: 64, group: 'wid', local: 'lid', body });
}
