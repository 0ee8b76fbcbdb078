/**
 * Symbolic dimensions: polynomials with integer coefficients over symbols (`N`) and opaque atoms (`floor((H + 1) / 2)`).
 * Two dims are equal exactly when their canonical texts are, so `2·N` from one network equals `2·N` from another.
 * A symbol stands for a positive integer. While a file is read, the length of a text is limited (`limits.ts`), and with it what
 * arithmetic on dims can cost; coefficients are exact, or an error.
 */
import { printable, SutureError } from './errors.ts';
import { activeBudget, LimitError } from './limits.ts';

type Atom =
  | { readonly kind: 'symbol'; readonly key: string }
  | { readonly kind: 'floor'; readonly key: string; readonly numerator: SymbolicDim; readonly denominator: number }
  | { readonly kind: 'max' | 'quotient'; readonly key: string; readonly left: Dim; readonly right: Dim };

interface Term {
  readonly coefficient: number;
  /** Sorted by key, with repetition: `N·N` is two atoms. Empty for the constant term. */
  readonly atoms: readonly Atom[];
}

/** A dimension that is not a plain number. Make one with `symbol` and the arithmetic of this file. */
export class SymbolicDim {
  readonly terms: readonly Term[];
  /** Canonical text: equal text, equal dim. */
  readonly key: string;

  constructor(terms: readonly Term[]) {
    this.terms = terms;
    this.key = terms.map(termText).join(' + ').replaceAll('+ -', '- ');
    checkLength(this.key.length);
  }

  /** For people: names of symbols come from files. Where dims are compared or kept, it is by `key`. */
  toString(): string {
    return printable(this.key);
  }
}

export type Dim = number | SymbolicDim;

/** Values for symbols, e.g. `{ N: 8 }`. */
export type Binding = Readonly<Record<string, number>>;

/** A formula of so many terms, or characters, is not made. @throws LimitError */
function checkLength(length: number): void {
  const limit = activeBudget()?.limits.formula;
  if (limit !== undefined && length > limit) throw new LimitError('formula', limit);
}

/** The text that stands for a dim: equal text, equal dim. */
export const dimKey = (dim: Dim): string => (typeof dim === 'number' ? String(dim) : dim.key);

const termKey = (atoms: readonly Atom[]): string => atoms.map(a => a.key).join('·');

function termText({ coefficient, atoms }: Term): string {
  if (atoms.length === 0) return String(coefficient);
  const product = termKey(atoms);
  if (coefficient === 1) return product;
  return coefficient === -1 ? `-${product}` : `${coefficient}·${product}`;
}

function termsOf(dim: Dim): readonly Term[] {
  if (typeof dim !== 'number') return dim.terms;
  return dim === 0 ? [] : [{ coefficient: dim, atoms: [] }];
}

function normalize(terms: Iterable<Term>): Dim {
  const sums = new Map<string, Term>();
  for (const term of terms) {
    const key = termKey(term.atoms);
    const coefficient = (sums.get(key)?.coefficient ?? 0) + term.coefficient;
    sums.set(key, { coefficient, atoms: term.atoms });
  }
  const kept = [...sums].filter(([, term]) => term.coefficient !== 0);
  const inexact = kept.find(([, term]) => !Number.isSafeInteger(term.coefficient));
  if (inexact !== undefined) {
    throw new SutureError(
      'type-mismatch',
      `a dimension has the coefficient ${inexact[1].coefficient}, which is no exact integer`,
    );
  }
  // The constant term goes last, so that it reads `H - 1`.
  kept.sort(([a], [b]) => (a === '' ? 1 : b === '' ? -1 : a < b ? -1 : 1));
  if (kept.length === 0) return 0;
  if (kept.length === 1 && kept[0][0] === '') return kept[0][1].coefficient;
  return new SymbolicDim(kept.map(([, term]) => term));
}

const ofAtom = (atom: Atom): Dim => new SymbolicDim([{ coefficient: 1, atoms: [atom] }]);

/** The dim that a name stands for. */
export const symbol = (name: string): SymbolicDim =>
  new SymbolicDim([{ coefficient: 1, atoms: [{ kind: 'symbol', key: name }] }]);

export const isStatic = (dim: Dim): dim is number => typeof dim === 'number';

export function equalDims(a: Dim, b: Dim): boolean {
  return typeof a === 'number' || typeof b === 'number' ? a === b : a.key === b.key;
}

export function addDims(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return a + b;
  return normalize([...termsOf(a), ...termsOf(b)]);
}

export function multiplyDims(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return a * b;
  const products: Term[] = [];
  checkLength(termsOf(a).length * termsOf(b).length);
  for (const x of termsOf(a)) {
    for (const y of termsOf(b)) {
      const atoms = [...x.atoms, ...y.atoms].sort((p, q) => (p.key < q.key ? -1 : p.key > q.key ? 1 : 0));
      products.push({ coefficient: x.coefficient * y.coefficient, atoms });
    }
  }
  return normalize(products);
}

export const subtractDims = (a: Dim, b: Dim): Dim => addDims(a, multiplyDims(-1, b));

export const productOf = (dims: readonly Dim[]): Dim => dims.reduce(multiplyDims, 1);

const modulo = (a: number, m: number): number => ((a % m) + m) % m;

/** `floor(a / b)` for a positive divisor. Whole multiples leave the floor, so `floor((2·H + 3) / 2)` is `H + 1`. */
export function floorDivide(a: Dim, b: number): Dim {
  if (typeof a === 'number') return Math.floor(a / b);
  if (b === 1) return a;
  const whole: Term[] = [];
  const rest: Term[] = [];
  for (const { coefficient, atoms } of a.terms) {
    whole.push({ coefficient: Math.floor(coefficient / b), atoms });
    rest.push({ coefficient: modulo(coefficient, b), atoms });
  }
  const remainder = normalize(rest);
  if (typeof remainder === 'number') return addDims(normalize(whole), Math.floor(remainder / b));
  const atom: Atom = { kind: 'floor', key: `floor((${remainder.key})/${b})`, numerator: remainder, denominator: b };
  return addDims(normalize(whole), ofAtom(atom));
}

export const ceilDivide = (a: Dim, b: number): Dim => floorDivide(addDims(a, b - 1), b);

/** `a / b` where the division is known to leave no remainder, as for the -1 of a Reshape; undefined when it can't be. */
export function divideExactly(a: Dim, b: Dim): Dim | undefined {
  if (equalDims(a, b)) return 1;
  if (b === 0) return undefined;
  if (typeof b === 'number') {
    if (typeof a === 'number') return a % b === 0 ? a / b : undefined;
    if (a.terms.every(t => t.coefficient % b === 0)) {
      return normalize(a.terms.map(t => ({ coefficient: t.coefficient / b, atoms: t.atoms })));
    }
    return floorDivide(a, b);
  }
  if (b.terms.length === 1) {
    const quotient = termsOf(a).map(term => divideTerm(term, b.terms[0]));
    if (quotient.every(t => t !== undefined)) return normalize(quotient);
  }
  return ofAtom({ kind: 'quotient', key: `(${dimKey(a)})/(${dimKey(b)})`, left: a, right: b });
}

function divideTerm(term: Term, by: Term): Term | undefined {
  if (term.coefficient % by.coefficient !== 0) return undefined;
  const atoms = [...term.atoms];
  for (const atom of by.atoms) {
    const at = atoms.findIndex(a => a.key === atom.key);
    if (at < 0) return undefined;
    atoms.splice(at, 1);
  }
  return { coefficient: term.coefficient / by.coefficient, atoms };
}

export function maxDims(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return Math.max(a, b);
  if (equalDims(a, b)) return a;
  return ofAtom({ kind: 'max', key: `max(${dimKey(a)}, ${dimKey(b)})`, left: a, right: b });
}

/** Replaces symbols by dims; symbols without an entry stay. */
export function substitute(dim: Dim, map: Readonly<Record<string, Dim>>): Dim {
  if (typeof dim === 'number') return dim;
  return dim.terms
    .map(term => term.atoms.reduce<Dim>((d, atom) => multiplyDims(d, substituteAtom(atom, map)), term.coefficient))
    .reduce(addDims, 0);
}

function substituteAtom(atom: Atom, map: Readonly<Record<string, Dim>>): Dim {
  switch (atom.kind) {
    case 'symbol':
      return Object.hasOwn(map, atom.key) ? map[atom.key] : ofAtom(atom);
    case 'floor':
      return floorDivide(substitute(atom.numerator, map), atom.denominator);
    case 'max':
      return maxDims(substitute(atom.left, map), substitute(atom.right, map));
    case 'quotient':
      return divideExactly(substitute(atom.left, map), substitute(atom.right, map)) ?? ofAtom(atom);
    default:
      return atom satisfies never;
  }
}

/** The names of the symbols that a dim depends on, added to `into`. */
export function symbolsOf(dim: Dim, into: Set<string> = new Set()): Set<string> {
  if (typeof dim === 'number') return into;
  for (const { atoms } of dim.terms) {
    for (const atom of atoms) {
      switch (atom.kind) {
        case 'symbol':
          into.add(atom.key);
          break;
        case 'floor':
          symbolsOf(atom.numerator, into);
          break;
        case 'max':
        case 'quotient':
          symbolsOf(atom.left, into);
          symbolsOf(atom.right, into);
          break;
        default:
          atom satisfies never;
      }
    }
  }
  return into;
}

/** A dim `factor·symbol + offset`: what a size is where it is a multiple of something, say. */
export interface LinearDim {
  readonly symbol: string;
  readonly factor: number;
  readonly offset: number;
}

/** A dim as a positive multiple of one symbol and a constant; undefined where it is something else. */
export function linearOf(dim: Dim): LinearDim | undefined {
  if (typeof dim === 'number' || dim.terms.length > 2) return undefined;
  const [{ coefficient: factor, atoms }, constant] = dim.terms;
  if (atoms.length !== 1 || atoms[0].kind !== 'symbol' || factor < 1) return undefined;
  if (constant && constant.atoms.length > 0) return undefined;
  return { symbol: atoms[0].key, factor, offset: constant?.coefficient ?? 0 };
}

/** The number that the symbol of a linear dim stands for where the dim is `size`; undefined where no positive integer does. */
export function solveDim({ factor, offset }: LinearDim, size: number): number | undefined {
  const value = (size - offset) / factor;
  return Number.isInteger(value) && value >= 1 ? value : undefined;
}

export const greatestCommonDivisor = (a: number, b: number): number => (b === 0 ? a : greatestCommonDivisor(b, a % b));

export const leastCommonMultiple = (a: number, b: number): number => (a / greatestCommonDivisor(a, b)) * b;

/** A number of which `symbol` need only be a multiple, and a constant, for every floor in the dim that it is in to come out even. */
export function periodOf(dim: Dim, symbol: string): number {
  if (typeof dim === 'number') return 1;
  return dim.terms
    .flatMap(({ atoms }) => atoms)
    .map(atom => periodOfAtom(atom, symbol))
    .reduce(leastCommonMultiple, 1);
}

/** Periods beyond this are no strides of networks. */
export const LONGEST_PERIOD = 4096;

/** Whether dims are equal where their symbols are multiples of what is rounded in them: `2·floor(H/2)` and `H` are. */
export function equalAtMultiples(a: Dim, b: Dim): boolean {
  const periods: Record<string, Dim> = Object.create(null);
  for (const name of symbolsOf(b, symbolsOf(a))) {
    const period = leastCommonMultiple(periodOf(a, name), periodOf(b, name));
    if (period > LONGEST_PERIOD) return false;
    periods[name] = multiplyDims(period, symbol(name));
  }
  return equalDims(substitute(a, periods), substitute(b, periods));
}

function periodOfAtom(atom: Atom, symbol: string): number {
  switch (atom.kind) {
    case 'symbol':
      return 1;
    case 'floor':
      return symbolsOf(atom.numerator).has(symbol) ? atom.denominator * periodOf(atom.numerator, symbol) : 1;
    case 'max':
    case 'quotient':
      return leastCommonMultiple(periodOf(atom.left, symbol), periodOf(atom.right, symbol));
    default:
      return atom satisfies never;
  }
}
