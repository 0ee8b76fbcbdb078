import {
  type Dim,
  dimKey,
  type Graph,
  isStatic,
  printable,
  type Shape,
  SutureError,
  substitute,
  symbol,
  symbolsOf,
  typeText,
  type Value,
} from '../../ir/index.ts';
import { DimEquations } from '../unify.ts';
import type { DimMap } from './features.ts';

/** How the dims of two networks read once both are fed the same inputs. */
export interface SharedDims {
  readonly a: DimMap;
  readonly b: DimMap;
  /** The inputs' shapes in these dims, in the order of the first network's inputs. */
  readonly inputs: readonly Shape[];
}

/** What messages call two networks. */
export type Names = readonly [string, string];

export const namesOf = (a: Graph, b: Graph): Names => [`'${printable(a.name)}'`, `'${printable(b.name)}'`];

/** Keeps the symbols of the second network apart from those of the first until they are found to be the same. */
const OF_B = 'b.';

/**
 * Two networks that are joined read the same inputs, so what one calls `N` and the other `batch` is the same number, and
 * a dim that is fixed in one is fixed in both. Goes through the inputs dim by dim and equates them; inputs correspond by
 * name if the names are the same, else by position.
 *
 * @throws SutureError `parents-incompatible` if the inputs differ in number, dtype, rank, or in a fixed dim.
 */
export function shareDims(a: Graph, b: Graph, names: Names): SharedDims {
  if (a.inputs.length !== b.inputs.length) {
    throw new SutureError(
      'parents-incompatible',
      `${names[0]} takes ${counted(a.inputs.length)} and ${names[1]} ${counted(b.inputs.length)}; ` +
        'give two networks that take the same inputs.',
    );
  }
  const equations = new DimEquations();
  const resolve = (dim: Dim): Dim => equations.resolve(dim);
  const ofB = (dim: Dim): Dim =>
    substitute(dim, Object.fromEntries([...symbolsOf(dim)].map(name => [name, symbol(OF_B + name)])));

  const byName = a.inputs.every(({ name }) => b.inputs.some(other => other.name === name));
  for (const [i, inputA] of a.inputs.entries()) {
    const inputB = byName ? b.input(inputA.name) : b.inputs[i];
    const fits =
      inputA.type.dtype === inputB.type.dtype &&
      inputA.type.shape.length === inputB.type.shape.length &&
      inputA.type.shape.every((dim, axis) => equations.equate(dim, ofB(inputB.type.shape[axis])));
    if (!fits) throw inputMismatch(names, inputA, inputB);
  }
  // What is still open is named by where it first occurs, so that the networks' own names leave no trace.
  const open = new Set(a.inputs.flatMap(input => input.type.shape.flatMap(dim => [...symbolsOf(resolve(dim))])));
  const symbols = Object.fromEntries([...open].map((name, i) => [name, symbol(`d${i}`)]));
  const ofA = remembered(dim => substitute(resolve(dim), symbols));
  return {
    a: ofA,
    b: remembered(dim => substitute(resolve(ofB(dim)), symbols)),
    inputs: a.inputs.map(({ type }) => type.shape.map(ofA)),
  };
}

/** The features of a network have few dims that differ. */
export function remembered(map: DimMap): DimMap {
  const known = new Map<string, Dim>();
  return dim => {
    if (isStatic(dim)) return dim;
    const key = dimKey(dim);
    const found = known.get(key) ?? map(dim);
    known.set(key, found);
    return found;
  };
}

function inputMismatch(names: Names, inputA: Value, inputB: Value): SutureError {
  const text = (name: string, value: Value): string =>
    `'${printable(value.name)}' of ${name} is ${printable(typeText(value.type))}`;
  return new SutureError(
    'parents-incompatible',
    `The inputs do not fit together: ${text(names[0], inputA)}, ${text(names[1], inputB)}; give two networks that take the same input.`,
  );
}

const counted = (count: number): string => `${count} input${count === 1 ? '' : 's'}`;
