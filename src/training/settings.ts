/** Settings of all positions, drawn anew for every sample of every step. */
import { type Binding, staticShape, substitute, type Tensor, tensorFromNumbers, type Value } from '../../ir/index.ts';
import { type SuperNetwork, settingInput } from '../../passes/index.ts';
import { Random, type RandomState } from '../data/random.ts';
import type { TrainingSettings } from '../run/config.ts';

/** Each sample's weight on the original features, by position. */
export type SampleSettings = ReadonlyMap<number, readonly number[]>;

/** How likely a sample of a training step has every position stitched. */
export const fullShare = 0.25;

export interface SettingShares {
  /** How likely a sample has every position stitched. */
  readonly full: number;
  /** How likely a stitched position of a sample is averaged with the original instead. */
  readonly averaged: number;
}

/**
 * Draws for each sample how many positions are stitched (both directions together), and which: all of them with the probability
 * `full`, else a number from 1 to all, each as likely, of positions each as likely.
 */
export class SettingSampler {
  readonly #random: Random;
  readonly #positions: readonly number[];
  readonly #shares: SettingShares;

  constructor(network: Pick<SuperNetwork, 'positions'>, random: Random, shares: SettingShares) {
    this.#random = random;
    this.#positions = network.positions.map(p => p.id);
    this.#shares = shares;
  }

  /** The settings of a training, from its seed, or from where it was. */
  static forTraining(
    network: Pick<SuperNetwork, 'positions'>,
    { seed, averaged }: Pick<TrainingSettings, 'seed' | 'averaged'>,
    state?: RandomState,
  ): SettingSampler {
    const random = state ? Random.restored(state) : Random.seeded(seed, 'settings');
    return new SettingSampler(network, random, { full: fullShare, averaged });
  }

  state(): RandomState {
    return this.#random.state();
  }

  /** The settings of the next samples. */
  next(samples: number): SampleSettings {
    const positions = this.#positions;
    const { full, averaged } = this.#shares;
    const weights = new Map(positions.map(id => [id, Array<number>(samples).fill(1)]));
    for (let n = 0; n < samples; n++) {
      const all = this.#random.float() < full;
      const count = all ? positions.length : 1 + this.#random.int(positions.length);
      const order = this.#random.permutation(positions.length).subarray(0, count);
      for (const i of order) weights.get(positions[i]!)![n] = averaged > 0 && this.#random.float() < averaged ? 0.5 : 0;
    }
    return weights;
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
  const byName = new Map([...settings].map(([id, weights]) => [settingInput(id), weights]));
  for (const { name, type } of inputs) {
    const weights = byName.get(name);
    if (!weights) continue;
    const shape = staticShape(type.shape.map(dim => substitute(dim, binding)));
    if (!shape) throw new RangeError(`the extents of '${name}' are not bound`);
    const rows = shape[0]!;
    const spread = Float32Array.from({ length: rows }, (_, r) => weights[Math.floor((r * weights.length) / rows)]!);
    feeds[name] = tensorFromNumbers(type.dtype, shape, spread);
  }
  return feeds;
}
