import {
  type Dim,
  type Graph,
  printable,
  SutureError,
  type SymbolicDim,
  substitute,
  symbol,
  symbolsOf,
  type TensorType,
  typeText,
} from '../../ir/index.ts';
import type { BranchGrid } from '../other-grid.ts';
import { DimEquations } from '../unify.ts';
import type { OutputMeaning } from './meaning.ts';
import type { Tag } from './network.ts';

export interface TaggedGraph {
  readonly tag: Tag;
  readonly graph: Graph;
  /** What its only output means. Default: what the graph says, see `meaningOf`. */
  readonly meaning?: OutputMeaning | undefined;
  /** Where its features lie, if that is another grid than that of the images that the parents share. */
  readonly grid?: BranchGrid | undefined;
}

/** An input that all parents share. */
interface SharedInput {
  /** The first parent's name for it. */
  readonly name: string;
  readonly type: TensorType;
  /** What each parent calls it, in the order of the parents. */
  readonly names: readonly string[];
}

/**
 * Pairs up the things that parents call by name: by name where all use the same names, else by position. Throws when the
 * counts differ.
 */
export function alignNames(parents: readonly TaggedGraph[], what: 'input' | 'output'): readonly (readonly string[])[] {
  const lists = parents.map(({ graph }) => (what === 'input' ? graph.inputs : graph.outputs).map(v => v.name));
  const [first] = lists;
  for (const [p, list] of lists.entries()) {
    if (list.length !== first.length) {
      throw new SutureError(
        'parents-incompatible',
        `Parent '${parents[0].tag}' has ${counted(first.length, what)} (${first.map(n => printable(n)).join(', ')}), parent ` +
          `'${parents[p].tag}' has ${list.length} (${list.map(n => printable(n)).join(', ')}): export them with the same ${what}s.`,
      );
    }
  }
  const byName = lists.every(list => first.every(name => list.includes(name)));
  return first.map((name, i) => lists.map(list => (byName ? name : list[i])));
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

/** The inputs that parents share, and what dims of theirs are in terms of these. */
export interface SharedInputs {
  readonly inputs: readonly SharedInput[];
  /** A dim of the parent with this number. */
  dim(parent: number, dim: Dim): Dim;
}

/**
 * The inputs that the parents share. Symbols of different parents that stand for the same extent become one, under the first
 * parent's name for it; a symbol that meets a number becomes that number.
 *
 * @throws SutureError `parents-incompatible` when the numbers of inputs, their dtypes, ranks or extents differ.
 */
export function shareInputs(parents: readonly TaggedGraph[]): SharedInputs {
  const equations = new DimEquations();
  const shared = alignNames(parents, 'input').map(names => {
    const types = parents.map(({ tag, graph }, p) => qualified(graph.input(names[p]).type, tag));
    const [first] = types;
    for (const [p, type] of types.entries()) {
      const fits =
        type.dtype === first.dtype &&
        type.shape.length === first.shape.length &&
        type.shape.every((dim, i) => equations.equate(first.shape[i], dim));
      if (fits) continue;
      const [a, b] = [0, p].map(
        q => `'${printable(names[q])}' of parent '${parents[q].tag}' is ${typeOf(parents, names, q)}`,
      );
      throw new SutureError('parents-incompatible', `The input ${a}, but ${b}: both must take the same input.`);
    }
    return { names, type: first };
  });
  const rename = plainNames(shared.flatMap(s => s.type.shape.map(d => equations.resolve(d))));
  const plain = (dim: Dim): Dim => substitute(equations.resolve(dim), rename);
  return {
    inputs: shared.map(({ names, type }) => ({
      name: names[0],
      names,
      type: { dtype: type.dtype, shape: type.shape.map(plain) },
    })),
    dim: (p, dim) => plain(qualifiedDim(dim, parents[p].tag)),
  };
}

const typeOf = (parents: readonly TaggedGraph[], names: readonly string[], p: number): string =>
  typeText(parents[p].graph.input(names[p]).type);

/** The separator keeps symbols of different parents apart until they are unified. */
const separator = '\u0000';

const qualified = ({ dtype, shape }: TensorType, tag: Tag): TensorType => ({
  dtype,
  shape: shape.map(dim => qualifiedDim(dim, tag)),
});

const qualifiedDim = (dim: Dim, tag: Tag): Dim =>
  substitute(dim, Object.fromEntries([...symbolsOf(dim)].map(name => [name, symbol(`${name}${separator}${tag}`)])));

/** Qualified symbols under their plain names again, with the tag added where two would become one. */
function plainNames(dims: readonly Dim[]): Record<string, SymbolicDim> {
  const names: Record<string, SymbolicDim> = Object.create(null);
  const taken = new Set<string>();
  const keys = new Set<string>();
  for (const dim of dims) symbolsOf(dim, keys);
  for (const key of keys) {
    const [name, tag] = key.split(separator);
    let plain = name;
    if (taken.has(plain)) plain = `${name}_${tag}`;
    for (let i = 1; taken.has(plain); i++) plain = `${name}_${tag}_${i}`;
    taken.add(plain);
    names[key] = symbol(plain);
  }
  return names;
}
