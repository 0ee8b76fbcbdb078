/** What options say of themselves, once: the command line, its help, the checks of the API and the tables of the docs are made of it. */
import { type AnyKind, type Kind, toggle } from './kinds.ts';

export interface AnyOption {
  readonly kind: AnyKind;
  /** Whether there is a value where the option is not given. */
  readonly always: boolean;
  /** What stands for the value: `n`. An option without one is given or left out. */
  readonly value?: string;
  /** In a line: what it says, without its default. */
  readonly help: string;
  /** Where it is not given. */
  readonly standard?: unknown;
  /** The default in words, where it is not one value. */
  readonly otherwise?: string;
  readonly required?: boolean;
  readonly negated?: boolean;
  readonly repeatable?: boolean;
  /** A letter that may be said for it. */
  readonly short?: string;
  /** Another name that it goes by on the command line. */
  readonly alias?: string;
  /** What it is called on the command line, where that is not the name that it has in programs. */
  readonly long?: string;
  /** Names of options that it does not go with. */
  readonly conflicts?: readonly string[];
}

export interface Option<T, Always extends boolean> extends AnyOption {
  readonly kind: Kind<T>;
  readonly always: Always;
}

/** Options by the names that they have in programs. */
export type Options = Readonly<Record<string, AnyOption>>;

type More = Pick<AnyOption, 'otherwise' | 'short' | 'alias' | 'long' | 'conflicts'>;

export const optional = <T>(kind: Kind<T>, value: string, help: string, more: More = {}): Option<T, false> => ({
  ...{ kind, value, help, ...more },
  always: false,
});

export const required = <T>(kind: Kind<T>, value: string, help: string, more: More = {}): Option<T, true> => ({
  ...{ kind, value, help, ...more },
  always: true,
  required: true,
});

/** With a default. */
export const standing = <T, S extends T>(
  kind: Kind<T>,
  value: string,
  help: string,
  standard: S,
  more: More = {},
): Option<T, true> & { readonly standard: S } => ({ ...{ kind, value, help, standard, ...more }, always: true });

/** May be given several times, and then means all of it. */
export const repeatable = <T>(kind: Kind<T>, value: string, help: string): Option<T, false> => ({
  ...{ kind, value, help },
  always: false,
  repeatable: true,
});

export const flag = (help: string, more: More = {}): Option<boolean, false> => ({
  ...{ kind: toggle, help, ...more },
  always: false,
});

/** True unless `--no-…` is given. */
export const unlessDenied = (help: string): Option<boolean, true> & { readonly standard: true } => ({
  ...{ kind: toggle, help, standard: true },
  always: true,
  negated: true,
});

type ReadonlyOf<T> = T extends readonly (infer E)[] ? readonly ReadonlyOf<E>[] : T;
type ValueOf<O> = O extends { readonly kind: Kind<infer T> } ? ReadonlyOf<T> : never;
type Standing<O> = { [K in keyof O]: O[K] extends { readonly always: true } ? K : never }[keyof O];

/** What options say. */
export type ValuesOf<O> = { readonly [K in Standing<O>]: ValueOf<O[K]> } & {
  readonly [K in Exclude<keyof O, Standing<O>>]?: ValueOf<O[K]>;
};

/** What programs may say of options: any of it. */
export type GivenOf<O> = { readonly [K in keyof O]?: ValueOf<O[K]> | undefined };

/** `closingImages` as it is written on a command line: `closing-images`. */
export const longName = (name: string, { long }: Pick<AnyOption, 'long'>): string =>
  long ?? name.replace(/[A-Z]/g, capital => `-${capital.toLowerCase()}`);
