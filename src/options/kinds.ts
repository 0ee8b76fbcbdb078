/** Kinds of values that options have: what may be said, how it is written on a command line, and in which words it is refused. */
import * as v from 'valibot';

export interface AnyKind {
  /** What a value must be: `a whole number of at least 1`. */
  readonly words: string;
  /** Of the value, as programs give it and files keep it. */
  readonly schema: v.GenericSchema;
  /** All values, where they can be listed. */
  readonly choices?: readonly string[];
  /** What a text on the command line says, to be checked by the schema. `previous`: what was said before, where an option may be repeated. */
  read(text: string, previous?: unknown): unknown;
}

export interface Kind<T> extends AnyKind {
  readonly schema: v.GenericSchema<T>;
  read(text: string, previous?: T): unknown;
}

const numberOf = (text: string): number | undefined => (text.trim() === '' ? undefined : Number(text));

const number = (words: string, schema: v.GenericSchema<number>): Kind<number> => ({ words, schema, read: numberOf });

export const integer = number('a whole number, as 255 or -1', v.pipe(v.number(), v.safeInteger()));
export const natural = number('a whole number from 0 on', v.pipe(v.number(), v.safeInteger(), v.minValue(0)));
export const count = number('a whole number of at least 1', v.pipe(v.number(), v.safeInteger(), v.minValue(1)));
export const positive = number('a number greater than 0', v.pipe(v.number(), v.finite(), v.gtValue(0)));
export const nonNegative = number('a number from 0 on', v.pipe(v.number(), v.finite(), v.minValue(0)));
export const share = number('a number from 0 to 1', v.pipe(v.number(), v.minValue(0), v.maxValue(1)));
export const shareAboveZero = number('a number above 0, up to 1', v.pipe(v.number(), v.gtValue(0), v.maxValue(1)));
export const shareBelowOne = number('a number from 0 to below 1', v.pipe(v.number(), v.minValue(0), v.ltValue(1)));

/** How strong a change is, to what is usual. Beyond ten times that no image is left, and then no finite number. */
export const strength = {
  words: 'on, off, or a number from 0 to 10, as 0.5',
  schema: v.pipe(v.number(), v.minValue(0), v.maxValue(10)),
  read: text => (text === 'on' ? 1 : text === 'off' ? 0 : numberOf(text)),
} satisfies Kind<number>;

/** Given or not. */
export const toggle: Kind<boolean> = { words: 'given or left out', schema: v.boolean(), read: () => true };

/** The path of a file or a folder. */
export const path: Kind<string> = { words: 'a path', schema: v.string(), read: text => text };

/** Something by its name. */
export const text: Kind<string> = { words: 'a name', schema: v.pipe(v.string(), v.minLength(1)), read: said => said };

export const choice = <const C extends readonly [string, ...string[]]>(choices: C): Kind<C[number]> => ({
  words: `one of ${choices.join(', ')}`,
  schema: v.picklist(choices),
  read: text => text,
  choices,
});

/** Several values with commas between them. */
const list = <T>(words: string, kind: Kind<T>): Kind<T[]> => ({
  words,
  schema: v.pipe(v.array(kind.schema), v.minLength(1)),
  read: text => text.split(',').map(part => kind.read(part.trim())),
});

/** The share of the original feature at positions that are named, where nothing is said of it. */
export const usualWeight = 0.5;

/** How networks share the output. Of two: the first one's share. Of more: one share for each; they sum to 1. */
export type OutputShares = number | readonly number[];

/** Shares of an output that is averaged. */
export const outputShares: Kind<number | number[]> = {
  words: 'a number from 0 to 1, or one for each network that sum to 1, as in 0.5/0.25/0.25',
  schema: v.union([
    share.schema,
    v.pipe(
      v.array(share.schema),
      v.check(shares => Math.abs(shares.reduce((sum, part) => sum + part, 0) - 1) < 1e-6),
    ),
  ]),
  read: text => (text.includes('/') ? text.split('/').map(numberOf) : numberOf(text)),
};

export const distances = list('numbers greater than 0, as in 0.5,0.5', positive);
export const counts = list('whole numbers of at least 1, as in 1,2,4', count);
/** Extents of what cases are cut into. */
export const extents: Kind<number[]> = {
  words: 'two or three whole numbers of at least 1, as in 64,128,128',
  schema: v.pipe(v.array(count.schema), v.minLength(2), v.maxLength(3)),
  read: counts.read,
};
export const shares = list('numbers from 0 to 1, as in 0,0.5,1', share);
export const ways = list('numbers from 0 to 1, as in 0,0.5,1, or of more networks 1/0/0,0.5/0.25/0.25', outputShares);
export const several = <const C extends readonly [string, ...string[]]>(choices: C): Kind<C[number][]> =>
  list(`of ${choices.join(', ')}, separated by commas`, choice(choices));

/** The classes of each region of a region-based network. */
export const regions: Kind<number[][]> = {
  words: 'the classes of each region, as in 1+2+3,2+3,3',
  schema: v.array(v.array(count.schema)),
  read: text => text.split(',').map(region => region.split('+').map(numberOf)),
};

/** Which classes of another network the channels of one are: each, or the path of what names them. */
export const classMap: Kind<string | (number | null)[]> = {
  words: 'a class of the own network for each channel, or - for none, as in 0,2,1,-; or a dataset.json',
  schema: v.union([v.pipe(v.string(), v.nonEmpty()), v.pipe(v.array(v.nullable(natural.schema)), v.minLength(1))]),
  read: said =>
    /^[\d\s,-]+$/.test(said) ? said.split(',').map(part => (part.trim() === '-' ? null : numberOf(part))) : said,
};

/** Ranges that are longer are taken for a slip. */
const longestRange = 10_000;

function rangesOf(text: string): readonly number[] | undefined {
  const found = text.split(',').map(part => {
    const [, from, to = from] = /^\s*(\d+)(?:-(\d+))?\s*$/.exec(part) ?? [];
    const [first, length] = [Number(from), Number(to) - Number(from) + 1];
    return length >= 1 && length <= longestRange ? Array.from({ length }, (_, i) => first + i) : undefined;
  });
  return found.every(range => range !== undefined) ? found.flat() : undefined;
}

/** Positions at which networks are stitched. */
export const positions: Kind<number[]> = {
  words: 'positions, as in 38,41,44-47',
  schema: v.pipe(v.array(natural.schema), v.minLength(1)),
  read: rangesOf,
};

/** The same, where it may be nowhere. */
export const positionsOrNone: Kind<number[]> = {
  words: 'positions, as in 38,41,44-47, or none',
  schema: v.array(natural.schema),
  read: text => (text === 'none' ? [] : rangesOf(text)),
};

/** Axes of an image. */
export const axes: Kind<number[]> = {
  words: 'axes, as in 0,1,2, or none',
  schema: v.pipe(
    v.array(v.pipe(natural.schema, v.maxValue(2))),
    v.check(found => new Set(found).size === found.length),
  ),
  read: text => (text === 'none' ? [] : text.split(',').map(numberOf)),
};

/** One value more each time that the option is given. */
export const repeated = <T>(kind: Kind<T>): Kind<T[]> => ({
  words: kind.words,
  schema: v.array(kind.schema),
  read: (text, previous = []) => [...previous, kind.read(text)],
});

export interface NamedFile {
  readonly name: string;
  readonly file: string;
}

/** `NAME=FILE`, given once for each file. */
export const namedFiles: Kind<NamedFile[]> = {
  words: 'NAME=FILE with a name of its own, as in b=site_b_test.npz',
  schema: v.pipe(
    v.array(v.object({ name: v.pipe(v.string(), v.minLength(1)), file: v.pipe(v.string(), v.minLength(1)) })),
    v.check(files => new Set(files.map(({ name }) => name)).size === files.length),
  ),
  read: (text, previous = []) => {
    const [, name, file] = /^([^=]*)=(.*)$/s.exec(text) ?? [];
    return [...previous, { name, file }];
  },
};

/** Above it a number without its % is taken for one that lacks it: no network costs ten times what its parents do together. */
const mostShare = 10;

/** A share of a cost: `65%`, or 0.65. */
export const budget: Kind<number> = {
  words: "a share of the output ensemble's cost, as in 65% or 0.65",
  schema: positive.schema,
  read: text => {
    const [, digits, percent] = /^\s*(\d+(?:\.\d+)?)\s*(%?)\s*$/.exec(text) ?? [];
    const share = Number(digits) / (percent ? 100 : 1);
    return !percent && share > mostShare ? Number.NaN : share;
  },
};

/** A number of a list, or a name in it. */
export const numberOrName: Kind<number | string> = {
  words: 'a number from 0 on, or a name',
  schema: v.union([natural.schema, v.pipe(v.string(), v.minLength(1))]),
  read: text => (/^\d+$/.test(text) ? Number(text) : text),
};

const units: { readonly [unit: string]: number | undefined } = {
  ...{ '': 1, '%': 0.01, B: 1 },
  ...{ kB: 1e3, MB: 1e6, GB: 1e9 },
  ...{ kiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 },
};

/** Bytes, or up to 1 a fraction of what is taken without a limit. */
export const memory: Kind<number> = {
  words: 'a fraction as 0.5 or 50%, or bytes as 800MB or 2GiB',
  schema: positive.schema,
  read: text => {
    const [, digits, unit = ''] = /^\s*(\d+(?:\.\d+)?)\s*(%|B|[kMG]i?B)?\s*$/.exec(text) ?? [];
    const value = Number(digits) * (units[unit] ?? Number.NaN);
    return (unit === '' || unit === '%' ? value <= 1 : value > 1) ? value : undefined;
  },
};
