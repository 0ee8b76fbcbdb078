import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { plansFrom, readPlans } from '../../../src/preprocessing/plans.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'suture-test-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const kwargs = { is_seg: false, order: 3, order_z: 0, force_separate_z: null };
const fn = 'resample_data_or_seg_to_shape';

const fullres = {
  data_identifier: 'nnUNetPlans_3d_fullres',
  ...{ spacing: [2.5, 0.8, 0.8], patch_size: [16, 64, 64] },
  ...{ normalization_schemes: ['CTNormalization'], use_mask_for_norm: [false] },
  ...{ resampling_fn_data: fn, resampling_fn_data_kwargs: kwargs },
  ...{ resampling_fn_seg: fn, resampling_fn_seg_kwargs: { ...kwargs, is_seg: true, order: 1 } },
  ...{ resampling_fn_probabilities: fn, resampling_fn_probabilities_kwargs: { ...kwargs, order: 1 } },
  architecture: { network_class_name: 'PlainConvUNet' },
};

const document = (configurations: object, more: object = {}) => ({
  ...{ dataset_name: 'Dataset001_X', plans_name: 'nnUNetPlans', transpose_forward: [0, 1, 2], configurations },
  foreground_intensity_properties_per_channel: {
    0: { mean: 50, std: 20, min: -1000, max: 900, percentile_00_5: -100, percentile_99_5: 200 },
  },
  ...more,
});

const read = (json: unknown, configuration?: string, axes?: number) =>
  plansFrom(json, 'plans.json', configuration, axes);

describe('plans', () => {
  it('are read with what a configuration inherits, and over it', () => {
    const plans = read(document({ fullres, bigger: { inherits_from: 'fullres', patch_size: [32, 96, 96] } }), 'bigger');
    expect(plans).toMatchObject({ configuration: 'bigger', patchSize: [32, 96, 96], spacing: [2.5, 0.8, 0.8] });
    expect(plans.normalizations).toEqual([
      { scheme: 'CTNormalization', masked: false, foreground: { mean: 50, std: 20, low: -100, high: 200 } },
    ]);
    expect(plans.resampling.outputs).toEqual({ order: 1, orderZ: 0, separateZ: undefined });
  });

  it('have former names of keys', () => {
    const { resampling_fn_probabilities, resampling_fn_probabilities_kwargs, ...rest } = fullres;
    const former = {
      ...rest,
      resampling_fn_softmax: resampling_fn_probabilities,
      resampling_fn_softmax_kwargs: resampling_fn_probabilities_kwargs,
    };
    const { foreground_intensity_properties_per_channel: facts, ...others } = document({ '3d_fullres': former });
    const plans = read({ ...others, foreground_intensity_properties_by_modality: facts });
    expect(plans).toEqual(read(document({ '3d_fullres': fullres })));
  });

  it('are meant for the number of axes that is asked for, where no configuration is named', () => {
    const flat = { ...fullres, spacing: [1, 1], patch_size: [64, 64] };
    const both = document({ '2d': flat, '3d_fullres': fullres, '3d_lowres': fullres });
    expect(read(both, undefined, 2).configuration).toBe('2d');
    expect(read(both, undefined, 3).configuration).toBe('3d_fullres');
    expect(read(document({ odd: flat })).configuration).toBe('odd');
    expect(() => read(document({ a: fullres, b: fullres }))).toThrow(
      /configurations a, b; say which by --configuration/,
    );
    expect(() => read(document({ '2d': flat }), undefined, 3)).toThrow(
      /no configuration for images of 3 axes; there are 2d/,
    );
    const { patch_size: _, ...unpatched } = fullres;
    expect(() => read(document({ '3d_fullres': unpatched }), undefined, 3)).toThrow(/"patch_size" is missing/);
  });

  it.each([
    ['a list', [], /no plans of nnU-Net v2/],
    ['nothing', null, /no plans of nnU-Net v2: it is null, not Object/],
    ['those of version 1', { plans_per_stage: { 0: {} }, transpose_forward: [0, 1, 2] }, /plans of nnU-Net version 1/],
    ['everything missing', {}, /"configurations" is missing; "transpose_forward" is missing/],
    ['no such configuration', document({ fullres }), /no configuration "wanted"; there are fullres/],
    ['a circle', document({ wanted: { inherits_from: 'b' }, b: { inherits_from: 'wanted' } }), /inherits from itself/],
    [
      'several keys missing',
      document({ wanted: { ...fullres, spacing: undefined, use_mask_for_norm: undefined } }),
      /"spacing" is missing; "use_mask_for_norm" is missing/,
    ],
    [
      'a normalisation of its own',
      document({ wanted: { ...fullres, normalization_schemes: ['Mine'] } }),
      /"normalization_schemes.0" is "Mine", not .*ZScoreNormalization/,
    ],
    [
      'another way to resample',
      document({ wanted: { ...fullres, resampling_fn_data: 'resample_torch_fornnunet' } }),
      /"resampling_fn_data" is "resample_torch_fornnunet"/,
    ],
    [
      'CT without facts',
      { ...document({ wanted: fullres }), foreground_intensity_properties_per_channel: {} },
      /"foreground_intensity_properties_per_channel.0" is missing/,
    ],
    ['a cascade', document({ wanted: { ...fullres, previous_stage: '3d_lowres' } }), /a cascade/],
    ['axes that differ', document({ wanted: { ...fullres, spacing: [1, 1] } }), /"spacing" has 2 axes/],
    ['no order of axes', { ...document({ wanted: fullres }), transpose_forward: [0, 0, 1] }, /transpose_forward/],
  ])('refuses %s', (_, json, message) => {
    expect(() => read(json, 'wanted')).toThrow(message);
  });

  it('reads files as Python writes them, and says what is wrong with others', async () => {
    const file = join(folder, 'plans.json');
    writeFileSync(
      file,
      JSON.stringify(document({ '3d_fullres': fullres }, { odd: 0 })).replace(
        '"odd":0',
        '"odd": NaN, "list": [NaN, -Infinity]',
      ),
    );
    expect((await readPlans(file)).source).toBe(file);
    writeFileSync(file, '{"configurations": ');
    await expect(readPlans(file)).rejects.toThrow(/no JSON file/);
    await expect(readPlans(join(folder, 'none.json'))).rejects.toThrow(/no such file/);
  });
});
