/** `STUDY.json`: what a study is of. See `docs/study.md`. */
import { dirname, resolve } from 'node:path';
import * as v from 'valibot';
import { clause, printable, SutureError } from '../../ir/errors.ts';
import { tasks } from '../../passes/index.ts';
import { readFault, readRegular } from '../files/input.ts';
import { metricNames } from '../metrics/metric.ts';
import { type AnyKind, budget, choice, count, natural } from '../options/kinds.ts';
import { type GivenOf, longName, type Options } from '../options/option.ts';
import { labelsSchema } from '../run/config.ts';
import { distillationOptions } from '../training/distill.ts';
import { networkOptions } from '../training/network.ts';
import { trainingOptions, withDefaults } from '../training/options.ts';

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

/** An object of which all that may be in it is named; for valibot lists are objects too. */
const objectOf = <const E extends v.ObjectEntries>(entries: E) =>
  v.pipe(
    v.custom<object>(
      value => typeof value === 'object' && value !== null && !Array.isArray(value),
      '{ … } is expected',
    ),
    v.strictObject(entries),
  );

/** Of the values that an option may have. */
const expected = <T>({ schema, words }: AnyKind & { readonly schema: v.GenericSchema<T> }): v.GenericSchema<T> =>
  v.message(schema, `${words} is expected`);

/** What may be said of a training, under the names that programs have for it; what is misspelt is refused. */
const settingsSchema = <O extends Options>(options: O): v.GenericSchema<unknown, GivenOf<O>> =>
  objectOf(
    Object.fromEntries(Object.entries(options).map(([name, { kind }]) => [name, v.optional(expected(kind))])),
  ) as v.GenericSchema<unknown, GivenOf<O>>;

/** What is named twice is taken for a slip. */
const listOf = <T>(item: v.GenericSchema<T>) =>
  v.pipe(
    v.array(item),
    v.minLength(1, 'one or more are expected'),
    v.check(all => new Set(all.map(one => JSON.stringify(one))).size === all.length, 'something is there twice'),
  );

/** It is part of the names of folders, beside some forty characters, and a key of objects. */
const nameSchema = v.pipe(
  v.string(),
  v.regex(
    /^(?!(?:__proto__|constructor|prototype)$)[A-Za-z0-9_][A-Za-z0-9_.]{0,59}$/,
    'a name of at most 60 letters (a to z), digits, _ and . is expected',
  ),
);

const pathSchema = v.pipe(v.string(), v.minLength(1, 'a path is expected'));

const siteSchema = objectOf({
  name: nameSchema,
  /** Data files with labels. */
  train: pathSchema,
  /** Absent: what a fold of `train` leaves out, of a folder the first where nothing is said. */
  validation: v.optional(pathSchema),
  test: pathSchema,
  /** The site's network, where it has one; else it is trained, as `architecture` is. */
  network: v.optional(pathSchema),
  /** What its network sees of folders of image files. Default: that of `labels.folder`. */
  plans: v.optional(pathSchema),
});

const { steps: _steps, federate: _, fresh: _fresh, seed: _seed, rounds, localSteps, ...trainable } = networkOptions;
const { seed: _s, ...stitchable } = trainingOptions;
const { seed: _d, ...distillable } = distillationOptions;
const afresh = { steps: _steps, ...trainable };

/** What may be said of each kind of training. Whether weights are fresh, and the seeds, the study decides. */
export const settingsOfStudy = {
  train: afresh,
  finetune: afresh,
  fedavg: { rounds, localSteps, ...trainable },
  stitch: stitchable,
  distill: distillable,
} as const;

const { folder, ...otherLabels } = labelsSchema.entries;

/** Networks have their plans by their sites, in whatever pair they are. */
const { partners: _p, ...folderEntries } = folder.wrapped.entries;

const requestSchema = objectOf({
  sites: v.pipe(
    v.array(siteSchema),
    v.minLength(2, 'two sites or more are expected'),
    v.check(sites => new Set(sites.map(({ name }) => name)).size === sites.length, 'sites have different names'),
  ),
  /** An ONNX file whose layers are trained afresh: of sites without a network, and for merged data and FedAvg. */
  architecture: v.optional(pathSchema),
  methods: v.optional(listOf(v.picklist(methods)), [...methods]),
  /** Own site and partner. Default: each site with every other one. */
  pairs: v.optional(listOf(v.strictTuple([nameSchema, nameSchema], '["own", "partner"] is expected'))),
  seeds: v.optional(listOf(expected(natural)), [0]),
  /** Numbers of the arrays `fold`: images of one are validated on, all others of `train` and `validation` trained on. */
  folds: v.optional(listOf(expected(natural))),
  /** How networks are trained afresh, stitches, students, and what is fine-tuned. */
  train: v.optional(settingsSchema(settingsOfStudy.train), {}),
  finetune: v.optional(settingsSchema(settingsOfStudy.finetune), {}),
  fedavg: v.optional(settingsSchema(settingsOfStudy.fedavg), {}),
  stitch: v.optional(settingsSchema(settingsOfStudy.stitch), {}),
  distill: v.optional(settingsSchema(settingsOfStudy.distill), {}),
  /** Also stitched in other ways, for the score against the number of stitches. */
  curves: v.optional(v.array(v.picklist(['direct', 'all'])), ['direct', 'all']),
  /** How many networks are evaluated in the search for a shared trunk, and what share of an ensemble it may cost. */
  evaluations: v.optional(expected(count)),
  budget: v.optional(expected(budget), 0.65),
  task: v.optional(v.picklist(tasks)),
  metric: v.optional(v.picklist(metricNames)),
  labels: v.optional(objectOf({ ...otherLabels, folder: v.optional(objectOf(folderEntries)) })),
  executor: v.optional(choice(['auto', 'webgpu', 'ort']).schema, 'auto'),
});

export type StudyRequest = v.InferOutput<typeof requestSchema>;
export type Site = StudyRequest['sites'][number];

const invalid = (file: string, problem: string, cause?: unknown): SutureError =>
  new SutureError('study-invalid', `${printable(file)}: ${printable(problem, 300)}.`, { cause });

/** What is said of a member that is not known: options have other names on the command line. */
function unknownMember(place: string): string {
  const [part, name] = place.split('.');
  const options = Object.entries<Options>(settingsOfStudy).find(([known]) => known === part)?.[1] ?? {};
  const meant = Object.entries(options).find(([known, facts]) => longName(known, facts) === name?.replace(/^--/, ''));
  return meant ? `it is called ${meant[0]} here` : 'there is no such member; docs/study.md lists them';
}

/** The first thing that is wrong, and where. */
function problemOf(issue: v.BaseIssue<unknown>): string {
  const place = v.getDotPath(issue);
  // Members of an object: `never` of one that is not known.
  const isOfMembers = issue.type === 'strict_object' && issue.path !== undefined;
  const problem = !isOfMembers
    ? clause(issue.message)
    : issue.expected === 'never'
      ? unknownMember(place!)
      : 'it is missing';
  return `${place ?? 'the document'}: ${problem}`;
}

/** @param file for messages, and what paths are relative to. @throws SutureError `study-invalid`. */
export function parseStudy(text: string, file: string): StudyRequest {
  const fail = (problem: string, cause?: unknown): never => {
    throw invalid(file, problem, cause);
  };
  let document: unknown;
  try {
    // Editors on Windows begin files with a mark.
    document = JSON.parse(text.replace(/^\ufeff/, ''));
  } catch (cause) {
    return fail(`it is no JSON document: ${(cause as SyntaxError).message}`, cause);
  }
  const parsed = v.safeParse(requestSchema, document);
  if (!parsed.success) {
    return fail(problemOf(parsed.issues[0]));
  }
  const { sites, architecture, pairs, methods: asked, labels, ...rest } = parsed.output;
  try {
    withDefaults(rest.stitch);
  } catch (cause) {
    if (cause instanceof SutureError) return fail(`stitch: ${clause(cause.message)}`, cause);
    throw cause;
  }
  const at = (path: string): string => resolve(dirname(file), path);
  const names = new Set(sites.map(({ name }) => name));
  const strange = pairs?.flat().find(name => !names.has(name));
  if (strange !== undefined) return fail(`pairs: there is no site ${strange}`);
  if (pairs?.some(([own, partner]) => own === partner)) return fail('pairs: a site is no partner of itself');
  const planless = sites.find(({ plans }) => plans === undefined);
  if (planless && sites.some(({ plans }) => plans !== undefined) && labels?.folder?.plans === undefined)
    return fail(
      `site ${planless.name} has no plans, and another has: name them, or in labels.folder those of all others`,
    );
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
    sites: sites.map(({ name, network, train, validation, test, plans }) => ({
      name,
      train: at(train),
      ...(validation !== undefined && { validation: at(validation) }),
      test: at(test),
      ...(network !== undefined && { network: at(network) }),
      ...(plans !== undefined && { plans: at(plans) }),
    })),
  };
}

type FolderLabels = NonNullable<NonNullable<StudyRequest['labels']>['folder']>;

const withPlansAt = ({ plans, ...others }: FolderLabels, at: (path: string) => string): FolderLabels => ({
  ...others,
  ...(plans !== undefined && { plans: at(plans) }),
});

/** @throws SutureError `study-invalid`. */
export async function readStudy(file: string): Promise<StudyRequest> {
  const bytes = await readRegular(file).catch((cause: unknown) => {
    throw invalid(file, readFault(cause), cause);
  });
  return parseStudy(bytes.toString('utf8'), file);
}
