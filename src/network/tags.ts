/** Parents by their order: `a`, `b`, `c`, … are their tags in a super-network, and their names in documents. */
import * as v from 'valibot';
import { SutureError } from '../../ir/errors.ts';
import type { Position, Tag, TaggedGraph } from '../../passes/index.ts';
import type { Model } from './model.ts';
import type { Network } from './network.ts';

const letters = 'abcdefghijklmnopqrstuvwxyz';

/** @throws SutureError `option-invalid` for fewer than two networks or more than there are letters. */
export function requireSeveral(networks: readonly unknown[]): void {
  if (networks.length >= 2 && networks.length <= letters.length) return;
  throw new SutureError('option-invalid', `Name 2 to ${letters.length} networks to be joined, not ${networks.length}.`);
}

/** The tag of the parent of this number. */
export const tagOf = (parent: number): Tag => letters[parent];

/** The tags of so many networks. */
export const tagsOf = (networks: readonly unknown[]): readonly Tag[] => networks.map((_, i) => tagOf(i));

/**
 * Checks what is said of networks by their tags.
 *
 * @param what it is, in the plural: `plans`.
 * @param tags of which networks it can be said.
 * @throws SutureError `option-invalid` where it is said of another one.
 */
export function requireTags(said: Readonly<Record<Tag, unknown>>, what: string, tags: readonly Tag[]): void {
  const strange = Object.keys(said).find(tag => !tags.includes(tag));
  if (strange === undefined) return;
  throw new SutureError(
    'option-invalid',
    `There are ${what} of a network ${strange}, and here they can be of ${tags.join(', ')}.`,
  );
}

/** One entry for each parent, under its tag. */
export type ByTag<T> = Readonly<Record<Tag, T>>;

export const byTag = <P, T>(parents: readonly P[], value: (parent: P, tag: Tag) => T): ByTag<T> =>
  Object.fromEntries(parents.map((parent, i) => [tagOf(i), value(parent, tagOf(i))]));

export const tagged = (
  parents: readonly (Pick<Model, 'graph' | 'grid'> & Partial<Pick<Network, 'meaning'>>)[],
): readonly TaggedGraph[] => parents.map(({ graph, meaning, grid }, i) => ({ tag: tagOf(i), graph, meaning, grid }));

/** The 26 tags that there are. */
export type Letter =
  | 'a'
  | 'b'
  | 'c'
  | 'd'
  | 'e'
  | 'f'
  | 'g'
  | 'h'
  | 'i'
  | 'j'
  | 'k'
  | 'l'
  | 'm'
  | 'n'
  | 'o'
  | 'p'
  | 'q'
  | 'r'
  | 's'
  | 't'
  | 'u'
  | 'v'
  | 'w'
  | 'x'
  | 'y'
  | 'z';

/** The feature of each parent that has one at a position, by its tag: `a`, `b`, … */
export type FeatureEntries = { readonly [T in Letter]?: string | undefined };

/** How far into each parent its feature lies: `positionA`, `positionB`, … */
export type ProgressEntries = { readonly [T in `position${Uppercase<Letter>}`]?: number | undefined };

const entriesOf = <K extends string, S>(key: (tag: Letter) => K, schema: S): Record<K, S> =>
  Object.fromEntries(positionTags.map(tag => [key(tag), schema])) as Record<K, S>;

/** The tags that a position may have features of. */
export const positionTags = Array.from(letters) as readonly Letter[];

const progressKey = (tag: Letter): keyof ProgressEntries => `position${tag.toUpperCase() as Uppercase<Letter>}`;

/** The entries of a position in a document. */
export const positionEntries = {
  ...entriesOf(tag => tag, v.optional(v.string())),
  ...entriesOf(progressKey, v.optional(v.number())),
};

/** A position as documents have it: its features, and their progress. */
export const featureEntries = ({ features }: Pick<Position, 'features'>): FeatureEntries => features;

export const progressEntries = ({ progress }: Pick<Position, 'progress'>): ProgressEntries =>
  Object.fromEntries(Object.entries(progress).map(([tag, at]) => [progressKey(tag as Letter), at]));
