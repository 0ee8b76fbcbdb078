/** `config.json` of a run directory: everything that decides a run's numbers. See `docs/files.md`. */
import * as v from 'valibot';
import { gateScopes, outputMeans, tasks } from '../../passes/index.ts';
import type { LabelOptions } from '../data/dataset.ts';
import { changeNames } from '../data/shift/changes.ts';
import { metricNames } from '../metrics/metric.ts';
import { meaningSchema } from '../network/meaning.ts';
import { tagOf } from '../network/tags.ts';
import { trainingSchema } from '../training/options.ts';
import { hashSchema } from './checkpoint.ts';

const count = v.pipe(v.number(), v.integer(), v.minValue(1));

const parent = v.object({
  /** The copy in the run directory. */
  file: v.pipe(v.string(), v.regex(/^parents\/[a-z](\.onnx|\/[^/\\]+)$/, 'a file in the folder `parents` is expected')),
  /** Where it was copied from, as it was given. */
  source: v.string(),
  sha256: hashSchema,
  /** Files that hold tensors of it: where they lie beside it. */
  external: v.optional(v.array(v.object({ file: v.string(), sha256: hashSchema })), []),
  /** Of several outputs in the file the one that is used; absent where there is one. */
  output: v.optional(v.string()),
  /** What its output means. */
  meaning: meaningSchema,
  /** Of its axes of space, which one each axis of the images that networks share is; absent where their order is the same. */
  axes: v.optional(v.array(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(2)))),
  /** What it does first with each channel of the images that networks share; absent where its own are the same. */
  front: v.optional(
    v.array(
      v.object({
        ...{ scale: v.number(), offset: v.number() },
        ...{ low: v.optional(v.number()), high: v.optional(v.number()) },
      }),
    ),
  ),
  /** Where its images lie, if that is another grid than that of the images that networks share: extents of both. */
  grid: v.optional(v.object({ shared: v.array(count), resized: v.array(count) })),
  /** Which of the first network's classes its channels are, null for none; absent where they are the same. */
  classes: v.optional(v.array(v.nullable(v.pipe(v.number(), v.integer(), v.minValue(0))))),
});

/** A document of nnU-Net. */
const document = v.record(v.string(), v.unknown());

/** What is said of labels: see `LabelOptions`. */
export const labelsSchema = v.object({
  ignoreLabel: v.optional(v.pipe(v.number(), v.safeInteger())),
  regions: v.optional(v.array(v.array(v.pipe(v.number(), v.integer(), v.minValue(1))))),
  /** Of folders of image files: see `FolderOptions`. */
  folder: v.optional(
    v.object({
      plans: v.optional(v.string()),
      configuration: v.optional(v.string()),
      partners: v.optional(v.record(v.string(), v.string())),
      grid: v.optional(v.string()),
      tile: v.optional(v.pipe(v.array(count), v.minLength(2), v.maxLength(3))),
      fold: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0))),
    }),
  ),
});

/** Since version 2 the files of a run are bound to each other by hashes. */
export const runVersion = 2;

/** What computed, and with which versions: the same seed gives the same bytes on the same of all these. */
export const computedEntries = {
  executor: v.object({ name: v.picklist(['webgpu', 'ort']), description: v.string() }),
  versions: v.record(v.string(), v.optional(v.string())),
};

export const configSchema = v.object({
  format: v.literal('suture-run'),
  version: v.literal(runVersion),
  /** By their tags: `a`, `b`, … */
  parents: v.pipe(
    v.record(v.string(), parent),
    v.check(found => {
      const tags = Object.keys(found);
      return tags.length >= 2 && tags.every((tag, i) => tag === tagOf(i));
    }, 'parents `a`, `b`, … are expected'),
  ),
  /** SHA-256 of `pairs.json`. */
  pairs: hashSchema,
  task: v.picklist(tasks),
  /** What was said of labels: commands on the run read theirs by it. */
  labels: v.optional(labelsSchema),
  outputMean: v.picklist(outputMeans),
  training: trainingSchema,
  data: v.object({ source: v.string(), sha256: hashSchema, images: count }),
  /** What the networks' common input is, as far as it is known: plans, and names of channels and labels. */
  input: v.optional(v.object({ plans: v.optional(document), dataset: v.optional(document) })),
  ...computedEntries,
});

export type RunConfig = v.InferOutput<typeof configSchema>;
export type StoredParent = RunConfig['parents'][string];

/** A data file, as it was when it was named. */
const dataFile = { source: v.string(), sha256: hashSchema };

/** `request.json`: what `suture run` is to do with a run when its training has ended. */
export const requestSchema = v.object({
  /** By which the position is chosen. */
  validation: v.object(dataFile),
  tests: v.array(v.object({ name: v.string(), ...dataFile })),
  /** Whether outputs are gated; absent: wherever a gate can act. */
  gate: v.optional(v.boolean()),
  /** What has shares of its own with a gate; absent: each image. */
  gateOver: v.optional(v.picklist(gateScopes)),
  /** What positions are chosen by and networks reported with; absent: what suits the labels. */
  metric: v.optional(v.picklist(metricNames)),
  /** Beside the own validation data: data files, or changes of it, all that say nothing else by default; absent: nothing. */
  stress: v.optional(
    v.object({
      files: v.optional(v.array(v.object({ name: v.string(), ...dataFile }))),
      changes: v.optional(v.array(v.picklist(changeNames))),
      images: v.optional(count),
    }),
  ),
  /** The highest cost, as a share of what all parents together cost; absent: any. */
  budget: v.optional(v.number()),
  /** Steps for which a student is distilled; absent: none is. */
  distill: v.optional(count),
  /** By which the stitched position is chosen; absent: 2 where there are folds to rank in, else 1. */
  rule: v.optional(v.picklist([1, 2, 3])),
  /** The depth that rule 3 looks for; absent: the usual one. */
  depth: v.optional(v.number()),
  /** The stitched position that is exported whatever it is worth; absent: what the verdict is for. */
  position: v.optional(v.number()),
  /** Whether the exported network is also written in float16, where that keeps its scores; absent: it is not. */
  half: v.optional(v.boolean()),
});

export type FollowUp = v.InferOutput<typeof requestSchema>;

/** What is said of data, as a configuration keeps it; the task stands for itself. */
export const keptLabels = ({ ignoreLabel, regions, folder }: LabelOptions): Pick<RunConfig, 'labels'> =>
  ignoreLabel === undefined && !regions && !folder
    ? {}
    : {
        labels: {
          ...(ignoreLabel !== undefined && { ignoreLabel }),
          ...(regions && { regions: regions.map(r => [...r]) }),
          ...(folder && {
            folder: {
              ...folder,
              partners: folder.partners && { ...folder.partners },
              tile: folder.tile && [...folder.tile],
            },
          }),
        },
      };

/** How a run's commands read data: as the run says, but for what is said now. */
export const labelsOfRun = (
  { task, labels }: Pick<RunConfig, 'task' | 'labels'>,
  said: LabelOptions = {},
): LabelOptions => ({
  task,
  ...labels,
  ...said,
  ...((labels?.folder ?? said.folder) && { folder: { ...labels?.folder, ...said.folder } }),
});
