/**
 * Folders of image files as data sets: nnU-Net v2 raw data, images beside masks, or images alone. What cases there are and which files are
 * theirs is established here, from names; files are read case by case, by `readCase`.
 */

import { readdir } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import * as v from 'valibot';
import { clause, printable, SutureError } from '../../../ir/errors.ts';
import { readFault } from '../../files/input.ts';
import { isFolder, isThere } from '../../files/there.ts';
import { endingOf, volumeEndings } from '../../volumes/files.ts';
import { type Description, descriptionFile, readDescription, readJson } from './description.ts';

/** One case and its files. */
export interface RawCase {
  readonly name: string;
  /** One for each channel; or a single one, of colours. */
  readonly images: readonly string[];
  readonly labels?: string;
}

export interface RawDataset {
  /** As it was named. */
  readonly source: string;
  /** What `dataset.json` says; undefined for folders without one. */
  readonly description?: Description;
  /** In the order of their names. */
  readonly cases: readonly RawCase[];
  /** Whether a folder of a data set was named, as its `imagesTs`: folds are of the whole. */
  readonly isPart: boolean;
  /** The cases that each fold is validated on, and those that are trained on then, by name. */
  readonly splits?: readonly { readonly train: readonly string[]; readonly val: readonly string[] }[];
  /** All files that it is made of, for hashing: names relative to `root`. */
  readonly root: string;
  readonly files: readonly string[];
}

/** A case that cannot be used, as the names of its files alone say. */
export interface UnusableCase {
  readonly name: string;
  readonly problem: SutureError;
}

/** What a folder holds. */
export interface FoundCases extends RawDataset {
  readonly unusable: readonly UnusableCase[];
}

const splitsFile = 'splits_final.json';
const splitsSchema = v.pipe(
  v.array(v.object({ train: v.array(v.string()), val: v.array(v.string()) })),
  v.minLength(1),
);

/** Pairs of folders that hold images and what is labelled in them. */
const parts: Readonly<Record<string, string>> = { imagesTr: 'labelsTr', imagesTs: 'labelsTs', imagesVal: 'labelsVal' };

/** Beside a folder `images`. */
const maskFolders = ['masks', 'labels'];

/** How many problems are listed one by one. */
const mostListed = 20;

/**
 * One error for what is wrong with several cases.
 *
 * @param what of how many, as in `3 of 40 cases cannot be read`.
 */
export function casesError(source: string, what: string, problems: readonly SutureError[]): SutureError {
  const texts = problems.map(({ message }) => clause(message));
  const [first, ...others] = texts;
  const listed = others.slice(0, mostListed);
  const more = others.length - listed.length;
  return new SutureError(
    problems[0].code,
    `${printable(source)}: ${what}: ${first}${others.length > 0 ? '; and:' : '.'}`,
    {
      details: [...listed, ...(more > 0 ? [`and ${more} more`] : [])],
      cause: problems[0],
    },
  );
}

/** Names of the image files of a folder; what is no file is there too, and named where it is read. @throws SutureError `data-unreadable`. */
export async function imagesIn(folder: string): Promise<readonly string[]> {
  let entries: readonly string[];
  try {
    entries = await readdir(folder);
  } catch (cause) {
    throw new SutureError('data-unreadable', `${printable(folder)}: ${readFault(cause)}.`, { cause });
  }
  return entries.filter(name => !name.startsWith('.') && endingOf(name)).sort();
}

const withoutEnding = (name: string): string => name.slice(0, name.length - (endingOf(name)?.length ?? 0));

/** What is told of a case that cannot be used. */
type Fail = (name: string, problem: string) => void;

/** Files by their names without endings. Of those that differ in their endings alone nobody knows which is meant: none is taken. */
export function byStem(names: readonly string[], fail: Fail): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  const unclear = new Set<string>();
  for (const name of names) {
    const stem = withoutEnding(name);
    const other = files.get(stem);
    if (other === undefined) {
      files.set(stem, name);
    } else if (!unclear.has(stem)) {
      fail(stem, `has two files, ${printable(other)} and ${printable(name)}: leave one of them there`);
      unclear.add(stem);
    }
  }
  for (const stem of unclear) files.delete(stem);
  return files;
}

async function requireFolder(source: string): Promise<void> {
  if (await isFolder(source)) return;
  const fault = (await isThere(source))
    ? 'it is neither a folder of image files nor an .npz file'
    : 'there is no such folder';
  throw new SutureError('data-unreadable', `${printable(source)}: ${fault}.`);
}

/**
 * Opens a folder: an nnU-Net raw data set (its training cases), its `imagesTr` or `imagesTs`, a folder with `images/` and `masks/` (or
 * `labels/`), or a folder of images without labels.
 *
 * @throws SutureError `data-unreadable`, `data-invalid` naming all cases that lack a channel or labels.
 */
export async function openRaw(source: string): Promise<RawDataset> {
  const { unusable, ...found } = await findCases(source, true);
  if (unusable.length === 0) return found;
  const total = found.cases.length + unusable.length;
  const problems = unusable.map(({ problem }) => problem);
  throw casesError(source, `${problems.length} of ${total} cases cannot be used`, problems);
}

/**
 * The same, where cases that cannot be used are left out of it.
 *
 * @param labelled whether labels are wanted: a case without them cannot be used then, where the folder has some.
 * @throws SutureError `data-unreadable`, `data-invalid` for what concerns the whole folder.
 */
export async function findCases(source: string, labelled: boolean): Promise<FoundCases> {
  await requireFolder(source);
  const own = await readDescription(source);
  if (own) return nnunet({ source, root: source, part: 'imagesTr', labelled }, own);
  const above = parts[basename(source)] && (await readDescription(dirname(source)));
  if (above) return nnunet({ source, root: dirname(source), part: basename(source), labelled }, above);
  if (await isFolder(join(source, 'imagesTr'))) {
    throw new SutureError(
      'data-invalid',
      `${printable(source)}: it has "imagesTr" and no ${descriptionFile}, which says what channels and labels are.`,
    );
  }
  if (!(await isFolder(join(source, 'images')))) return plain(source, '.', undefined, labelled);
  for (const folder of maskFolders) {
    if (await isFolder(join(source, folder))) return plain(source, 'images', folder, labelled);
  }
  return plain(source, 'images', undefined, labelled);
}

/** Files of cases by their names without endings: `CASE_0000`, `CASE_0001`, …; and the names of those that are called otherwise. */
function channelsOf(files: ReadonlyMap<string, string>): {
  readonly cases: ReadonlyMap<string, readonly string[]>;
  readonly others: readonly string[];
} {
  const cases = new Map<string, string[]>();
  const others: string[] = [];
  for (const [stem, file] of files) {
    const match = /^(.+)_(\d{4})$/.exec(stem);
    if (!match) {
      others.push(file);
      continue;
    }
    const channels = cases.get(match[1]) ?? [];
    channels[Number(match[2])] = file;
    cases.set(match[1], channels);
  }
  return { cases, others };
}

/** A part of an nnU-Net data set. */
interface Part {
  /** As it was named. */
  readonly source: string;
  readonly root: string;
  /** Of {@link parts}. */
  readonly part: string;
  readonly labelled: boolean;
}

async function nnunet({ source, root, part, labelled: wanted }: Part, description: Description): Promise<FoundCases> {
  const { channels, ending, listed } = description;
  const read = endingOf(`a${ending}`);
  if (read === undefined) {
    throw new SutureError(
      'data-invalid',
      `${printable(join(root, descriptionFile))}: files of "${printable(ending)}" are not read; convert them to .nii.gz, .png or .tif.`,
    );
  }
  const { unusable, fail } = collected();
  const cases: RawCase[] = [];
  const add = (name: string, images: readonly string[], labels: string | undefined): void => {
    const absent = channels.flatMap((channel, n) =>
      images[n] === undefined ? [`${n} (${printable(channel, 40)})`] : [],
    );
    // One file may hold several channels, as colours.
    if (images[0] !== undefined && images.length === 1) absent.length = 0;
    if (absent.length > 0) fail(name, `lacks the channel${absent.length > 1 ? 's' : ''} ${absent.join(', ')}`);
    else if (images.length > channels.length)
      fail(name, `has ${images.length} channels, and ${descriptionFile} names ${channels.length}`);
    else
      cases.push({ name, images: images.map(file => join(root, file)), ...(labels && { labels: join(root, labels) }) });
  };
  if (listed && part === 'imagesTr') {
    const labelled = wanted && [...listed.values()].some(({ label }) => label !== undefined);
    for (const [name, { images, label }] of [...listed].sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (basename(name) !== name || name.startsWith('.')) fail(name, 'has a name that files cannot have');
      else if (labelled && label === undefined) fail(name, `has no labels: ${descriptionFile} lists none for it`);
      else add(name, images, labelled ? label : undefined);
    }
  } else {
    // Files of other endings are none of the data set, as to nnU-Net.
    const filesIn = async (folder: string): Promise<ReadonlyMap<string, string>> =>
      byStem(
        (await imagesIn(join(root, folder))).filter(name => endingOf(name) === read),
        fail,
      );
    const labelled = wanted && (await isFolder(join(root, parts[part]))) ? await filesIn(parts[part]) : undefined;
    if (wanted && !labelled && part === 'imagesTr') {
      throw new SutureError('data-unreadable', `${printable(join(root, parts[part]))}: there is no such folder.`);
    }
    const { cases: found, others } = channelsOf(await filesIn(part));
    for (const file of others)
      fail(
        withoutEnding(file),
        `is called ${part}/${printable(file)}, and files of channels are called as CASE_0000${printable(ending)}`,
      );
    for (const [name, files] of found) {
      const labels = labelled?.get(name);
      if (labelled && labels === undefined)
        fail(name, `has no labels: there is no ${parts[part]}/${printable(`${name}${ending}`)}`);
      else
        add(
          name,
          Array.from(files, file => (file === undefined ? file : join(part, file))),
          labels && join(parts[part], labels),
        );
    }
  }
  if (cases.length + unusable.length === 0) {
    throw new SutureError(
      'data-invalid',
      `${printable(source)}: there are no cases: no file of ${part} is called as CASE_0000${printable(ending)}${await othersText(join(root, part), read)}.`,
    );
  }
  const isPart = source !== root;
  const splits = isPart ? undefined : await readSplits(root, [...cases, ...unusable]);
  return {
    source,
    description,
    cases,
    unusable,
    isPart,
    root,
    ...(splits && { splits }),
    files: [descriptionFile, ...(splits ? [splitsFile] : []), ...filesOf(root, cases)],
  };
}

/** Cases that cannot be used, and what tells of one. */
function collected(): { readonly unusable: UnusableCase[]; readonly fail: Fail } {
  const unusable: UnusableCase[] = [];
  const fail: Fail = (name, problem) => {
    unusable.push({ name, problem: new SutureError('data-invalid', `case ${printable(name)} ${problem}.`) });
  };
  return { unusable, fail };
}

/** What image files of other endings there are, after a comma; nothing where there are none. */
async function othersText(folder: string, read: string): Promise<string> {
  const others = (await imagesIn(folder)).flatMap(name => endingOf(name) ?? []).filter(ending => ending !== read);
  if (others.length === 0) return '';
  return `, its "file_ending", and files of ${[...new Set(others)].join(', ')} are there`;
}

const filesOf = (root: string, cases: readonly RawCase[]): readonly string[] =>
  cases.flatMap(({ images, labels }) => [...images, ...(labels ? [labels] : [])].map(file => relative(root, file)));

async function readSplits(root: string, cases: readonly { readonly name: string }[]): Promise<RawDataset['splits']> {
  const path = join(root, splitsFile);
  const json = await readJson(path);
  if (json === undefined) return undefined;
  const { success, output: splits } = v.safeParse(splitsSchema, json);
  if (!success) {
    throw new SutureError(
      'data-invalid',
      `${printable(path)}: it must be a list of {"train": [names], "val": [names]}, as nnU-Net writes it.`,
    );
  }
  const known = new Set(cases.map(({ name }) => name));
  const unknown = splits.flatMap(({ train, val }) => [...train, ...val]).find(name => !known.has(name));
  if (unknown !== undefined) {
    throw new SutureError(
      'data-invalid',
      `${printable(path)}: it names the case "${printable(unknown)}", which is not in imagesTr.`,
    );
  }
  return splits;
}

/** Images beside masks of the same name, whatever their endings; without a folder of masks, images alone. */
async function plain(source: string, images: string, masks: string | undefined, wanted: boolean): Promise<FoundCases> {
  const names = await imagesIn(join(source, images));
  if (names.length === 0) {
    throw new SutureError(
      'data-invalid',
      `${printable(source)}: it is no data set: it has no ${descriptionFile}, no folder "images" with "masks", and no image files (${volumeEndings.join(', ')}).`,
    );
  }
  const { unusable, fail } = collected();
  const labelled =
    masks === undefined ? undefined : byStem(await imagesIn(join(source, masks)), wanted ? fail : () => undefined);
  const cases: RawCase[] = [];
  const stems = byStem(names, fail);
  const { cases: byChannel, others } = channelsOf(stems);
  // Pictures that are numbered from elsewhere on, or have masks of their own numbers, are no channels.
  const areChannels =
    others.length === 0 &&
    [...byChannel.values()].some(files => files[0] !== undefined) &&
    ![...stems.keys()].every(stem => labelled?.has(stem));
  const grouped: ReadonlyMap<string, readonly string[]> = areChannels
    ? byChannel
    : new Map([...stems].map(([stem, file]) => [stem, [file]]));
  for (const [name, files] of grouped) {
    const mask = labelled?.get(name);
    if (Array.from(files).includes(undefined as unknown as string)) {
      fail(name, 'lacks a channel');
    } else if (wanted && labelled && mask === undefined) {
      fail(name, `has no file of its name in "${masks}"`);
    } else {
      cases.push({
        name,
        images: files.map(file => join(source, images, file)),
        ...(wanted && mask !== undefined && { labels: join(source, masks!, mask) }),
      });
    }
  }
  return { source, cases, unusable, isPart: false, root: source, files: filesOf(source, cases) };
}
