/** A parent: a network as its file has it, and what its output means. */
import { printable, SutureError } from '../../ir/errors.ts';
import { type ClassMap, mapClasses, type OutputMeaning } from '../../passes/index.ts';
import type { Dataset } from '../data/dataset.ts';
import type { Opening } from '../execution/progress.ts';
import { establishMeaning, type MeaningOptions } from './meaning.ts';
import type { Model } from './model.ts';
import { type Network, networkOf } from './network.ts';

export interface Parent extends Model, Network {
  /** Which of the own network's classes its channels are; absent where they are the same. */
  readonly classes?: ClassMap | undefined;
}

/** A network from a file, under its path. @throws SutureError as `interfaceOf`. */
export const parentWith = (model: Model, meaning: OutputMeaning): Parent => ({
  ...model,
  ...networkOf(model.graph, model.path, meaning),
});

/** As {@link parentWith}, looked at on some of the data where its file leaves open what its output means. @throws SutureError as `establishMeaning`. */
export const parentOf = async (
  open: Opening,
  model: Model,
  dataset: Dataset,
  options?: MeaningOptions,
): Promise<Parent> => parentWith(model, await establishMeaning(open, model, dataset, options));

/**
 * A partner whose channels are put in the own network's order.
 *
 * @param role what messages call it.
 * @param count the own network's channels.
 * @throws SutureError `option-invalid` where the map does not fit the networks.
 */
export function withClasses(parent: Parent, classes: ClassMap | undefined, count: number, role: string): Parent {
  if (!classes) return parent;
  const { meaning, graph, path } = parent;
  const fail = (problem: string): never => {
    throw new SutureError('option-invalid', `The classes of ${role} do not fit: ${problem}.`);
  };
  if (meaning.kind === 'values' || meaning.channelAxis === undefined) {
    return fail('it has no channels of classes');
  }
  if (classes.length !== meaning.channels) {
    return fail(
      `${classes.length} are named, and it has ${meaning.channels} channels; name one for each, or - for none`,
    );
  }
  const strange = classes.find(found => found !== null && found >= count);
  if (strange !== undefined)
    fail(`there is no class ${strange} of the own network, whose classes are 0 to ${count - 1}`);
  if (classes.every(found => found === null)) fail('none of them is a class of the own network');
  const mapped = mapClasses(graph, meaning, classes, count);
  return { ...parent, ...networkOf(mapped, path, { ...meaning, channels: count }), classes };
}

/** What is to be said of a map of classes, in sentences. @param names of the own classes, where they are known. */
export function classWarnings(
  { classes }: Parent,
  count: number,
  role: string,
  names: readonly string[] = [],
): readonly string[] {
  if (!classes) return [];
  const missing = Array.from({ length: count }, (_, of) => of).filter(of => !classes.includes(of));
  if (missing.length === 0) return [];
  const called = missing.map(of => (names[of] === undefined ? String(of) : `${of} (${printable(names[of], 40)})`));
  const which = `${missing.length === 1 ? 'class' : 'classes'} ${called.join(', ')}`;
  return [
    `${role} has no channel of ${which}: it takes such places for something else, so that an ensemble with it finds less of them.`,
  ];
}
