/** The cases of a folder of images, for prediction: no labels, no splits. */
import { readdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { printable, SutureError } from '../../ir/errors.ts';
import { readRegular } from '../files/input.ts';
import { type DatasetNames, datasetNames } from '../preprocessing/dataset-json.ts';
import { endingOf, readVolume } from '../volumes/files.ts';
import { invalid, type Volume } from '../volumes/volume.ts';

/** One case: a file for each channel. */
export interface Case {
  readonly name: string;
  readonly files: readonly string[];
  /** What its labels are called. */
  readonly labels: string;
}

export interface CaseFolder {
  readonly cases: readonly Case[];
  /** What `dataset.json` in the folder, or above it, says. */
  readonly names?: DatasetNames;
}

/** `dataset.json` of a file; undefined where there is none. @throws SutureError `data-invalid`. */
export async function readNames(file: string): Promise<DatasetNames | undefined> {
  const bytes = await readRegular(file).catch(() => undefined);
  if (bytes === undefined) return undefined;
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw new SutureError('data-invalid', `${printable(file)}: it is no JSON file that can be read.`, { cause });
  }
  return datasetNames(json, file);
}

const filesIn = async (folder: string): Promise<readonly string[]> => {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.filter(entry => !entry.isDirectory()).map(entry => entry.name);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const fault =
      code === 'ENOENT' ? 'there is no such folder' : code === 'ENOTDIR' ? 'it is no folder' : 'it may not be read';
    throw new SutureError('data-unreadable', `${printable(folder)}: ${fault}.`, { cause });
  }
};

/**
 * The cases of a folder: `NAME_0000.nii.gz`, `NAME_0001.nii.gz`, … as nnU-Net has the channels of a case, or one file for each. Of a whole
 * data set, its `imagesTs`.
 *
 * @throws SutureError `data-unreadable`, `data-invalid` where there are none.
 */
export async function openCases(path: string): Promise<CaseFolder> {
  const inside = await filesIn(path);
  const folder = inside.includes('dataset.json') ? join(path, 'imagesTs') : path;
  const names =
    (await readNames(join(folder, 'dataset.json'))) ??
    (await readNames(join(dirname(resolve(folder)), 'dataset.json')));
  const found = new Map<string, string[]>();
  const endings = new Map<string, string>();
  for (const file of (folder === path ? inside : await filesIn(folder)).toSorted()) {
    const ending = endingOf(file);
    if (ending === undefined) continue;
    const stem = file.slice(0, -ending.length);
    const name = /^(.+)_\d{4}$/.exec(stem)?.[1] ?? stem;
    found.set(name, [...(found.get(name) ?? []), join(folder, file)]);
    endings.set(name, ending.startsWith('.nii') ? ending : '.png');
  }
  if (found.size === 0) {
    throw new SutureError(
      'data-invalid',
      `${printable(folder)} holds no images: their names end in .nii.gz, .nii, .png, .tif or .tiff.`,
    );
  }
  const cases = Array.from(found, ([name, files]) => ({ name, files, labels: `${name}${endings.get(name)}` }));
  return { cases, ...(names && { names }) };
}

/** A case's image, its channels joined. @throws SutureError as `readVolume`, and `data-invalid` where channels are missing or do not fit. */
export async function readCase({ name, files }: Case): Promise<Volume> {
  for (const [channel, file] of files.entries()) {
    const numbered = /_(\d{4})\.[^/]*$/.exec(basename(file));
    if (numbered && Number(numbered[1]) !== channel)
      throw invalid(name, `its channel ${channel} is missing: there is ${basename(file)}`);
  }
  const volumes: Volume[] = [];
  for (const file of files) volumes.push(await readVolume(file));
  const [first, ...others] = volumes;
  for (const [i, other] of others.entries()) {
    if (String(other.shape.slice(1)) !== String(first.shape.slice(1))) {
      const [one, two] = [first, other].map(({ shape }) => shape.slice(1).join('×'));
      throw invalid(files[i + 1], `it is ${two}, and ${basename(files[0])} is ${one}`);
    }
    if (other.spacing.some((mm, axis) => Math.abs(mm - first.spacing[axis]) > 1e-3 * mm)) {
      throw invalid(
        files[i + 1],
        `its spacing is ${other.spacing.join(' × ')} mm, and that of ${basename(files[0])} ${first.spacing.join(' × ')}`,
      );
    }
  }
  if (others.length === 0) return first;
  const channels = volumes.reduce((sum, { shape }) => sum + shape[0], 0);
  const data = new Float32Array(volumes.reduce((sum, volume) => sum + volume.data.length, 0));
  let at = 0;
  for (const volume of volumes) {
    data.set(volume.data, at);
    at += volume.data.length;
  }
  return { ...first, data, shape: [channels, ...first.shape.slice(1)] };
}
