import {
  type AnyNode,
  addDims,
  type Dim,
  dimKey,
  equalDims,
  type Graph,
  isElementwise,
  isStatic,
  LONGEST_PERIOD,
  multiplyDims,
  periodOf,
  type Shape,
  substitute,
  symbol,
  symbolsOf,
} from '../../ir/index.ts';
import { normalizeAxis } from '../../ir/operator.ts';
import { bindSymbols } from './bind.ts';

/** Two dims that are one extent, or else nothing can be computed. */
export type DimPair = readonly [Dim, Dim];

/**
 * The sizes that a network demands of its inputs, derived from where its paths meet. A U-Net that pools twice joins `H` with
 * `2·floor(H/2)`, and `floor(H/2)` with `2·floor(floor(H/2)/2)`: only multiples of 4 fit, `H = 4·H'`. Without padding there may be an
 * offset (`16·H' - 4`).
 *
 * What a Concat joins must have equal extents off its axis, a Reshape keeps the number of elements, and what an elementwise operator takes
 * must be equal where both are open: were one of them 1 it would be broadcast, but an extent that is 1 at some sizes and not at others is
 * none that a network means.
 * Equations that no arithmetic sequence of sizes solves (or not one alone) say nothing. The batch axis is left as it is.
 *
 * @returns by symbol what stands for it, in terms of itself; without those that may be anything.
 */
export function demandedSizes(graph: Graph): Readonly<Record<string, Dim>> {
  const sizes: Record<string, Dim> = Object.create(null);
  const open = openSizes(graph.inputs.map(v => v.type.shape));
  if (open.size === 0) return sizes;
  let equations = distinct(graph.nodes.flatMap(joints));
  for (let settled = false; !settled; ) {
    settled = true;
    // The shallowest joints first: those below them are simple then.
    for (const [name, period, pair] of solvable(equations, open)) {
      const found = solution(pair, name, period);
      if (!found) continue;
      sizes[name] = substitute(sizes[name] ?? symbol(name), { [name]: found });
      equations = distinct(equations.map(([a, b]) => [a, b].map(d => substitute(d, { [name]: found })) as [Dim, Dim]));
      settled = false;
      break;
    }
  }
  return sizes;
}

/** A network whose open sizes are those that it can take: the same names and nodes, other types. The same object where all will do. */
export const withDemandedSizes = (graph: Graph): Graph => bindSymbols(graph, demandedSizes(graph));

/** The symbols of sizes, of inputs of these shapes: those that say nothing of the batch. */
export function openSizes(inputs: readonly Shape[]): ReadonlySet<string> {
  const open = new Set<string>();
  for (const shape of inputs) for (const dim of shape.slice(1)) symbolsOf(dim, open);
  for (const shape of inputs) for (const name of symbolsOf(shape[0] ?? 1)) open.delete(name);
  return open;
}

/** The open extents that a node makes one. */
function joints(node: AnyNode): readonly DimPair[] {
  const shapes = node.inputs.flatMap(v => (v ? [v.type.shape] : []));
  if (shapes.length < 2) return [];
  if (node.op === 'Concat') {
    const axis = normalizeAxis(node.attributes.axis, shapes[0].length);
    return shapes[0].flatMap((_, i) => (i === axis ? [] : paired(shapes.map(s => s[i]))));
  }
  if (node.op === 'Reshape') {
    const [from, to] = [shapes[0], node.outputs[0].type.shape];
    return from.length === to.length ? from.flatMap((dim, i) => paired([dim, to[i]])) : [];
  }
  if (!isElementwise(node.op)) return [];
  const rank = Math.max(...shapes.map(s => s.length));
  return Array.from({ length: rank }, (_, i) => paired(shapes.map(s => s[s.length - rank + i] ?? 1))).flat();
}

function paired(dims: readonly Dim[]): readonly DimPair[] {
  const [first, ...others] = dims.filter(dim => !isStatic(dim));
  return others.map(other => [first, other]);
}

function distinct(pairs: readonly DimPair[]): readonly DimPair[] {
  const byText = new Map<string, DimPair>();
  for (const [a, b] of pairs) if (!equalDims(a, b)) byText.set(`${dimKey(a)} = ${dimKey(b)}`, [a, b]);
  return [...byText.values()];
}

/** The equations of one size each that can be gone through, with their periods, the shortest first. */
function solvable(
  equations: readonly DimPair[],
  open: ReadonlySet<string>,
): readonly (readonly [name: string, period: number, DimPair])[] {
  return equations
    .flatMap(pair => {
      const [name, ...others] = new Set(pair.flatMap(dim => [...symbolsOf(dim)]));
      if (name === undefined || others.length > 0 || !open.has(name)) return [];
      const period = periodOf(addDims(pair[0], multiplyDims(-1, pair[1])), name);
      return period > 1 && period <= LONGEST_PERIOD ? [[name, period, pair] as const] : [];
    })
    .sort(([, p], [, q]) => p - q);
}

/** What stands for a size where both dims are equal: `4·H`, `4·H - 1`. Undefined where that is everywhere, nowhere, or several of these. */
function solution([a, b]: DimPair, name: string, period: number): Dim | undefined {
  const at = (factor: number, offset: number): Dim => addDims(multiplyDims(factor, symbol(name)), offset);
  const fits = Array.from({ length: period }, (_, i) => {
    const size = { [name]: at(period, -i) };
    return equalDims(substitute(a, size), substitute(b, size));
  });
  const first = fits.indexOf(true);
  const count = fits.filter(Boolean).length;
  if (count === 0 || count === period || period % count !== 0) return undefined;
  const factor = period / count;
  return fits.every((fit, i) => fit === (i % factor === first)) ? at(factor, -first) : undefined;
}
