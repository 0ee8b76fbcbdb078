/** Options that mean the same wherever they are said. */
import { SutureError } from '../../ir/index.ts';
import { activations, type GateScope, gateScopes, matchWiths, outputMeans, tasks } from '../../passes/index.ts';
import type { LabelOptions } from '../data/dataset.ts';
import { changeNames } from '../data/shift/changes.ts';
import { shiftImages } from '../data/shift/suite.ts';
import { executorChoices } from '../execution/executors.ts';
import { metricNames } from '../metrics/metric.ts';
import type { StressRequest } from '../metrics/stress-sets.ts';
import type { OutputNames } from '../network/one-output.ts';
import {
  choice,
  classMap,
  count,
  extents,
  integer,
  namedFiles,
  natural,
  nonNegative,
  path,
  regions,
  several,
  share,
  text,
} from '../options/kinds.ts';
import { flag, type GivenOf, type Option, optional, repeatable, required, standing } from '../options/option.ts';
import type { StitchRequest } from '../run/plan.ts';
import { type Rule, requireDepthRule, type rules, usualDepth } from '../selection/select.ts';
import { checkpointInterval, type TrainingRequest, trainingOptions } from '../training/options.ts';

export const json = flag('print one JSON document on standard output');
export const force = flag('replace what is at the output path');

export const executor = standing(
  choice(executorChoices),
  'name',
  'what computes: WebGPU, ONNX Runtime, or what suits',
  'auto',
);
export const batch = optional(count, 'n', 'images at a time; of networks that take a fixed number, a multiple of it');
export const tune = flag(
  'first measure which sizes of kernels are fastest here, and keep it for later; on WebGPU only',
);
export const profile = flag('say which kernels take the time; runs each graph once more, on WebGPU only');

/** What is said of folders of image files. */
export const folders = {
  plans: optional(path, 'file', 'plans.json, or a network that has it, by which cases are prepared', {
    alias: 'plans-a',
    otherwise: 'in the own network, or none',
  }),
  configuration: optional(path, 'name', 'of the plans', { otherwise: '3d_fullres, or 2d' }),
  tile: optional(extents, 'list', "what a folder's cases are cut into, as in 256,256", {
    otherwise: 'by networks, or plans',
  }),
  fold: optional(natural, 'k', 'of a folder: the cases of this fold of splits_final.json', {
    otherwise: 'all cases',
  }),
};

/** What is said of labels, and of folders of image files. */
export const labels = {
  ignoreLabel: optional(integer, 'n', 'the label of places that count in no score or loss, as 255 or -1'),
  regions: optional(regions, 'list', 'the classes that each region of a network is made of, as 1+2,2'),
  ...folders,
};

/** What is said of networks by their tags, without those of which nothing is said. */
const byTag = <T>(said: Readonly<Record<string, T | undefined>>): Readonly<Record<string, T>> =>
  Object.fromEntries(Object.entries(said).flatMap(([tag, value]) => (value === undefined ? [] : [[tag, value]])));

const outputNameOf = (tag: string, of: string): Option<string, false> =>
  optional(text, 'name', `of several outputs of ${of} the one that is used`, {
    long: `output-${tag}`,
    otherwise: 'the one as large as the image',
  });

/** Of a command's only network. */
export const onlyOutput = { outputA: outputNameOf('a', 'the network') };

/** Of several networks, by their tags. */
export const outputNames = {
  outputA: outputNameOf('a', 'network a, the first'),
  outputB: outputNameOf('b', 'network b'),
  outputC: outputNameOf('c', 'network c'),
  outputD: outputNameOf('d', 'network d'),
};

/** What the options say of outputs. */
export const outputRequest = ({
  outputA: a,
  outputB: b,
  outputC: c,
  outputD: d,
}: GivenOf<typeof outputNames>): { readonly outputs: OutputNames } => ({ outputs: byTag({ a, b, c, d }) });

const plansOf = (tag: string): Option<string, false> =>
  optional(
    path,
    'file',
    `plans.json of network ${tag}, where its cases are normalised in another way than the own ones, or on another grid`,
  );

/** Of networks that are joined, by their tags; those of the own one are `--plans`. */
export const partnerPlans = {
  plansB: plansOf('b'),
  plansC: plansOf('c'),
  plansD: plansOf('d'),
  grid: optional(choice(['a', 'b', 'c', 'd']), 'x', 'the network whose plans say the grid that all see', {
    otherwise: 'a, the own one',
  }),
};

const classesOf = (tag: string): Option<string | (number | null)[], false> =>
  optional(classMap, 'list', `the own class of each channel of network ${tag}, as 0,2,1,-, or its dataset.json`, {
    otherwise: 'the same',
  });

/** Of networks that are joined, by their tags. */
const partnerClasses = { classesB: classesOf('b'), classesC: classesOf('c'), classesD: classesOf('d') };

/** What the options say of partners' classes. */
export const classRequest = ({
  classesB: b,
  classesC: c,
  classesD: d,
}: GivenOf<typeof partnerClasses>): Pick<StitchRequest, 'classes'> => ({
  classes: byTag({ b, c, d }),
});

/** What the options say of data, and nothing that they do not say. */
export function labelOptions(given: GivenOf<typeof labels & typeof partnerPlans>): LabelOptions {
  const { ignoreLabel, regions, plans, configuration, tile, fold, grid, plansB: b, plansC: c, plansD: d } = given;
  const partners = byTag({ b, c, d });
  const folder = {
    ...(Object.keys(partners).length > 0 && { partners }),
    ...(grid !== undefined && { grid }),
    ...(plans !== undefined && { plans }),
    ...(configuration !== undefined && { configuration }),
    ...(tile && { tile }),
    ...(fold !== undefined && { fold }),
  };
  return {
    ...(ignoreLabel !== undefined && { ignoreLabel }),
    ...(regions && { regions }),
    ...(Object.keys(folder).length > 0 && { folder }),
  };
}

export const metric = optional(choice(metricNames), 'm', 'score', {
  otherwise: 'by labels',
});

/** What networks are also held against: changed images, or data of elsewhere. */
export const stress = {
  shift: flag('also score under shift: the images under each of the changes of the default suite, and the mean'),
  changes: optional(several(changeNames), 'list', 'these changes instead, as in gamma,bias-field'),
  shiftImages: optional(count, 'n', 'about how many images are changed: whole cases, from all groups alike', {
    otherwise: String(shiftImages),
  }),
  stress: repeatable(namedFiles, 'name=file', 'a data set of elsewhere instead of changed images; may be repeated'),
};

/** What is asked of stress sets; nothing where nothing is said of them. */
export function stressRequest({ shift, changes, shiftImages, stress: files }: GivenOf<typeof stress>): {
  readonly stress?: StressRequest;
} {
  if (!shift && !changes && !files && shiftImages === undefined) return {};
  if (files && shift) {
    throw new SutureError('option-invalid', 'Say --shift, or name data sets by --stress: they are one column.');
  }
  return { stress: { files, changes, images: shiftImages } };
}

export const task = optional(choice(tasks), 'name', 'what the networks do', {
  otherwise: 'by outputs and labels',
});
export const activation = optional(choice(activations), 'name', 'what makes logits probabilities', {
  otherwise: 'by networks and labels',
});

export const matchWith = optional(
  choice(matchWiths),
  'which',
  'of more than two networks, which are matched: the first with each, or all with all',
  {
    otherwise: 'backbone',
  },
);

export const gateOver = optional(
  choice(gateScopes),
  'what',
  'what a gate weighs alike: an image, or all images of one id, which then are a batch',
  { otherwise: 'image' },
);

/** What the options say of a gate. @throws SutureError `option-invalid` where they contradict each other. */
export function gateRequest({
  gate,
  gateOver: over,
}: { readonly gate: boolean } & GivenOf<{ gateOver: typeof gateOver }>): {
  readonly gate?: false;
  readonly gateOver?: GateScope;
} {
  if (!gate && over !== undefined) {
    throw new SutureError(
      'option-invalid',
      '--no-gate leaves out the gate, so nothing is weighed alike: leave out --gate-over.',
    );
  }
  return { ...(!gate && { gate }), ...(over !== undefined && { gateOver: over }) };
}

/** By what a position is chosen. */
export const depth = optional(share, 'x', 'with --rule 3: how deep, as a share of the layers', {
  otherwise: String(usualDepth),
});

/** What the options say of a rule. @throws SutureError `option-invalid` for a depth where no rule goes by it. */
export function ruleRequest({
  rule,
  depth: at,
}: {
  readonly rule?: (typeof rules)[number] | undefined;
  readonly depth?: number | undefined;
}): { readonly rule?: Rule; readonly depth?: number } {
  const number = rule === undefined ? undefined : (Number(rule) as Rule);
  requireDepthRule(number, at);
  return { ...(number !== undefined && { rule: number }), ...(at !== undefined && { depth: at }) };
}

/** An `.npz` file. */
export const dataOf = (what: string): Option<string, true> =>
  required(path, 'file', `an .npz file or a folder with ${what}`);
export const outputPath = (value: string, what: string): Option<string, true> =>
  required(path, value, what, { short: 'o' });
export const maybeOutputPath = (value: string, what: string): Option<string, false> =>
  optional(path, value, what, { short: 'o' });

export const checkpointEvery = standing(nonNegative, 's', 'seconds from checkpoint to checkpoint', checkpointInterval);

// `-o` is a run directory here.
const { output: outputWeight, ...settings } = trainingOptions;

/** How stitches are trained. */
export const training = {
  pairs: optional(path, 'file', 'pairs from `suture match -o`, instead of matching anew'),
  matchWith,
  ...outputNames,
  ...settings,
  outputWeight,
  task,
  ...labels,
  ...partnerPlans,
  ...partnerClasses,
  activation,
  outputMean: standing(choice(outputMeans), 'what', 'what of the outputs is averaged', 'probabilities'),
  executor,
  checkpointEvery,
  force,
};

/** Of what was said, what a training's settings are made of. */
export function trainingRequest({ outputWeight, ...flags }: GivenOf<typeof training>): TrainingRequest {
  const said = Object.entries(flags).filter(([name]) => name in settings);
  return { ...Object.fromEntries(said), ...(outputWeight !== undefined && { output: outputWeight }) };
}
