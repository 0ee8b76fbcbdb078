/** `plans.json` of nnU-Net v2: what it does to a case before its network sees it. What is not needed for that is not looked at. */
import * as v from 'valibot';
import { printable, SutureError } from '../../ir/errors.ts';
import { readModelFile } from '../../ir/onnx/file.ts';
import { readRegular } from '../files/input.ts';
import { parsePythonJson } from '../files/python-json.ts';

const schemes = [
  'ZScoreNormalization',
  'CTNormalization',
  'NoNormalization',
  'RescaleTo01Normalization',
  'RGBTo01Normalization',
] as const;
export type Scheme = (typeof schemes)[number];

/** Facts of the foreground of all training cases in one channel. */
export interface Foreground {
  readonly mean: number;
  readonly std: number;
  /** The percentiles 0.5 and 99.5. */
  readonly low: number;
  readonly high: number;
}

/** How the intensities of one channel are normalised. */
export interface Normalization {
  readonly scheme: Scheme;
  /** Only where some channel is not zero, or in a hole of that. */
  readonly masked: boolean;
  /** Set for what needs it, which is CT. */
  readonly foreground?: Foreground;
}

/** Splines that values are resampled with, by their order. */
export type SplineOrder = 0 | 1 | 3;

export interface Resampling {
  readonly order: SplineOrder;
  /** Along the axis of the largest spacing, where that one is resampled by itself. */
  readonly orderZ: SplineOrder;
  /** Undefined: where spacings differ more than threefold. */
  readonly separateZ: boolean | undefined;
}

export interface Plans {
  /** The file, as messages name it. */
  readonly source: string;
  readonly configuration: string;
  /** In mm along each axis of a patch, transposed. */
  readonly spacing: readonly number[];
  readonly patchSize: readonly number[];
  /** Which axis of a file is the first, the second and the third of what the network sees. */
  readonly transpose: readonly number[];
  /** One for each channel. */
  readonly normalizations: readonly Normalization[];
  /** Undefined where nothing is resampled. */
  readonly resampling: Readonly<Record<'images' | 'labels' | 'outputs', Resampling | undefined>>;
  /** The axes that a network may be mirrored over, where the file says so; nnU-Net keeps them in its checkpoints. */
  readonly mirrorAxes?: readonly number[];
}

const natural = v.pipe(v.number(), v.integer(), v.minValue(0));
const positive = v.pipe(v.number(), v.finite(), v.gtValue(0));
const atLeastOne = v.pipe(v.number(), v.integer(), v.minValue(1));
const axes = <T extends v.GenericSchema<number>>(of: T) => v.pipe(v.array(of), v.minLength(2), v.maxLength(3));

const fileSchema = v.object({
  configurations: v.record(v.string(), v.record(v.string(), v.unknown())),
  transpose_forward: v.pipe(
    v.array(natural),
    v.check(order => [...order].sort().join() === '0,1,2', 'it must be an order of 0, 1 and 2'),
  ),
  foreground_intensity_properties_per_channel: v.optional(v.record(v.string(), v.unknown())),
  foreground_intensity_properties_by_modality: v.optional(v.record(v.string(), v.unknown())),
  inference_allowed_mirroring_axes: v.nullish(v.array(natural)),
});

/** What version 1 had in the place of configurations. */
const firstVersion = v.object({ plans_per_stage: v.record(v.string(), v.unknown()) });

const foregroundsSchema = (channel: number) =>
  v.object({
    foreground_intensity_properties_per_channel: v.object({
      [channel]: v.object({
        mean: v.number(),
        std: v.number(),
        percentile_00_5: v.number(),
        percentile_99_5: v.number(),
      }),
    }),
  });

const order = v.picklist([0, 1, 3]);
const functions = ['resample_data_or_seg_to_shape', 'no_resampling_hack'] as const;
const kwargsSchema = v.object({
  order: v.optional(order, 3),
  order_z: v.optional(order, 0),
  force_separate_z: v.nullish(v.boolean()),
});

const configurationSchema = v.object({
  spacing: axes(positive),
  patch_size: axes(atLeastOne),
  normalization_schemes: v.pipe(v.array(v.picklist(schemes)), v.minLength(1)),
  use_mask_for_norm: v.array(v.boolean()),
  resampling_fn_data: v.picklist(functions),
  resampling_fn_data_kwargs: v.optional(kwargsSchema, {}),
  resampling_fn_seg: v.picklist(functions),
  resampling_fn_seg_kwargs: v.optional(kwargsSchema, {}),
  resampling_fn_probabilities: v.picklist(functions),
  resampling_fn_probabilities_kwargs: v.optional(kwargsSchema, {}),
  previous_stage: v.nullish(v.string()),
});

type PlansFile = v.InferOutput<typeof fileSchema>;
type Configurations = PlansFile['configurations'];
type Configuration = v.InferOutput<typeof configurationSchema>;

/** Keys that early versions had, and what they are called now. */
const formerKeys: Readonly<Record<string, string>> = {
  resampling_fn_softmax: 'resampling_fn_probabilities',
  resampling_fn_softmax_kwargs: 'resampling_fn_probabilities_kwargs',
};

const namesOf = (all: Configurations): string =>
  Object.keys(all)
    .map(name => printable(name, 40))
    .join(', ') || 'none';

class PlansReader {
  readonly #source: string;

  constructor(source: string) {
    this.#source = source;
  }

  fail(problem: string, cause?: unknown): never {
    const text = `${printable(this.#source)}: ${problem}.`;
    throw new SutureError('plans-invalid', text, cause === undefined ? {} : { cause });
  }

  /** All that is wrong at once. */
  parse<T extends v.GenericSchema>(schema: T, value: unknown, where: string): v.InferOutput<T> {
    const { success, output, issues = [] } = v.safeParse(schema, value);
    if (success) return output;
    const problems = issues.map(issue => {
      const path = v.getDotPath(issue);
      const key = path === null ? 'it' : `"${printable(path, 60)}"`;
      if (issue.input === undefined) return `${key} is missing`;
      const given = printable(JSON.stringify(issue.input) ?? typeof issue.input, 60);
      return `${key} is ${given}${issue.expected ? `, not ${printable(issue.expected, 200)}` : `: ${issue.message}`}`;
    });
    return this.fail(`${where}${problems.join('; ')}`);
  }

  /** A configuration with what it inherits. */
  inherited(all: Configurations, name: string, heirs: readonly string[] = []): Readonly<Record<string, unknown>> {
    const own = Object.hasOwn(all, name) ? all[name] : undefined;
    if (!own) {
      return this.fail(`there is no configuration "${printable(name, 40)}"; there are ${namesOf(all)}`);
    }
    if (heirs.includes(name)) this.fail(`the configuration "${printable(name, 40)}" inherits from itself`);
    const current = Object.fromEntries(Object.entries(own).map(([key, value]) => [formerKeys[key] ?? key, value]));
    const { inherits_from: from } = current;
    return typeof from === 'string' ? { ...this.inherited(all, from, [...heirs, name]), ...current } : current;
  }

  /** The configuration that is meant where none is named: of the number of axes that is asked for, at full resolution. */
  usual(all: Configurations, axes: number | undefined): string {
    const fitting = Object.keys(all).filter(name => {
      const { patch_size: patch } = this.inherited(all, name);
      // One without a patch is named for that where it is read.
      return axes === undefined || !Array.isArray(patch) || patch.length === axes;
    });
    const found =
      ['3d_fullres', '2d'].find(name => fitting.includes(name)) ?? (fitting.length === 1 ? fitting[0] : undefined);
    if (found !== undefined) return found;
    return this.fail(
      fitting.length > 0
        ? `it has the configurations ${namesOf(all)}; say which by --configuration`
        : `it has no configuration for images of ${axes} axes; there are ${namesOf(all)}`,
    );
  }

  normalizations(
    file: PlansFile,
    { normalization_schemes, use_mask_for_norm }: Configuration,
  ): readonly Normalization[] {
    const facts = file.foreground_intensity_properties_per_channel ?? file.foreground_intensity_properties_by_modality;
    if (use_mask_for_norm.length !== normalization_schemes.length) {
      this.fail(
        `"normalization_schemes" has ${normalization_schemes.length} channels and "use_mask_for_norm" ${use_mask_for_norm.length}`,
      );
    }
    return normalization_schemes.map((scheme, channel) => {
      const masked = use_mask_for_norm[channel];
      if (scheme !== 'CTNormalization') return { scheme, masked };
      const found = { foreground_intensity_properties_per_channel: { [channel]: facts?.[channel] } };
      const { foreground_intensity_properties_per_channel: read } = this.parse(foregroundsSchema(channel), found, '');
      const { mean, std, percentile_00_5: low, percentile_99_5: high } = read[channel];
      return { scheme, masked, foreground: { mean, std, low, high } };
    });
  }
}

const resamplingOf = (
  fn: (typeof functions)[number],
  { order, order_z: orderZ, force_separate_z: separateZ }: v.InferOutput<typeof kwargsSchema>,
): Resampling | undefined =>
  fn === 'no_resampling_hack' ? undefined : { order, orderZ, separateZ: separateZ ?? undefined };

/** Under which key an exported network has the plans of its cases in its metadata. */
export const plansKey = 'suture.plans';

/** The document in a network's file. @throws SutureError `model-unreadable`. */
function documentIn(model: string, reader: PlansReader): string {
  const { model: file, external } = readModelFile(model);
  external.close();
  const said = file.metadataProps.find(({ key }) => key === plansKey)?.value;
  return (
    said ??
    reader.fail(
      'it says nothing of how its cases are prepared: only what was exported here with plans does; name a plans.json',
    )
  );
}

/**
 * Reads plans.
 *
 * @param source `plans.json`, or an exported network that has them in its file.
 * @param configuration where it is not named: `3d_fullres`, or else `2d`, or else the only one there is.
 * @param axes of the network's images: 2 or 3. Decides where no configuration is named.
 * @throws SutureError `plans-invalid`, naming all that is missing, and whatever of it is not known here.
 */
export async function readPlans(source: string, configuration?: string, axes?: number): Promise<Plans> {
  const reader = new PlansReader(source);
  const inModel = source.toLowerCase().endsWith('.onnx') ? documentIn(source, reader) : undefined;
  let json: unknown;
  try {
    json = parsePythonJson(inModel ?? (await readRegular(source)).toString('utf8'));
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    reader.fail(missing ? 'there is no such file' : 'it is no JSON file that can be read', cause);
  }
  return plansFrom(json, source, configuration, axes);
}

/** As {@link readPlans}, of a document that is read. */
export function plansFrom(json: unknown, source: string, configuration?: string, axes?: number): Plans {
  const reader = new PlansReader(source);
  if (v.is(firstVersion, json)) {
    return reader.fail(
      'these are plans of nnU-Net version 1, whose networks are prepared for in another way; plan with version 2 (nnUNetv2_plan_experiment)',
    );
  }
  const file = reader.parse(fileSchema, json, 'these are no plans of nnU-Net v2: ');
  const name = configuration ?? reader.usual(file.configurations, axes);
  const found = reader.parse(
    configurationSchema,
    reader.inherited(file.configurations, name),
    `in the configuration "${printable(name, 40)}" `,
  );
  if (found.previous_stage) {
    reader.fail(
      `the configuration "${printable(name, 40)}" refines what "${printable(found.previous_stage, 40)}" finds (a cascade), ` +
        'and networks that take labels beside images are not served; name another by --configuration',
    );
  }
  if (found.spacing.length !== found.patch_size.length) {
    reader.fail(`"spacing" has ${found.spacing.length} axes and "patch_size" ${found.patch_size.length}`);
  }
  const mirrorAxes = file.inference_allowed_mirroring_axes;
  return {
    source,
    configuration: name,
    spacing: found.spacing,
    patchSize: found.patch_size,
    transpose: file.transpose_forward,
    normalizations: reader.normalizations(file, found),
    resampling: {
      images: resamplingOf(found.resampling_fn_data, found.resampling_fn_data_kwargs),
      labels: resamplingOf(found.resampling_fn_seg, found.resampling_fn_seg_kwargs),
      outputs: resamplingOf(found.resampling_fn_probabilities, found.resampling_fn_probabilities_kwargs),
    },
    ...(mirrorAxes && { mirrorAxes }),
  };
}

/** Plans as a document that {@link plansFrom} reads, and nnU-Net too: with this configuration only. */
export function plansDocument(plans: Plans): Record<string, unknown> {
  const { configuration, spacing, patchSize, transpose, normalizations, resampling, mirrorAxes } = plans;
  const facts = normalizations.flatMap(({ foreground }, channel) =>
    foreground
      ? [
          [
            String(channel),
            {
              ...{ mean: foreground.mean, std: foreground.std },
              ...{ percentile_00_5: foreground.low, percentile_99_5: foreground.high },
            },
          ] as const,
        ]
      : [],
  );
  const function_ = (name: string, how: Resampling | undefined, isLabels: boolean): object =>
    how
      ? {
          [`resampling_fn_${name}`]: functions[0],
          [`resampling_fn_${name}_kwargs`]: {
            ...{ is_seg: isLabels, order: how.order, order_z: how.orderZ },
            force_separate_z: how.separateZ ?? null,
          },
        }
      : { [`resampling_fn_${name}`]: functions[1], [`resampling_fn_${name}_kwargs`]: {} };
  return {
    plans_name: 'nnUNetPlans',
    transpose_forward: transpose,
    transpose_backward: transpose.map((_, axis) => transpose.indexOf(axis)),
    foreground_intensity_properties_per_channel: Object.fromEntries(facts),
    ...(mirrorAxes && { inference_allowed_mirroring_axes: mirrorAxes }),
    configurations: {
      [configuration]: {
        ...{ spacing, patch_size: patchSize },
        normalization_schemes: normalizations.map(({ scheme }) => scheme),
        use_mask_for_norm: normalizations.map(({ masked }) => masked),
        ...function_('data', resampling.images, false),
        ...function_('seg', resampling.labels, true),
        ...function_('probabilities', resampling.outputs, false),
      },
    },
  };
}

const normalizationWords: Readonly<Record<Scheme, string>> = {
  ZScoreNormalization: 'zero mean and unit deviation of each case',
  CTNormalization: 'clipped and standardised',
  NoNormalization: 'as they are',
  RescaleTo01Normalization: 'from the least to the largest of each case as 0 to 1',
  RGBTo01Normalization: 'divided by 255',
};

/** What plans say, for a reader: `resampled to 2.5 × 0.8 × 0.8 mm; ...`. */
export function plansText({ spacing, patchSize, transpose, normalizations, resampling }: Plans): string {
  const channels = normalizations.map(({ scheme, masked, foreground }) => {
    const { mean, std, low, high } = foreground ?? {};
    const numbers = foreground ? ` (${low} to ${high}, mean ${mean}, deviation ${std})` : '';
    return `${normalizationWords[scheme]}${numbers}${masked ? ', where a case is not zero' : ''}`;
  });
  const same = new Set(channels).size === 1;
  const intensities = same ? channels[0] : channels.map((text, c) => `channel ${c} ${text}`).join(', ');
  return [
    ...(transpose.some((axis, i) => axis !== i) ? [`axes of space in the order ${transpose.join(', ')}`] : []),
    'cropped to where some channel is not zero',
    `intensities ${intensities}`,
    ...(resampling.images ? [`resampled to ${spacing.join(' × ')} mm`] : []),
    `in windows of ${patchSize.join(' × ')}`,
  ].join('; ');
}
