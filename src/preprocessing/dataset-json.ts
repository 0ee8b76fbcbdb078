/** `dataset.json` of an nnU-Net data set, as far as networks are concerned: what channels and labels are called. */

import { dirname, join, resolve } from 'node:path';
import * as v from 'valibot';
import { printable, SutureError } from '../../ir/errors.ts';
import type { OutputMeaning } from '../../passes/index.ts';
import { readRegular } from '../files/input.ts';
import type { Decision } from './preprocess.ts';

/** Names of what a network sees and says. */
export interface DatasetNames {
  /** One for each channel. */
  readonly channels: readonly string[];
  /** A label's value, or the values that a region is made of, by name. */
  readonly labels: Readonly<Record<string, number | readonly number[]>>;
  /** Of networks of regions: the value that each region gives its places, in the order of the network's channels. */
  readonly regionsClassOrder?: readonly number[];
}

const value = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(65535));
/** Some data sets have their numbers as text. */
const number = v.pipe(v.union([v.number(), v.pipe(v.string(), v.regex(/^\d+$/), v.transform(Number))]), value);
const names = v.record(v.string(), v.string());

const schema = v.object({
  channel_names: v.optional(names),
  /** What it was called in version 1. */
  modality: v.optional(names),
  labels: v.record(v.string(), v.union([number, v.array(number)])),
  regions_class_order: v.nullish(v.array(value)),
});

/** Version 1 had the names of labels by their numbers. */
const firstVersion = v.object({
  labels: v.record(v.pipe(v.string(), v.regex(/^\d+$/)), v.pipe(v.string(), v.regex(/\D/))),
});

/** @throws SutureError `data-invalid`, naming all that is missing or wrong. */
export function datasetNames(json: unknown, source: string): DatasetNames {
  const { success, output, issues = [] } = v.safeParse(schema, json);
  if (!success && v.is(firstVersion, json)) {
    throw new SutureError(
      'data-invalid',
      `${printable(source)} is of nnU-Net version 1, which names labels the other way round; nnUNetv2_convert_old_nnUNet_dataset makes it one of version 2.`,
    );
  }
  if (!success) {
    const keys = [...new Set(issues.map(issue => `"${printable(v.getDotPath(issue) ?? '', 60)}"`))].join(', ');
    throw new SutureError(
      'data-invalid',
      `${printable(source)} is no dataset.json of nnU-Net v2: it must have "labels" as numbers, or lists of numbers, by name; see to ${keys}.`,
    );
  }
  const { channel_names: channelNames, modality, labels, regions_class_order: order } = output;
  const channels = channelNames ?? modality ?? {};
  return {
    channels: Object.keys(channels)
      .sort((a, b) => Number(a) - Number(b))
      .map(key => channels[key]),
    labels,
    ...(order && { regionsClassOrder: order }),
  };
}

/** `dataset.json` of a path; undefined where there is none. @throws SutureError `data-invalid`. */
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

/** What the `dataset.json` in a folder says, or else the one above it, as above `imagesTs`. */
export const namesOfFolder = async (folder: string): Promise<DatasetNames | undefined> =>
  (await readNames(join(folder, 'dataset.json'))) ?? readNames(join(dirname(resolve(folder)), 'dataset.json'));

/** The same as a document. */
export const datasetDocument = ({ channels, labels, regionsClassOrder }: DatasetNames): Record<string, unknown> => ({
  channel_names: Object.fromEntries(channels.map((name, i) => [String(i), name])),
  labels,
  ...(regionsClassOrder && { regions_class_order: regionsClassOrder }),
});

/** Whether labels are regions: made of several values, or in an order of their own. */
export const hasRegions = ({ labels, regionsClassOrder }: DatasetNames): boolean =>
  regionsClassOrder !== undefined || Object.values(labels).some(label => [label].flat().length > 1);

/**
 * What the channels of a network that was trained on the data set are called, in their order: of classes that of their values, of regions that
 * of the file, without the background.
 */
export function channelNames(
  { labels: { ignore: _, ...labels } }: DatasetNames,
  { activation }: Pick<OutputMeaning, 'activation'>,
): readonly string[] {
  const entries = Object.entries(labels);
  const named = activation === 'sigmoid' ? entries.filter(([, label]) => isForeground(label)) : entries;
  const least = (label: number | readonly number[]): number => Math.min(...[label].flat());
  const ordered = activation === 'sigmoid' ? named : named.toSorted(([, p], [, q]) => least(p) - least(q));
  return ordered.map(([name]) => name);
}

const isForeground = (label: number | readonly number[]): boolean =>
  typeof label === 'number' ? label !== 0 : label.some(part => part !== 0);

/**
 * How labels are made of what a network says.
 *
 * @param channels of the network's output.
 * @param regions whether each channel says yes or no for itself.
 * @param threshold above which it says yes.
 * @param source how messages name the network.
 * @throws SutureError `data-invalid` where the names are of another number of classes or regions.
 */
export function decisionFor(
  named: DatasetNames | undefined,
  {
    channels,
    regions,
    threshold,
  }: { readonly channels: number; readonly regions: boolean; readonly threshold: number },
  source: string,
): Decision {
  const count = Array.from({ length: channels }, (_, i) => i);
  if (!named) {
    return regions ? { kind: 'regions', values: count.map(i => i + 1), threshold } : { kind: 'classes', values: count };
  }
  const { ignore: _, ...labels } = named.labels;
  if (regions) {
    const foreground = Object.values(labels).filter(isForeground);
    if (!named.regionsClassOrder && foreground.some(label => typeof label !== 'number')) {
      throw new SutureError(
        'data-invalid',
        `dataset.json has regions of several labels and no "regions_class_order", which says what each gives its places.`,
      );
    }
    const values = named.regionsClassOrder ?? foreground.filter(label => typeof label === 'number');
    requireAsMany(values.length, channels, 'regions', source);
    return { kind: 'regions', values, threshold };
  }
  const values = [...new Set(Object.values(labels).flat())].sort((a, b) => a - b);
  requireAsMany(values.length, channels, 'classes', source);
  return { kind: 'classes', values };
}

function requireAsMany(named: number, channels: number, what: string, source: string): void {
  if (named === channels) return;
  throw new SutureError(
    'data-invalid',
    `${printable(source)} gives ${channels} channels, and dataset.json names ${named} ${what}: they must be of the same task.`,
  );
}
