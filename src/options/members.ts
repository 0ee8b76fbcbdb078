/** Options as programs give them: objects of which every member is known. TypeScript holds its callers to that, and this all others. */
import { printable, SutureError } from '../../ir/errors.ts';

/** The names of the members of every alternative. */
type NamesOf<T> = T extends unknown ? keyof T & string : never;

/** All that an object of options may have: a member, or the table of what may be in it where that is options too. */
export type Members<T> = { readonly [K in NamesOf<T>]: true | AnyMembers };

export interface AnyMembers {
  readonly [name: string]: true | AnyMembers;
}

/** Those of a table of options, which programs may say under the same names. */
export const membersOf = <O extends object>(options: O): { readonly [K in keyof O & string]: true } =>
  Object.fromEntries(Object.keys(options).map(name => [name, true])) as { readonly [K in keyof O & string]: true };

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Options that a function was given, without what is undefined.
 *
 * @param of the function, as messages name it.
 * @throws SutureError `option-invalid` for a member that there is not, with the nearest that there is.
 */
export function known(of: string, given: unknown, members: AnyMembers): unknown {
  if (!isObject(given)) {
    throw new SutureError('option-invalid', `${of} takes an object of options, not ${printable(String(given))}.`);
  }
  return checked(given, '', members);

  function checked(part: object, at: string, table: AnyMembers): object {
    return Object.fromEntries(
      Object.entries(part).flatMap(([name, value]) => {
        if (value === undefined) return [];
        const entry = Object.hasOwn(table, name) ? table[name] : undefined;
        if (!entry) throw new SutureError('option-invalid', unknownText(of, at + name, members));
        return [[name, entry === true || !isObject(value) ? value : checked(value, `${at}${name}.`, entry)]];
      }),
    );
  }
}

/** `labels.folder.plans` and all others. */
const pathsOf = (members: AnyMembers): readonly string[] =>
  Object.entries(members).flatMap(([name, entry]) =>
    entry === true ? [name] : [name, ...pathsOf(entry).map(path => `${name}.${path}`)],
  );

const lastOf = (path: string): string => path.slice(path.lastIndexOf('.') + 1).toLowerCase();

function unknownText(of: string, path: string, members: AnyMembers): string {
  const name = lastOf(path);
  const [nearest] = pathsOf(members)
    .map(there => ({ there, distance: distanceOf(name, lastOf(there)) }))
    .sort((p, q) => p.distance - q.distance);
  return `${of} has no option '${printable(path)}'${nearest ? `; the nearest that it has is '${nearest.there}'` : ''}.`;
}

/** How many letters are to be put in, left out or replaced to make one word of the other: Levenshtein's distance. */
function distanceOf(word: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, j) => j);
  for (const [i, letter] of Array.from(word).entries()) {
    const next = [i + 1];
    for (let j = 0; j < other.length; j++) {
      next.push(Math.min(next[j] + 1, row[j + 1] + 1, row[j] + (letter === other[j] ? 0 : 1)));
    }
    row = next;
  }
  return row[other.length];
}
