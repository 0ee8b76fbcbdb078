/** Settings that a search found, as what switches do while stitches are trained for them. */
import type { Value } from '../../ir/index.ts';
import type { SuperNetwork, Switch, SwitchMode } from '../../passes/index.ts';
import { Random, type RandomState } from '../data/random.ts';
import { type DiscreteSetting, weightsOf } from '../network/discrete.ts';
import type { Training } from './options.ts';
import type { SampleSettings, SettingDraws } from './setting-sampler.ts';

/** Settings of the switches that differ, each once. Which outputs are looked at makes no other training. */
const apart = (found: readonly DiscreteSetting[]): readonly DiscreteSetting['uses'][] => [
  ...new Map(found.map(({ uses }) => [JSON.stringify(uses), uses])).values(),
];

/** The weights of a switch's sources, for each of some settings. */
const weightsIn = (s: Switch, settings: readonly DiscreteSetting['uses'][]): readonly (readonly number[])[] =>
  settings.map(uses => weightsOf(s, uses[s.weights] ?? 'original'));

const areAlike = (rows: readonly (readonly number[])[]): boolean =>
  rows.every(row => row.every((weight, i) => weight === rows[0][i]));

/** Whether a training draws a setting for each sample. */
export const drawsSettings = (given: Training): boolean =>
  given.settings === 'sampled' || (given.settings === 'found' && apart(given.found).length > 1);

/** What a switch does: what all settings have of it, or each sample's own. */
export function foundModes(found: readonly DiscreteSetting[]): (s: Switch) => SwitchMode {
  const settings = apart(found);
  return s => {
    const rows = weightsIn(s, settings);
    if (!areAlike(rows)) return 'sample';
    return rows[0][0] === 1 ? 'original' : rows[0];
  };
}

/** All features that switches take in some of the settings. */
export const featuresOf = ({ switches }: SuperNetwork, found: readonly DiscreteSetting[]): ReadonlySet<Value> =>
  new Set(
    switches.flatMap(s => {
      const rows = weightsIn(s, apart(found));
      return s.features.filter((_, i) => rows.some(row => row[i] !== 0));
    }),
  );

/** Draws one of the settings for each sample, each as likely. */
export class FoundSampler implements SettingDraws {
  readonly #random: Random;
  readonly #count: number;
  /** By the names of the inputs of the switches that differ: their weights in each setting. */
  readonly #weights: ReadonlyMap<string, readonly (readonly number[])[]>;

  constructor({ switches }: Pick<SuperNetwork, 'switches'>, found: readonly DiscreteSetting[], random: Random) {
    const settings = apart(found);
    this.#random = random;
    this.#count = settings.length;
    const rows = switches.map(s => [s.weights, weightsIn(s, settings)] as const);
    this.#weights = new Map(rows.filter(([, weights]) => !areAlike(weights)));
  }

  /** The settings of a training, from its seed, or from where it was. */
  static forTraining(
    network: Pick<SuperNetwork, 'switches'>,
    { seed, found }: { readonly seed: number; readonly found: readonly DiscreteSetting[] },
    state?: RandomState,
  ): FoundSampler {
    return new FoundSampler(network, found, state ? Random.restored(state) : Random.seeded(seed, 'settings'));
  }

  get inputs(): ReadonlySet<string> {
    return new Set(this.#weights.keys());
  }

  state(): RandomState {
    return this.#random.state();
  }

  next(samples: number): SampleSettings {
    const drawn = Array.from({ length: samples }, () => this.#random.int(this.#count));
    return new Map(
      [...this.#weights].map(([name, weights]) => [
        name,
        weights[0].map((_, source) => drawn.map(setting => weights[setting][source])),
      ]),
    );
  }
}
