/** `STUDY.json`: what a study is of. See `docs/study.md`. */
import { dirname, resolve } from 'node:path';
import * as v from 'valibot';
import { printable, SutureError } from '../../ir/errors.ts';
import { tasks } from '../../passes/index.ts';
import { readRegular } from '../files/input.ts';
import { metricNames } from '../metrics/metric.ts';
import { choice, count, natural } from '../options/kinds.ts';
import type { GivenOf, Options } from '../options/option.ts';
import { labelsSchema } from '../run/config.ts';
import { distillationOptions } from '../training/distill.ts';
import { networkOptions } from '../training/network.ts';
import { trainingOptions } from '../training/settings.ts';

/** What sites are compared by, in the order of the tables. */
export const methods = [
  'alone',
  'merged',
  'fedavg',
  'finetune',
  'finetune-shift',
  'ensemble',
  'gated',
  'stitched',
  'trunk',
  'distilled',
] as const;

export type Method = (typeof methods)[number];

/** What may be said of a training, under the names that programs have for it; what is misspelt is refused. */
const settingsSchema = <O extends Options>(options: O): v.GenericSchema<unknown, GivenOf<O>> =>
  v.strictObject(
    Object.fromEntries(Object.entries(options).map(([name, { kind }]) => [name, v.optional(kind.schema)])),
  ) as v.GenericSchema<unknown, GivenOf<O>>;

const nameSchema = v.pipe(v.string(), v.regex(/^\w[\w.]*$/, 'a name of letters, digits and _ is expected'));

const siteSchema = v.strictObject({
  name: nameSchema,
  /** Data files with labels. */
  train: v.string(),
  /** Absent: what a fold of `train` leaves out, of a folder the first where nothing is said. */
  validation: v.optional(v.string()),
  test: v.string(),
  /** The site's network, where it has one; else it is trained, as `architecture` is. */
  network: v.optional(v.string()),
});

const { steps: _steps, federate: _, fresh: _fresh, seed: _seed, rounds, localSteps, ...trainable } = networkOptions;
const { seed: _s, ...stitchable } = trainingOptions;
const { seed: _d, ...distillable } = distillationOptions;
const steps = { steps: _steps };

const requestSchema = v.strictObject({
  sites: v.pipe(
    v.array(siteSchema),
    v.minLength(2, 'two sites or more are expected'),
    v.check(sites => new Set(sites.map(({ name }) => name)).size === sites.length, 'sites have different names'),
  ),
  /** An ONNX file whose layers are trained afresh: of sites without a network, and for merged data and FedAvg. */
  architecture: v.optional(v.string()),
  methods: v.optional(v.pipe(v.array(v.picklist(methods)), v.minLength(1)), [...methods]),
  /** Own site and partner. Default: each site with every other one. */
  pairs: v.optional(v.array(v.tuple([nameSchema, nameSchema]))),
  seeds: v.optional(v.pipe(v.array(natural.schema), v.minLength(1)), [0]),
  /** Numbers of the arrays `fold`: images of one are validated on, all others of `train` and `validation` trained on. */
  folds: v.optional(v.pipe(v.array(natural.schema), v.minLength(1))),
  /** How networks are trained afresh, stitches, students, and what is fine-tuned. */
  train: v.optional(settingsSchema({ ...steps, ...trainable }), {}),
  finetune: v.optional(settingsSchema({ ...steps, ...trainable }), {}),
  fedavg: v.optional(settingsSchema({ rounds, localSteps, ...trainable }), {}),
  stitch: v.optional(settingsSchema(stitchable), {}),
  distill: v.optional(settingsSchema(distillable), {}),
  /** Also stitched in other ways, for the score against the number of stitches. */
  curves: v.optional(v.array(v.picklist(['direct', 'all'])), ['direct', 'all']),
  /** How many networks are evaluated in the search for a shared trunk, and what share of an ensemble it may cost. */
  evaluations: v.optional(count.schema),
  budget: v.optional(v.pipe(v.number(), v.gtValue(0)), 0.65),
  task: v.optional(v.picklist(tasks)),
  metric: v.optional(v.picklist(metricNames)),
  labels: v.optional(labelsSchema),
  executor: v.optional(choice(['auto', 'webgpu', 'ort']).schema, 'auto'),
});

export type StudyRequest = v.InferOutput<typeof requestSchema>;
export type Site = StudyRequest['sites'][number];

/** @param file for messages, and what paths are relative to. @throws SutureError `study-invalid`. */
export function parseStudy(text: string, file: string): StudyRequest {
  const fail = (problem: string, cause?: unknown): never => {
    throw new SutureError('study-invalid', `${printable(file)}: ${printable(problem)}.`, { cause });
  };
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    return fail('it is no JSON document', cause);
  }
  const parsed = v.safeParse(requestSchema, document);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    return fail(`${v.getDotPath(issue) ?? 'the document'}: ${issue.message.replace(/\.$/, '')}`);
  }
  const { sites, architecture, pairs, methods: asked, labels, ...rest } = parsed.output;
  const at = (path: string): string => resolve(dirname(file), path);
  const names = new Set(sites.map(({ name }) => name));
  const strange = pairs?.flat().find(name => !names.has(name));
  if (strange !== undefined) return fail(`pairs: there is no site ${strange}`);
  if (pairs?.some(([own, partner]) => own === partner)) return fail('pairs: a site is no partner of itself');
  const untrained = sites.find(({ network }) => network === undefined);
  if (architecture === undefined) {
    if (untrained) return fail(`site ${untrained.name} has no network: name it, or an architecture to train`);
    const fresh = asked.find(method => method === 'merged' || method === 'fedavg');
    if (fresh !== undefined)
      return fail(`${fresh} is trained afresh: name an architecture, or leave it out of methods`);
  }
  return {
    ...rest,
    methods: asked,
    ...(pairs && { pairs }),
    ...(architecture !== undefined && { architecture: at(architecture) }),
    ...(labels && { labels: { ...labels, ...(labels.folder && { folder: withPlansAt(labels.folder, at) }) } }),
    sites: sites.map(({ name, network, train, validation, test }) => ({
      name,
      train: at(train),
      ...(validation !== undefined && { validation: at(validation) }),
      test: at(test),
      ...(network !== undefined && { network: at(network) }),
    })),
  };
}

type FolderLabels = NonNullable<NonNullable<StudyRequest['labels']>['folder']>;

const withPlansAt = ({ plans, partners, ...others }: FolderLabels, at: (path: string) => string): FolderLabels => ({
  ...others,
  ...(plans !== undefined && { plans: at(plans) }),
  ...(partners && { partners: Object.fromEntries(Object.entries(partners).map(([tag, file]) => [tag, at(file)])) }),
});

export const readStudy = async (file: string): Promise<StudyRequest> =>
  parseStudy((await readRegular(file)).toString('utf8'), file);
