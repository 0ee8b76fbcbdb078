/** `dataset.json` of an nnU-Net v2 raw data set: what labels mean there, and which files there are. */
import { join } from 'node:path';
import * as v from 'valibot';
import { printable, SutureError } from '../../../ir/errors.ts';
import { readFault, readRegular } from '../../files/input.ts';
import { datasetNames } from '../../preprocessing/dataset-json.ts';

/** The files of one case, relative to the data set's folder. */
export interface ListedCase {
  readonly images: readonly string[];
  readonly label?: string | undefined;
}

export interface Description {
  /** The names of the channels, in their order. */
  readonly channels: readonly string[];
  /** What each number in a label file is called; one that only regions have, after the smallest of them. */
  readonly names: ReadonlyMap<number, string>;
  /** The numbers that each region is made of, where labels are regions. */
  readonly regions?: readonly (readonly number[])[];
  /** The number of places that count nowhere. */
  readonly ignore?: number;
  /** The ending of all files, as `.nii.gz`. */
  readonly ending: string;
  /** Where the file itself says which cases are trained on. */
  readonly listed?: ReadonlyMap<string, ListedCase>;
}

const schema = v.object({
  file_ending: v.pipe(v.string(), v.startsWith('.')),
  dataset: v.optional(
    v.record(
      v.string(),
      v.object({ images: v.pipe(v.array(v.string()), v.minLength(1)), label: v.optional(v.string()) }),
    ),
  ),
});

export const descriptionFile = 'dataset.json';

/** A JSON file of a data set; undefined where there is none. @throws SutureError `data-unreadable`, `data-invalid`. */
export async function readJson(path: string): Promise<unknown> {
  let text: string;
  try {
    text = (await readRegular(path)).toString('utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new SutureError('data-unreadable', `${printable(path)}: ${readFault(cause)}.`, { cause });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new SutureError('data-invalid', `${printable(path)}: it is no JSON.`, { cause });
  }
}

/** @returns undefined where there is none. @throws SutureError `data-unreadable`, `data-invalid`. */
export async function readDescription(folder: string): Promise<Description | undefined> {
  const path = join(folder, descriptionFile);
  const json = await readJson(path);
  return json === undefined ? undefined : descriptionFrom(json, path);
}

function descriptionFrom(json: unknown, path: string): Description {
  const fail = (problem: string): never => {
    throw new SutureError('data-invalid', `${printable(path)}: ${problem}.`);
  };
  const { channels, labels, regionsClassOrder } = datasetNames(json, path);
  const { success, output: files, issues } = v.safeParse(schema, json);
  if (!success) {
    const key = v.getDotPath(issues[0]) ?? '';
    if (key === 'file_ending') return fail('"file_ending" must say what the names of its files end with, as ".nii.gz"');
    return fail(`at "${printable(key)}": ${printable(issues[0].message)}`);
  }
  if (channels.length === 0) fail('it has neither "channel_names" nor "modality"');

  const { ignore, ...meant } = labels;
  if (ignore !== undefined && typeof ignore !== 'number') return fail('"ignore" is a list, and must be one number');
  const entries = Object.entries(meant).map(([name, of]) => [name, typeof of === 'number' ? [of] : of] as const);
  const names = new Map<number, string>(ignore === undefined ? [] : [[ignore, 'ignore']]);
  for (const [name, numbers] of entries.toSorted((a, b) => a[1].length - b[1].length)) {
    if (ignore !== undefined && numbers.includes(ignore)) fail(`${ignore} is "ignore" and "${printable(name, 40)}"`);
    for (const number of numbers) if (!names.has(number)) names.set(number, name);
  }
  if (!names.has(0)) fail('no label is 0, which is the background');
  const regions = entries.map(([, numbers]) => numbers).filter(numbers => numbers.some(number => number !== 0));
  const areRegions = entries.some(([, numbers]) => numbers.length > 1);
  if (areRegions && regionsClassOrder?.length !== regions.length) {
    fail(`its labels are ${regions.length} regions, and "regions_class_order" must have as many numbers`);
  }
  return {
    channels,
    names,
    ending: files.file_ending,
    ...(areRegions && { regions }),
    ...(ignore !== undefined && { ignore }),
    ...(files.dataset && { listed: new Map(Object.entries(files.dataset)) }),
  };
}
