/** Settings of all positions, drawn anew for every sample of every step. */
import { type Binding, staticShape, substitute, type Tensor, tensorFromNumbers, type Value } from '../../ir/index.ts';
import { type SuperNetwork, settingInput, sourcesInput } from '../../passes/index.ts';
import { Random, type RandomState } from '../data/random.ts';
import type { Training } from './options.ts';

/**
 * The settings of some samples, by the names of the inputs that take them: under `settingInput` each sample's weight on the original
 * features of a position, under `sourcesInput` its shares of the stitched ones, a row for each source; under the name of a switch its
 * weights, a row for each of all sources.
 */
export type SampleSettings = ReadonlyMap<string, readonly (readonly number[])[]>;

/** What draws the settings of the samples of a training. */
export interface SettingDraws {
  /** The names of the inputs that it draws for. */
  readonly inputs: ReadonlySet<string>;
  state(): RandomState;
  /** The settings of the next samples. */
  next(samples: number): SampleSettings;
}

/** How likely a sample of a training step has every position stitched. */
const fullShare = 0.25;

export interface SettingShares {
  /** How likely a sample has every position stitched. */
  readonly full: number;
  /** How likely a stitched position of a sample is averaged with the original instead. */
  readonly averaged: number;
}

/** What of a network the settings are drawn for. */
export type Drawable = Pick<SuperNetwork, 'positions' | 'switches'>;

/**
 * Draws for each sample how many positions are stitched (all directions together), and which: all of them with the probability
 * `full`, else a number from 1 to all, each as likely, of positions each as likely. A switch with several stitched sources lets one of
 * them through, each as likely: every stitch has to do alone what its switch asks for.
 */
export class SettingSampler implements SettingDraws {
  readonly #random: Random;
  readonly #positions: readonly number[];
  /** Switches with several stitched sources, by the names of their inputs, and how many these are. */
  readonly #sources: ReadonlyMap<string, number>;
  readonly #shares: SettingShares;

  constructor({ positions, switches }: Drawable, random: Random, shares: SettingShares) {
    this.#random = random;
    this.#positions = positions.map(p => p.id);
    const several = switches.filter(s => s.sources.length > 2);
    this.#sources = new Map(several.map(s => [sourcesInput(s), s.sources.length - 1]));
    this.#shares = shares;
  }

  get inputs(): ReadonlySet<string> {
    return new Set([...this.#positions.map(settingInput), ...this.#sources.keys()]);
  }

  /** The settings of a training, from its seed, or from where it was. */
  static forTraining(
    network: Drawable,
    { seed, averaged }: Pick<Training, 'seed' | 'averaged'>,
    state?: RandomState,
  ): SettingSampler {
    const random = state ? Random.restored(state) : Random.seeded(seed, 'settings');
    return new SettingSampler(network, random, { full: fullShare, averaged });
  }

  state(): RandomState {
    return this.#random.state();
  }

  next(samples: number): SampleSettings {
    const positions = this.#positions;
    const { full, averaged } = this.#shares;
    const weights = new Map(positions.map(id => [id, Array<number>(samples).fill(1)]));
    for (let n = 0; n < samples; n++) {
      const all = this.#random.float() < full;
      const count = all ? positions.length : 1 + this.#random.int(positions.length);
      const order = this.#random.permutation(positions.length).subarray(0, count);
      for (const i of order) weights.get(positions[i])![n] = averaged > 0 && this.#random.float() < averaged ? 0.5 : 0;
    }
    const drawn = new Map<string, number[][]>([...weights].map(([id, row]) => [settingInput(id), [row]]));
    for (const [name, count] of this.#sources) {
      const chosen = Array.from({ length: samples }, () => this.#random.int(count));
      drawn.set(
        name,
        Array.from({ length: count }, (_, source) => chosen.map(c => (c === source ? 1 : 0))),
      );
    }
    return drawn;
  }
}

/**
 * Settings as the inputs of a graph that takes them. A feature with more rows than there are samples (windows of an image) gives
 * each sample a run of rows.
 */
export function settingFeeds(
  inputs: readonly Value[],
  settings: SampleSettings,
  binding: Binding = {},
): Record<string, Tensor> {
  const feeds: Record<string, Tensor> = {};
  for (const { name, type } of inputs) {
    const given = settings.get(name);
    if (!given) continue;
    const shape = staticShape(type.shape.map(dim => substitute(dim, binding)));
    if (!shape) throw new RangeError(`the extents of '${name}' are not bound`);
    const size = shape.reduce((product, dim) => product * dim, 1) / given.length;
    const spread = given.flatMap(row =>
      Array.from({ length: size }, (_, r) => row[Math.floor((r * row.length) / size)]),
    );
    feeds[name] = tensorFromNumbers(type.dtype, shape, spread);
  }
  return feeds;
}
