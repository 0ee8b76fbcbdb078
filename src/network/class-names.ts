/** Maps of a partner's classes (or regions) to the own ones, made of the names that their data sets give them. */
import { join } from 'node:path';
import { printable, SutureError } from '../../ir/index.ts';
import { type ClassMap, meaningText, type OutputMeaning } from '../../passes/index.ts';
import { isFolder } from '../files/there.ts';
import { channelNames, type DatasetNames, hasRegions, readNames } from '../preprocessing/dataset-json.ts';

/** A map, or the `dataset.json` (or the folder that it is in) that names a partner's classes. */
export type ClassesSaid = ClassMap | string;

/** A network, and what its data set calls its classes. */
export interface NetworkClasses {
  readonly meaning: OutputMeaning;
  readonly names: DatasetNames;
  /** What messages call it. */
  readonly role: string;
}

/** The names in a `dataset.json`, or in that of a folder. @throws SutureError `data-unreadable`, `data-invalid`. */
export async function readClassNames(path: string): Promise<DatasetNames> {
  const file = (await isFolder(path)) ? join(path, 'dataset.json') : path;
  const names = await readNames(file);
  if (names) return names;
  throw new SutureError(
    'data-unreadable',
    `${printable(file)}: there is no such file; classes are said by a dataset.json that names them, or by numbers, as in 0,2,1,-.`,
  );
}

/** Names are compared without case, blanks, hyphens and underscores. */
const plain = (name: string): string => name.toLowerCase().replace(/[\s_-]+/g, '');

/**
 * For each channel of a partner the own class of the same name; null where there is none. The background is the background, whatever it is
 * called.
 *
 * @throws SutureError `option-invalid` where the one gives classes and the other regions, or names do not fit a network's channels;
 * where no name is in both.
 */
export function classesByName(own: NetworkClasses, partner: NetworkClasses): ClassMap {
  const fail = (problem: string): never => {
    throw new SutureError('option-invalid', `The classes of ${partner.role} cannot be found by name: ${problem}.`);
  };
  if (own.meaning.activation !== partner.meaning.activation) {
    const texts = [own, partner].map(({ role, meaning }) => `${role} gives ${meaningText(meaning)}`);
    fail(`${texts.join(', ')}, and no map makes regions of classes`);
  }
  const [ours, theirs] = [own, partner].map(network => namedChannels(network, fail));
  const places = new Map(ours.map((name, channel) => [name, channel]));
  const found = theirs.map(name => places.get(name) ?? null);
  const isForeground = (channel: number | null): boolean => channel !== null && ours[channel] !== background;
  if (!found.some(isForeground)) {
    const listed = [own, partner].map(({ names, meaning }) =>
      channelNames(names, meaning).map(name => printable(name, 40)),
    );
    fail(`none of ${listed[1].join(', ')} is one of the own ${listed[0].join(', ')}; say it by numbers, as in 0,2,1,-`);
  }
  return found;
}

/** What stands for the background: no name is without a character. */
const background = '';

/** What its channels are called, to be compared. */
function namedChannels({ names, meaning, role }: NetworkClasses, fail: (problem: string) => never): readonly string[] {
  const { activation, channels } = meaning;
  if (activation === 'softmax' && hasRegions(names)) {
    fail(
      `its data set has regions, and ${role} gives ${meaningText(meaning)}; say --activation sigmoid where that is not what they are`,
    );
  }
  const found = channelNames(names, meaning);
  if (found.length !== channels) {
    fail(
      `dataset.json names ${found.length} (${found.map(name => printable(name, 40)).join(', ')}), and ${role} has ${channels} channels`,
    );
  }
  const compared = found.map((name, channel) => (activation === 'softmax' && channel === 0 ? background : plain(name)));
  const twice = compared.find((name, channel) => compared.indexOf(name) !== channel);
  if (twice !== undefined) fail(`two of ${role} are called "${printable(twice, 40)}", but for case and blanks`);
  return compared;
}

/** In a sentence, which of a partner's classes are left out; none where none are. */
export function leftOutTexts(map: ClassMap, { names, meaning, role }: NetworkClasses): readonly string[] {
  const extra = channelNames(names, meaning).filter((_, channel) => map[channel] === null);
  if (extra.length === 0) return [];
  const numbers = map.map(of => of ?? '-').join();
  const rest =
    meaning.activation === 'softmax'
      ? 'what it gives them is shared out among the others (0 instead of - takes them for background)'
      : 'what it says of them is lost';
  return [
    `${role} has ${extra.map(name => printable(name, 40)).join(', ')}, which the own network has not: left out, as by ${numbers}; ${rest}.`,
  ];
}
